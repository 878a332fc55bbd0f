"""`hal0` itself: help, usage, exit statuses, and what failures look like."""

import json
import os
import re
import signal
import subprocess
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from hal0 import __version__
from hal0.cli import config, crash, key, model, remote, slot
from hal0.cli.__main__ import COMMANDS, MEANT, main
from hal0.wire import Accepted
from tests.cli import pictures
from tests.cli.conftest import OpenTerminal, Run
from tests.fakes.admin import FakeAdmin

GROUPS_ALONE = {"slot": slot, "model": model, "remote": remote, "key": key, "crash": crash, "config": config}


def test_help_lists_every_command(hal0: Run) -> None:
    ended = hal0("--help")
    assert ended.status == 0
    assert ended.err == ""
    for command in COMMANDS.values():
        assert f"  {command.name:<10}{command.summary}" in ended.out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_fits_eighty_columns(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO()))
    assert main([command, "--help"]) == 0
    out = capsys.readouterr().out
    for word in re.findall(r"^    ([a-z]+)(?:  |$)", out, re.MULTILINE):
        assert main([command, word, "--help"]) == 0
        out += capsys.readouterr().out
    assert [line for line in out.splitlines() if len(line) > 80] == []


def test_names_keep_their_letters_in_a_help(hal0: Run) -> None:
    assert "in $EDITOR" in hal0("config", "edit", "--help").out


def test_version_is_the_packages(hal0: Run) -> None:
    assert hal0("--version").out == f"hal0 {__version__}\n"


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("stat",),
        ("status", "--colour"),
        ("slot", "lod"),
        ("slot", "load"),
        ("slot", "edit", "a"),
        ("slot", "create", "a"),
        ("slot", "edit", "a", "context"),
        ("cancel",),
    ],
)
def test_wrong_usage_ends_with_2_and_says_so_on_stderr(hal0: Run, words: tuple[str, ...]) -> None:
    ended = hal0(*words)
    assert (ended.status, ended.out) == (2, "")
    assert "hal0" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (("stats",), "there is no command 'stats'; did you mean 'status'?"),
        (("slot", "lod", "a"), "hal0 slot: there is no command 'lod'; did you mean 'load'?"),
        (("crash", "shw"), "hal0 crash: there is no command 'shw'; did you mean 'show'?"),
        (("slot", "list", "--jsonn"), "unrecognized arguments: --jsonn; did you mean '--json'?"),
        (("slot", "unload", "a", "--drian=now"), "unrecognized arguments: --drian=now; did you mean '--drain'?"),
        (("model", "pull", "a", "--kind", "speach"), "did you mean 'speech'?"),
        (("chat", "primary", "hello", "there"), "what you say stands after -m"),
        (("chat", "--mesage", "hello"), "did you mean '--message'?"),
        (("chat", "primary"), "there is nothing to ask, as in `hal0 chat primary -m"),
        (("slot", "edit", "a"), "For example: `hal0 slot edit a context=8192`"),
    ],
)
def test_a_wrong_word_is_answered_with_the_nearest_right_one(hal0: Run, words: tuple[str, ...], near: str) -> None:
    ended = hal0(*words)
    assert (ended.status, ended.out) == (2, "")
    assert near in ended.err


def test_the_help_of_a_command_below_another_is_found_by_help_too(hal0: Run) -> None:
    assert hal0("help", "slot", "load").out == hal0("slot", "load", "--help").out


def test_a_file_that_is_not_there_is_told_as_that(hal0: Run) -> None:
    assert hal0("plan", "nowhere.toml").err.startswith("error: config.not_found: ")


@pytest.mark.parametrize(("word", "below"), [(name, module.ALONE) for name, module in GROUPS_ALONE.items()])
def test_a_group_alone_does_what_is_meant(hal0: Run, word: str, below: str) -> None:
    alone, named = hal0(word, "--json"), hal0(word, below, "--json")
    assert (alone.status, alone.out, alone.err) == (named.status, named.out, named.err)
    assert alone.status != 2
    assert f"`hal0 {word}` alone is `hal0 {word} {below}`." in hal0(word, "--help").out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_without_a_daemon(hal0: Run, command: str) -> None:
    ended = hal0(command, "--help")
    assert ended.status == 0
    assert ended.out.startswith(f"usage: hal0 {command}")
    assert hal0("help", command).out == ended.out


