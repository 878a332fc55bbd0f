"""Another model for a slot: done when it is ready, and taken back, with both told, when it never is."""

import json
import os
import shutil
import signal
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from hal0.daemon.config.schema import EMBEDDED_SLOTS
from hal0.models import CARDS
from tests.fakes.installation import Installation, installed

CONFIG = """\
# Ours.
[daemon]
ports = @PORTS@

[models]
folders = ["{models}"]

[slots.primary]
model = "hal0-starter"  # the small one
autostart = true
stop_timeout = 0.3
"""
CHAT = "/v1/chat/completions"
STORY: dict[str, Any] = {
    "model": "primary",
    "messages": [{"role": "user", "content": "Tell me a story."}],
    "stream": True,
    "ignore_eos": True,
    "max_tokens": 1000,
}


@pytest.fixture
def hal0(tmp_path: Path) -> Iterator[Installation]:
    """A chat slot, and beside its model a second one that works and one that looks well and does not load."""
    models = tmp_path / "models"
    models.mkdir()
    starter = next(card for card in CARDS if card.id == "hal0-starter")
    shutil.copy(starter.path, models / "second.gguf")
    whole = starter.path.read_bytes()  # as many tensors as it should have, under names that its engine does not know
    (models / "hollow.gguf").write_bytes(whole.replace(b"blk.", b"bkl."))
    folder = tmp_path / "hal0"
    folder.mkdir()
    with installed(folder, CONFIG.format(models=models)) as installation:
        installation.wait_for_slot("primary", "ready")
        yield installation


