"""The commands against a real daemon with real backends: what a person does in a day."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import LIMIT_SECONDS, Ended, OpenTerminal
from tests.fakes.installation import Installation, installed


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("hal0")) as installation:
        installation.wait_for_slot("primary", "ready")
        yield installation


def run(here: Installation, *words: str, stdin: str = "") -> Ended:
    ended = subprocess.run(
        [sys.executable, "-m", "hal0.cli", *words],
        input=stdin, capture_output=True, text=True, env=here.env, timeout=LIMIT_SECONDS, check=False,
    )  # fmt: skip
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def test_status_shows_the_embedded_slots(here: Installation) -> None:
    ended = run(here, "status")
    assert (ended.status, ended.err) == (0, "")
    assert "primary" in ended.out
    assert "embed" in ended.out
    assert here.url in ended.out
    assert json.loads(run(here, "status", "--json").out)["pid"] == here.process.pid  # type: ignore[union-attr]


def test_a_chat_is_answered_by_the_embedded_model(here: Installation) -> None:
    ended = run(here, "chat", "-v", "-m", "What is hal0?")
    assert ended.status == 0
    assert "hal0" in ended.out
    assert ended.err.startswith("primary: ")
    assert run(here, "chat", "primary", "--no-stream", stdin="What is hal0?").out == ended.out


def test_a_conversation_on_a_terminal(here: Installation, terminal: OpenTerminal) -> None:
    screen = terminal("chat", **{**here.env, "TERM": "dumb"})
    screen.wait_for("> ")
    screen.type("What is hal0?\n")
    screen.wait_for("hal0 is")
    screen.type("/quit\n")
    assert screen.wait() == 0


def test_the_wrong_slot_and_the_wrong_name_are_refused_with_their_codes(here: Installation) -> None:
    assert run(here, "chat", "embed", "-m", "Hi").err.startswith("error: dispatch.capability_mismatch: ")
    assert run(here, "chat", "primry", "-m", "Hi").err.startswith("error: dispatch.no_route: ")
    assert run(here, "slot", "show", "primry").err.startswith("error: slot.not_found: ")
    assert run(here, "cancel", "nobody").err.startswith("error: dispatch.request_not_found: ")


def test_a_slot_is_unloaded_loaded_and_restarted(here: Installation) -> None:
    assert run(here, "slot", "unload", "embed").out.startswith("embed: offline after ")
    assert here.slot("embed")["pid"] is None
    assert run(here, "slot", "load", "embed").out.startswith("embed: ready after ")
    before = here.slot("embed")
    after = json.loads(run(here, "slot", "restart", "embed", "--json").out)
    assert after["run"] == before["run"] + 1
    assert after["pid"] != before["pid"]


def test_show_prints_the_command_line_with_its_origins(here: Installation) -> None:
    ended = run(here, "slot", "show", "primary")
    assert ended.status == 0
    assert "hal0.backends.llama" in ended.out
    assert "config slots.primary.model" in ended.out


def test_logs_are_shown_and_followed(here: Installation) -> None:
    assert run(here, "slot", "logs", "primary", "-n", "3").out.count("\n") == 3
    following = subprocess.Popen(
        [sys.executable, "-m", "hal0.cli", "slot", "logs", "-f", "-n", "0", "primary"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=here.env, text=True,
    )  # fmt: skip
    with following:
        assert following.stdout is not None
        assert following.stderr is not None
        os.set_blocking(following.stdout.fileno(), True)
        # Nothing says when it has begun to listen, so the slot is given something to say until it was heard.
        while not _readable(following.stdout.fileno()):
            run(here, "chat", "-m", "Hi")
        assert following.stdout.readline().strip()
        following.send_signal(signal.SIGINT)
        assert following.wait(LIMIT_SECONDS) == 130
        assert following.stderr.read() == ""


def _readable(descriptor: int) -> bool:
    import select

    return bool(select.select([descriptor], [], [], 0.2)[0])


def test_finished_requests_are_listed(here: Installation) -> None:
    run(here, "chat", "-m", "Hi")
    lines = run(here, "requests").out.splitlines()
    assert "chat/completions" in lines[1]
    assert " ok " in lines[1]


def test_config_show_and_reload_tell_the_revision(here: Installation) -> None:
    assert run(here, "config", "show").out.startswith("config r1 ok  ")
    text = here.config.read_text()
    try:
        here.config.write_text(text + "colour = 1\n")
        ended = run(here, "config", "reload")
        assert ended.status == 1
        assert f"{here.config}:3:1: " in ended.out
        assert "the file is refused since" in run(here, "status").out
    finally:
        here.config.write_text(text)
    assert run(here, "config", "reload").status == 0


def test_a_second_daemon_is_refused(here: Installation) -> None:
    ended = run(here, "serve")
    assert ended.status == 1
    assert "error: system.already_running: " in ended.err


def test_a_backend_that_cannot_start_is_told_with_its_code(tmp_path: Path) -> None:
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"GGUF" + bytes(60))
    config = f"""
        [daemon]
        ports = @PORTS@
        [models.bad]
        path = "{bad}"
        [slots.bad]
        model = "bad"
        kind = "chat"
        """
    with installed(tmp_path / "hal0", config) as here:
        ended = run(here, "slot", "load", "bad")
        assert (ended.status, ended.out) == (1, "")
        assert ended.err.startswith(("error: slot.load_failed: ", "error: model.file_invalid: "))
        assert "✖  bad" in run(here, "slot", "list").out
        assert "last failure" in run(here, "slot", "show", "bad").out
