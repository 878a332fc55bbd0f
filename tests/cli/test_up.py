"""`hal0 up`, `serve` and `tui`: one command from nothing to the dashboard, and back to nothing."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import LIMIT_SECONDS, Run, Terminal
from tests.fakes.installation import Installation, installed

WORDS = ("-m", "hal0.cli", "up")


class Screens:
    """Terminals of an installation, all closed at the end."""

    def __init__(self, here: Installation) -> None:
        self.here = here
        self.opened: list[Terminal] = []

    def open(self, *words: str) -> Terminal:
        self.opened.append(Terminal(words, {**self.here.env, "TERM": "xterm-256color"}))
        return self.opened[-1]


@pytest.fixture
def screens(tmp_path: Path) -> Iterator[Screens]:
    """Nothing runs yet; at the end nothing may be left."""
    screens = Screens(Installation(tmp_path))
    yield screens
    for screen in screens.opened:
        screen.close()
    for pid in screens.here.backends():
        os.kill(pid, signal.SIGKILL)


def is_listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def test_up_starts_the_daemon_shows_the_dashboard_and_stops_it_again(screens: Screens) -> None:
    screen = screens.open("up")
    screen.wait_for("primary")
    assert is_listening(screens.here.socket)
    screen.type("q")
    assert screen.wait() == 0
    assert "stopping hal0d, pid " in screen.screen
    assert not is_listening(screens.here.socket)
    assert screens.here.backends() == []


def test_up_keep_leaves_the_daemon_running(screens: Screens) -> None:
    screen = screens.open("up", "--keep")
    screen.wait_for("primary")
    screen.type("q")
    assert screen.wait() == 0
    assert "goes on as pid " in screen.screen
    pid = int(screen.screen.rsplit("goes on as pid ", 1)[1].split(";")[0])
    assert is_listening(screens.here.socket)
    os.kill(pid, signal.SIGTERM)


def test_up_uses_the_daemon_that_runs_and_leaves_it_alone(tmp_path: Path) -> None:
    with installed(tmp_path) as here:
        screen = Terminal(("up",), {**here.env, "TERM": "xterm-256color"})
        try:
            screen.wait_for("primary")
            screen.type("q")
            assert screen.wait() == 0
        finally:
            screen.close()
        assert "stopping hal0d" not in screen.screen
        assert is_listening(here.socket)
        assert here.process is not None
        assert here.process.poll() is None


@pytest.mark.parametrize(("number", "status"), [(signal.SIGHUP, -signal.SIGHUP), (signal.SIGTERM, 0)])
def test_a_closed_terminal_stops_the_daemon_too(screens: Screens, number: int, status: int) -> None:
    screen = screens.open("up")
    screen.wait_for("primary")
    os.kill(screen.process.pid, number)
    assert screen.wait() == status
    probe = subprocess.run(
        [sys.executable, "-c", WAIT_UNTIL_GONE, str(screens.here.socket)], timeout=LIMIT_SECONDS, check=False
    )
    assert probe.returncode == 0


WAIT_UNTIL_GONE = """
import socket, sys, time
deadline = time.monotonic() + 20
while socket.socket(socket.AF_UNIX).connect_ex(sys.argv[1]) == 0:
    time.sleep(0.05)
    if time.monotonic() > deadline:
        sys.exit(1)
"""


def test_a_daemon_that_cannot_start_is_told_with_its_last_words(screens: Screens) -> None:
    screens.here.config.write_text("[server]\nprt = 1\n")
    screen = screens.open("up")
    assert screen.wait() == 1
    assert "prt" in screen.screen
    assert "system.start_failed:" in screen.screen
    assert "ended with status 1" in screen.screen
    assert "\x1b[K" not in screen.screen.split("prt", 1)[1], "the progress line is cleared before the last words"


def test_an_older_failure_in_the_log_is_not_told_again(screens: Screens) -> None:
    log = screens.here.folder / "state" / "logs" / "hal0d.log"
    log.parent.mkdir(parents=True)
    log.write_text("error: an old story\n")
    screens.here.config.write_text("[server]\nprt = 1\n")
    screen = screens.open("up")
    assert screen.wait() == 1
    assert "an old story" not in screen.screen
    assert "an old story" in log.read_text()


def test_without_a_terminal_up_is_the_daemon_alone(tmp_path: Path) -> None:
    here = Installation(tmp_path)
    with here.log.open("ab") as log:
        here.process = subprocess.Popen(
            [sys.executable, *WORDS], env=here.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    try:
        assert here.wait_for_state()["pid"] == here.process.pid
    finally:
        assert here.stop() == 0
    assert here.backends() == []


def test_the_dashboard_needs_a_terminal(hal0: Run) -> None:
    ended = hal0("tui")
    assert ended.status == 1
    assert "system.not_a_terminal" in ended.err


def test_tui_takes_the_options_of_the_dashboard(tmp_path: Path) -> None:
    with installed(tmp_path) as here:
        ended = subprocess.run(
            [sys.executable, "-m", "hal0.cli", "tui", "--once", "--host", here.url],
            env=here.env, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False,
        )  # fmt: skip
    assert ended.returncode == 0
    assert "primary" in ended.stdout