def swap(hal0: Installation, model: str, **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = hal0.admin("POST", "/api/slots/primary/swap", {"model": model, **more})
    return answer


def outcome(hal0: Installation, accepted: dict[str, Any], *, seconds: float = 30.0) -> dict[str, Any]:
    """The slot once the swap is over."""
    deadline = time.monotonic() + seconds
    while True:
        view = hal0.slot("primary")
        assert view["swap"]["operation"] == accepted["operation"]
        if view["swap"]["step"] not in ("under way", "going back"):
            return view
        assert time.monotonic() < deadline, view
        time.sleep(0.02)


def configured_model(hal0: Installation) -> Any:
    return tomllib.loads(hal0.config.read_text())["slots"]["primary"]["model"]


def codes(hal0: Installation) -> set[str]:
    return {each["error"]["code"] for each in hal0.admin("GET", "/api/errors")["errors"]}


def test_a_swap_is_an_edit_that_ends_with_the_new_model_ready(hal0: Installation) -> None:
    before = hal0.config.read_text()
    pid = hal0.slot("primary")["pid"]
    view = outcome(hal0, swap(hal0, "second"))
    assert (view["swap"]["step"], view["state"], view["model"]) == ("done", "ready", "second")
    assert view["pid"] != pid
    assert hal0.config.read_text() == before.replace('model = "hal0-starter"', 'model = "second"')
    newest = hal0.admin("GET", "/api/config/history")["revisions"][0]
    assert (newest["revision"], newest["why"]) == (2, "primary swapped from hal0-starter to second")
    with httpx.Client(base_url=hal0.url, timeout=30) as client:
        answer = client.post(CHAT, json={**STORY, "stream": False, "max_tokens": 2})
    assert answer.headers["x-hal0-model"] == "second"


def test_a_model_that_does_not_load_is_taken_back_and_both_are_told(hal0: Installation) -> None:
    before = hal0.config.read_text()
    view = outcome(hal0, swap(hal0, "hollow"))
    error = view["swap"]["error"]
    assert (view["swap"]["step"], error["code"]) == ("failed", "slot.swap_failed")
    assert error["message"].startswith("primary could not be swapped to hollow: primary could not load its model: ")
    assert error["message"].endswith("; hal0-starter runs again")
    assert (view["state"], view["model"]) == ("ready", "hal0-starter")
    assert hal0.config.read_text() == before
    config = hal0.admin("GET", "/api/config")
    assert (config["revision"], config["by"], config["failed"]) == (3, "hal0", error["message"])
    assert "slot.swap_failed" in codes(hal0)
    assert "config.slot_failed" not in codes(hal0), "the trial of edits leaves it to the swap"


def test_an_edit_made_while_the_swap_fails_is_kept(hal0: Installation) -> None:
    with httpx.Client(base_url=hal0.url, timeout=30) as client, client.stream("POST", CHAT, json=STORY) as answer:
        lines = answer.iter_lines()
        next(line for line in lines if '"content":"' in line)
        accepted = swap(hal0, "hollow", drain="wait")
        hal0.admin("POST", "/api/config/reload", {})
        hal0.config.write_text(hal0.config.read_text().replace("# Ours.", "# Ours.\n[observe]\ncapture = false"))
        assert hal0.admin("POST", "/api/config/reload", {})["revision"] == 3
        list(lines)
    view = outcome(hal0, accepted)
    assert view["swap"]["error"]["message"].endswith("; hal0-starter runs again")
    assert configured_model(hal0) == "hal0-starter"
    assert "capture = false" in hal0.config.read_text()


def test_a_slot_that_was_offline_is_started_and_is_offline_again_if_that_fails(hal0: Installation) -> None:
    hal0.admin("POST", "/api/slots/primary/unload", {})
    hal0.wait_for_slot("primary", "offline")
    view = outcome(hal0, swap(hal0, "hollow"))
    assert view["swap"]["error"]["message"].endswith("; hal0-starter is configured again, and not started, as it was")
    hal0.wait_for_slot("primary", "offline")
    view = outcome(hal0, swap(hal0, "second"))
    assert (view["swap"]["step"], view["state"]) == ("done", "ready"), hal0.log.read_text()


def test_what_cannot_work_is_refused_before_anything_is_touched(hal0: Installation) -> None:
    before, slot = hal0.config.read_text(), hal0.slot("primary")
    misspelt = swap(hal0, "secnd")["error"]
    assert (misspelt["code"], "did you mean 'second'?" in misspelt["message"]) == ("model.not_found", True)
    other_kind = swap(hal0, "all-minilm-l6-v2")["error"]
    assert other_kind["code"] == "model.wrong_kind"
    assert other_kind["message"] == "all-minilm-l6-v2 is a model for embedding, and primary is a slot for chat"
    hal0.config.write_text(before + 'memory = "1TiB"\ncontext = 1024\n')
    hal0.admin("POST", "/api/config/reload", {})
    assert swap(hal0, "all-minilm-l6-v2")["error"]["code"] == "model.wrong_kind"  # not: its context is shorter
    too_large = swap(hal0, "second")["error"]
    assert too_large["code"] == "slot.insufficient_memory"
    hal0.config.write_text(before)
    hal0.admin("POST", "/api/config/reload", {})
    assert swap(hal0, "")["error"]["code"] == "dispatch.invalid_request"
    assert swap(hal0, "second", drain="soon")["error"]["param"] == "drain"
    assert hal0.config.read_text() == before
    now = hal0.slot("primary")
    assert (now["pid"], now["state"], now["swap"]) == (slot["pid"], "ready", None)
    assert hal0.admin("GET", "/api/config")["revision"] == 3


def test_a_stream_in_flight_ends_first_unless_it_is_to_be_now(hal0: Installation) -> None:
    ends = {}
    for model, drain in (("second", "wait"), ("hal0-starter", "grace"), ("second", "now")):
        with httpx.Client(base_url=hal0.url, timeout=30) as client, client.stream("POST", CHAT, json=STORY) as answer:
            lines = answer.iter_lines()
            next(line for line in lines if '"content":"' in line)
            pid = hal0.slot("primary")["pid"]
            os.kill(pid, signal.SIGSTOP)  # so that it is in flight for certain
            accepted = swap(hal0, model, drain=drain)
            if drain != "now":
                hal0.wait_for_slot("primary", "unloading")
                assert swap(hal0, "hollow")["error"]["code"] == "slot.swap_under_way"
                os.kill(pid, signal.SIGCONT)
            ends[drain] = [line for line in lines if line.startswith("data: ")][-1].removeprefix("data: ")
        assert outcome(hal0, accepted)["model"] == model
    assert ends["wait"] == ends["grace"] == "[DONE]"
    assert json.loads(ends["now"])["error"]["code"] == "dispatch.stream_broken"


def test_unloading_calls_a_swap_off_and_leaves_what_was_written(hal0: Installation) -> None:
    with httpx.Client(base_url=hal0.url, timeout=30) as client, client.stream("POST", CHAT, json=STORY) as answer:
        lines = answer.iter_lines()
        next(line for line in lines if '"content":"' in line)
        accepted = swap(hal0, "second", drain="wait")
        hal0.admin("POST", "/api/slots/primary/unload", {"drain": "now"})
        view = outcome(hal0, accepted)
    assert (view["swap"]["step"], view["model"], configured_model(hal0)) == ("called off", "second", "second")
    hal0.wait_for_slot("primary", "offline")


def test_a_daemon_killed_in_the_middle_of_a_swap_leaves_one_model_configured_and_runs_it(hal0: Installation) -> None:
    with httpx.Client(base_url=hal0.url, timeout=30) as client, client.stream("POST", CHAT, json=STORY) as answer:
        next(line for line in answer.iter_lines() if '"content":"' in line)
        os.kill(hal0.slot("primary")["pid"], signal.SIGSTOP)
        swap(hal0, "second", drain="wait")
        hal0.wait_for_slot("primary", "unloading")
        hal0.stop(signal.SIGKILL)
    hal0.start()
    view = hal0.wait_for_slot("primary", "ready")
    assert (view["model"], configured_model(hal0), view["swap"]) == ("second", "second", None)
    assert hal0.admin("GET", "/api/config")["problems"] == []


def test_the_embedded_default_is_written_down_with_the_other_model(tmp_path: Path) -> None:
    starter = next(card for card in CARDS if card.id == "hal0-starter")
    model = tmp_path / "mine.gguf"
    shutil.copy(starter.path, model)
    text = f'[daemon]\nports = @PORTS@\n[models.mine]\npath = "{model}"\n'
    folder = tmp_path / "hal0"
    folder.mkdir()
    with installed(folder, text) as hal0:
        hal0.wait_for_slot("primary", "ready")
        embed = hal0.wait_for_slot("embed", "ready")["pid"]
        assert outcome(hal0, swap(hal0, "mine"))["model"] == "mine"
        assert hal0.slot("embed")["pid"] == embed, "the other slot of the default notices nothing"
        assert set(tomllib.loads(hal0.config.read_text())["slots"]) == set(EMBEDDED_SLOTS)


def test_a_slot_is_pinned_and_unpinned_by_an_edit_that_restarts_nothing(hal0: Installation) -> None:
    pid = hal0.slot("primary")["pid"]
    view = hal0.admin("POST", "/api/slots/primary/pin", {"pinned": True})
    assert (view["revision"], view["why"]) == (2, "slot primary pinned")
    assert hal0.admin("POST", "/api/slots/primary/pin", {"pinned": True})["revision"] == 2, "there is nothing to write"
    slot = hal0.slot("primary")
    assert (slot["pinned"], slot["pid"]) == (True, pid)
    assert hal0.admin("POST", "/api/slots/primary/pin", {"pinned": False})["revision"] == 3
    assert hal0.slot("primary")["pinned"] is False