@pytest.mark.parametrize("verb", ["list", "show", "command", "load", "unload", "restart", "logs"])
def test_every_slot_command_explains_itself(hal0: Run, verb: str) -> None:
    assert hal0("slot", verb, "--help").out.startswith(f"usage: hal0 slot {verb}")


@pytest.mark.parametrize("word", MEANT)
def test_a_word_that_people_try_leads_to_a_command(
    word: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO()))
    assert main([word]) == 2
    assert f"it is `hal0 {MEANT[word]}`" in capsys.readouterr().err
    assert main([*MEANT[word].split(), "--help"]) == 0


ASKING = [
    ("status",),
    ("slot", "list"),
    ("slot", "show", "primary"),
    ("slot", "load", "primary"),
    ("slot", "logs", "primary"),
    ("slot", "logs", "-f", "primary"),
    ("requests",),
    ("cancel", "req-1"),
    ("chat", "-m", "hi"),
    ("config", "show"),
    ("config", "reload"),
]


@pytest.mark.parametrize("words", ASKING)
def test_without_a_daemon_every_command_says_so_and_how_to_start_it(hal0: Run, words: tuple[str, ...]) -> None:
    ended = hal0(*words)
    assert (ended.status, ended.out) == (1, "")
    first, second = ended.err.splitlines()
    assert first.startswith("error: system.daemon_down: hal0d does not answer at ")
    assert first.endswith("run/hal0.sock: there is no such socket")
    assert second.startswith("→ Start it with `hal0 up`")


def test_a_socket_that_nobody_holds_is_a_daemon_that_is_down(hal0: Run, tmp_path: Path) -> None:
    import socket

    (tmp_path / "run").mkdir()
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(tmp_path / "run" / "hal0.sock"))
    assert "error: system.daemon_down: " in hal0("status").err


@pytest.mark.parametrize("words", ASKING)
def test_with_json_a_failure_is_the_envelope_on_stderr(hal0: Run, words: tuple[str, ...]) -> None:
    ended = hal0(*words, "--json")
    assert (ended.status, ended.out) == (1, "")
    error = json.loads(ended.err)["error"]
    assert error["code"] == "system.daemon_down"
    assert error["details"]["reason"] == "there is no such socket"


@pytest.mark.parametrize("words", ASKING)
@pytest.mark.parametrize("answer", [b"<html>nginx</html>", b"", b"[]", b'{"slots": 7}', b"\xff\xfe"])
def test_an_answer_from_something_else_is_named_as_that(
    hal0: Run, admin: FakeAdmin, words: tuple[str, ...], answer: bytes
) -> None:
    admin.answers["DELETE /api/requests/req-1"] = answer
    for route in ("state", "slots", "slots/primary", "slots/primary/logs", "requests", "config"):
        admin.answers[f"GET /api/{route}"] = answer
    for route in ("POST /api/config/reload", "POST /v1/chat/completions"):
        admin.answers[route] = answer
    ended = hal0(*words)
    assert (ended.status, ended.out) == (1, "")
    assert ended.err.startswith("error: system.bad_answer: ")
    assert len(ended.err.splitlines()) == 2


def test_a_code_of_a_newer_daemon_is_still_shown(hal0: Run, admin: FakeAdmin) -> None:
    admin.answers["GET /api/slots"] = {"status": 507, "error": {"code": "slot.too_new", "message": "not here yet"}}
    ended = hal0("slot", "list")
    assert ended.status == 1
    assert "slot.too_new: not here yet" in ended.err


def test_a_daemon_elsewhere_is_asked_over_tcp(hal0: Run, admin: FakeAdmin) -> None:
    admin.answers["GET /api/state"] = pictures.state()
    elsewhere = {"HAL0_RUNTIME_DIR": "/nonexistent"}
    assert "lab01" in hal0("status", "--host", admin.url, **elsewhere).out
    assert "lab01" in hal0("status", "--host", admin.url.removeprefix("http://"), **elsewhere).out
    assert "lab01" in hal0("status", HAL0_URL=admin.url, **elsewhere).out


