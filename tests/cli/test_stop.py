"""`hal0 stop`: the daemon ends as after SIGTERM, whoever waits is told for what, and nobody else is signalled."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from hal0.daemon.instance import claim
from hal0.paths import Paths
from tests.cli import pictures
from tests.cli.conftest import LIMIT_SECONDS, Ended, OpenTerminal, Run
from tests.fakes.admin import FakeAdmin
from tests.fakes.installation import Installation, installed
from tests.fakes.scripted import PROGRAM

CONFIG = f"""
[daemon]
ports = @PORTS@
drain_timeout = 600
keep_backends = false

[slots.mute]
provider = "command"
command = ["{sys.executable}", "-S", "{PROGRAM}", "${{port}}"]
env = {{ SCRIPT = '{{"lies": "silent"}}' }}
ready_path = "/health"
proof = false
"""


def run(here: Installation, *words: str) -> Ended:
    ended = subprocess.run(
        [sys.executable, "-m", "hal0.cli", *words],
        capture_output=True, text=True, env=here.env, timeout=LIMIT_SECONDS, check=False,
    )  # fmt: skip
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def test_requests_in_flight_may_finish_and_are_cut_short_on_demand(tmp_path: Path, terminal: OpenTerminal) -> None:
    with installed(tmp_path, CONFIG) as here:
        assert here.process is not None
        answers: list[httpx.Response] = []
        body = {"model": "mute", "messages": [{"role": "user", "content": "Hi"}]}
        asking = threading.Thread(
            target=lambda: answers.append(httpx.post(f"{here.url}/v1/chat/completions", json=body, timeout=60))
        )
        asking.start()
        while not any(request["phase"] == "prefill" for request in here.admin("GET", "/api/state")["requests"]):
            assert asking.is_alive(), answers[0].text
        screen = terminal("stop", **here.env)
        screen.wait_for("1 request in flight may finish")
        refused = httpx.post(f"{here.url}/v1/chat/completions", json=body, timeout=60)
        assert refused.json()["error"]["code"] == "system.shutting_down"
        hurried = run(here, "stop", "--now")
        asking.join(LIMIT_SECONDS)
        assert answers[0].json()["error"]["code"] == "system.shutting_down"
        assert (hurried.status, screen.wait()) == (0, 0)
        assert hurried.out.startswith(f"hal0d, pid {here.process.pid}, has ended after ")
        assert "1 request in flight" in hurried.err
        assert "has ended after" in screen.screen
        assert here.process.wait(LIMIT_SECONDS) == 0
        after = run(here, "stop", "--json")
        assert (after.status, json.loads(after.out), after.err) == (0, {"outcome": "not running", "pid": None}, "")


def test_a_service_of_systemd_is_left_to_systemd(tmp_path: Path) -> None:
    here = Installation(tmp_path, CONFIG)
    words = f"INVOCATION_ID=x SYSTEMD_EXEC_PID=$$ exec {sys.executable} -m hal0.daemon.main"
    with here.log.open("wb") as log:
        here.process = subprocess.Popen(["sh", "-c", words], env=here.env, stdout=log, stderr=log)
    try:
        here.wait_for_state()
        ended = run(here, "stop")
        assert (ended.status, ended.out) == (1, "")
        assert "error: system.not_stopped: " in ended.err
        assert f"a service of systemd (pid {here.process.pid})" in ended.err
        assert "systemctl stop " in ended.err
        assert here.admin("GET", "/api/state")["draining"] is False
    finally:
        assert here.stop() == 0


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """The SIGTERMs that this process gets, for it holds the socket of the fake daemon."""
    numbers: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: numbers.append(number))
    yield numbers
    signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize(("draining", "signals"), [(False, 1), (True, 0)])
def test_one_that_ends_already_is_not_hurried(
    hal0: Run, admin: FakeAdmin, heard: list[int], draining: bool, signals: int
) -> None:
    admin.answers["GET /api/state"] = pictures.state().model_copy(update={"draining": draining})
    ended = hal0("stop", "--no-wait")
    assert (ended.status, ended.out) == (0, f"hal0d, pid {os.getpid()}, is told to end\n")
    assert len(heard) == signals


def test_one_without_a_socket_is_found_by_its_lock(hal0: Run, tmp_path: Path, heard: list[int]) -> None:
    paths = Paths(tmp_path / "hal0.toml", False, tmp_path / "state", tmp_path / "run")
    with claim(paths):
        assert hal0("stop", "--no-wait").status == 0
    assert len(heard) == 1
    assert hal0("stop", "--no-wait").out.startswith("no hal0 daemon runs here")
    assert len(heard) == 1


def test_who_has_the_number_of_a_daemon_in_another_container_is_left_alone(hal0: Run, tmp_path: Path) -> None:
    paths = Paths(tmp_path / "hal0.toml", False, tmp_path / "state", tmp_path / "run")
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as stranger, claim(paths):
        for number in (stranger.pid, 2**22 + 1):  # the latter is above all that Linux gives
            (tmp_path / "state/hal0d.lock").write_text(f"{number}\n")
            ended = hal0("stop")
            assert (ended.status, ended.out) == (1, "")
            assert "error: system.not_stopped: " in ended.err
            assert "as that of another container" in ended.err
        assert stranger.poll() is None
        stranger.communicate()
        assert stranger.returncode == 0


def test_one_that_a_variable_names_is_not_mistaken_for_the_one_here(
    hal0: Run, admin: FakeAdmin, heard: list[int]
) -> None:
    ended = hal0("stop", HAL0_URL=admin.url)
    assert ended.status == 1
    assert "error: system.not_stopped: " in ended.err
    assert heard == []
