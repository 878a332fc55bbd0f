"""An edit that cannot work ends no slot that does."""

import time
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.gguf_files import chat_entries, write_model
from tests.fakes.installation import Installation, installed

CONFIG = """\
[daemon]
ports = @PORTS@

[slots.embed]
model = "all-minilm-l6-v2"
autostart = true
"""
END = "autostart = true\n"


def edited(hal0: Installation, line: str) -> str:
    return hal0.config.read_text().replace(END, f"{END}{line}\n")


@pytest.mark.parametrize(
    ("line", "key", "column"),
    [
        ('args = ["--port", "1"]', "slots.embed.args", 8),
        ("context = 99999", "slots.embed.context", 11),
        ('kind = "rerank"', "slots.embed.kind", 8),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused_everywhere(tmp_path: Path, line: str, key: str, column: int) -> None:
    with installed(tmp_path, CONFIG) as hal0:
        pid = hal0.wait_for_slot("embed", "ready")["pid"]
        good, text = hal0.config.read_text(), edited(hal0, line)
        checked = hal0.admin("POST", "/api/config/check", {"text": text})["problems"]
        planned = hal0.admin("POST", "/api/config/plan", {"text": text})["problems"]
        with hal0.client() as client:
            answer = client.patch("/api/config", json={"set": {key: value_of(line)}})
        assert (answer.status_code, hal0.config.read_text()) == (422, good)
        assert [each["key"] for each in answer.json()["error"]["details"]["problems"]] == [key]
        hal0.config.write_text(text)
        view = hal0.admin("POST", "/api/config/reload", {})
        assert view["revision"] == 1
        for problems in (checked, planned, view["problems"]):
            assert [(each["key"], each["line"], each["column"]) for each in problems] == [(key, 7, column)]
        slot = hal0.slot("embed")
        assert (slot["state"], slot["pid"]) in (("ready", pid), ("idle", pid))


def value_of(line: str) -> Any:
    return next(iter(tomllib.loads(line).values()))


def test_a_daemon_refuses_to_start_from_it_with_the_place(tmp_path: Path) -> None:
    hal0 = Installation(tmp_path, CONFIG + 'args = ["--port", "1"]\n')
    with pytest.raises(
        AssertionError, match=r"hal0\.toml:7:8: config\.invalid: `slots\.embed\.args`: --port is hal0's own"
    ):
        hal0.start()


def test_a_program_that_is_not_there_leaves_the_running_one_alone(tmp_path: Path) -> None:
    with installed(tmp_path, CONFIG) as hal0:
        pid = hal0.wait_for_slot("embed", "ready")["pid"]
        good = hal0.config.read_text()
        text = edited(hal0, 'binary = "/nonexistent"')
        (planned,) = hal0.admin("POST", "/api/config/plan", {"text": text})["slots"]
        hal0.config.write_text(text)
        view = hal0.admin("POST", "/api/config/reload", {})
        assert (view["revision"], view["failed"], view["problems"]) == (2, "", [])
        assert view["effects"] == [planned]
        assert (planned["effect"], planned["running"]) == ("keep", True)
        assert "(slot.engine_missing)" in planned["problem"]
        assert (hal0.slot("embed")["state"], hal0.slot("embed")["pid"]) == ("ready", pid)
        with hal0.client() as client:
            assert client.post("/v1/embeddings", json={"model": "embed", "input": "hello"}).status_code == 200
        hal0.config.write_text(good + "context = 128\n")
        (effect,) = hal0.admin("POST", "/api/config/reload", {})["effects"]
        assert effect["effect"] == "restart"
        deadline = time.monotonic() + 20.0
        while (slot := hal0.slot("embed"))["state"] != "ready" or slot["pid"] == pid:
            assert time.monotonic() < deadline, f"it did not restart: {slot}"
            time.sleep(0.02)


@pytest.mark.parametrize("asked", [True, False])
def test_what_was_refused_for_a_models_sake_is_taken_over_once_the_model_allows_it(tmp_path: Path, asked: bool) -> None:
    model = write_model(tmp_path / "m.gguf", chat_entries(**{"llama.context_length": 512}))
    with installed(tmp_path, CONFIG.replace("autostart = true\n", "")) as hal0:
        more = f'\n[models.m]\npath = "{model}"\n[slots.m]\nmodel = "m"\ncontext = 1024\n'
        hal0.config.write_text(hal0.config.read_text() + more)
        view = hal0.admin("POST", "/api/config/reload", {})
        assert [problem["key"] for problem in view["problems"]] == ["slots.m.context"]
        write_model(model, chat_entries(**{"llama.context_length": 2048}))
        deadline = time.monotonic() + 20.0
        while (view := hal0.admin("POST" if asked else "GET", "/api/config" + "/reload" * asked, {}))["problems"]:
            assert not asked, "the reload has judged it anew"
            assert time.monotonic() < deadline, view
            time.sleep(0.05)
        assert view["revision"] == 2
        assert hal0.slot("m")["state"] == "offline"