@pytest.mark.parametrize("address", ["ftp://box", "http://", "http://box:port"])
def test_an_address_that_is_none_is_told_as_that(hal0: Run, address: str) -> None:
    ended = hal0("status", "--host", address)
    assert ended.status == 1
    assert ended.err.startswith("error: system.bad_address: ")
    assert f"{address} is not the address of a daemon: " in ended.err


def test_an_address_where_nobody_listens_is_a_daemon_that_is_down(hal0: Run) -> None:
    ended = hal0("status", "--host", "http://127.0.0.1:1")
    assert ended.status == 1
    assert ended.err.startswith(
        "error: system.daemon_down: hal0d does not answer at http://127.0.0.1:1: the connection "
    )


def test_a_reader_that_goes_away_is_no_failure_to_speak_of(env: dict[str, str]) -> None:
    command = subprocess.Popen(
        [sys.executable, "-m", "hal0.cli", "explain", "--all"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env
    )
    assert command.stdout is not None
    assert command.stderr is not None
    command.stdout.close()
    assert command.stderr.read() == b""
    command.stderr.close()
    assert command.wait(30) == 141


def test_ctrl_c_ends_quietly_with_130(admin: FakeAdmin, terminal: OpenTerminal) -> None:
    admin.answers["GET /api/slots/primary"] = pictures.slot(state="warming", progress=0.4)
    admin.answers["POST /api/slots/primary/load"] = Accepted(operation="load-1", slot="primary", since=7)
    screen = terminal("slot", "load", "primary")
    screen.wait_for("warming 40%")
    os.kill(screen.process.pid, signal.SIGINT)
    assert screen.wait() == 130
    assert "Traceback" not in screen.screen


def test_an_escape_sequence_in_a_failure_does_not_reach_the_terminal(admin: FakeAdmin, terminal: OpenTerminal) -> None:
    admin.answers["GET /api/slots"] = {
        "status": 500,
        "error": {"code": "odd", "message": "\x1b]0;owned\x07 \x1b[2Jgone"},
    }
    screen = terminal("slot", "list", NO_COLOR="1")
    assert screen.wait() == 1
    assert "gone" in screen.screen
    assert "\x1b" not in screen.screen


def test_no_color_is_honoured(admin: FakeAdmin, terminal: OpenTerminal) -> None:
    admin.answers["GET /api/state"] = pictures.state()
    plain, coloured = terminal("status", NO_COLOR="1"), terminal("status")
    assert plain.wait() == coloured.wait() == 0
    assert "\x1b[31m" in coloured.screen
    assert "\x1b[3" not in plain.screen


CLOSED = "import os, sys; os.close(int(sys.argv[1])); os.execv(sys.argv[2], sys.argv[2:])"


@pytest.mark.parametrize("stream", [0, 1, 2])
@pytest.mark.parametrize(("words", "status"), [(("--help",), 0), (("status",), 1), (("chat",), 2)])
def test_a_closed_stream_is_no_traceback(env: dict[str, str], stream: int, words: tuple[str, ...], status: int) -> None:
    command = [sys.executable, "-c", CLOSED, str(stream), sys.executable, "-m", "hal0.cli", *words]
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == status
    assert "Traceback" not in ended.stderr
    assert "system.internal" not in ended.stderr


@pytest.mark.parametrize("words", [("--help",), ("status", "--help"), ("explain", "--all")])
def test_a_full_disk_behind_stdout_is_told_with_its_code(env: dict[str, str], words: tuple[str, ...]) -> None:
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "hal0.cli", *words],
            stdout=full, stderr=subprocess.PIPE, env=env, text=True, timeout=30, check=False,
        )  # fmt: skip
    assert ended.returncode == 1
    first, second = ended.stderr.splitlines()
    assert first == "error: system.output_failed: the output could not be written: No space left on device"
    assert second.startswith("→ Make room")
