"""What a backend has started ends with it, wherever it went; nobody else is ever signalled."""

import os
import signal
import subprocess
import sys

import pytest

from hal0.marks import end_all, is_marked, marked, signal_all
from tests.daemon.slots.conftest import House

SLEEPER = [sys.executable, "-S", "-c", "import time; print(flush=True); time.sleep(600)"]


async def test_what_left_the_group_ends_with_the_backend(house: House) -> None:
    slot = house.add({"stray": True, "fork": True})
    slot.load(by="test")
    await house.until(lambda: slot.state == "ready")
    assert len(house.family()) == 3
    slot.unload("test")
    await house.until(lambda: slot.state == "offline")
    assert house.family() == set()


async def test_what_left_the_group_ends_after_a_crash(house: House) -> None:
    slot = house.add({"stray": True})
    slot.load(by="test")
    await house.until(lambda: slot.state == "ready")
    before = house.family()
    assert slot.process_group is not None
    os.kill(slot.process_group, signal.SIGKILL)
    await house.until(lambda: slot.state == "error")
    assert slot.run is not None
    slot.run.hasten()
    await house.until(lambda: slot.state == "ready" and slot.view().run == 2)
    assert len(before) == 2
    assert before & house.family() == set()


@pytest.fixture
def sleeper() -> subprocess.Popen[bytes]:
    process = subprocess.Popen(SLEEPER, stdout=subprocess.PIPE, env={**os.environ, "HAL0_RUN": "life:slot:token"})
    assert process.stdout is not None
    process.stdout.readline()  # it runs: its environment is there
    return process


def test_a_mark_is_carried_whole_or_with_more_behind_a_colon(sleeper: subprocess.Popen[bytes]) -> None:
    with sleeper:
        try:
            assert sleeper.pid in marked("HAL0_RUN=life")
            assert is_marked(sleeper.pid, "HAL0_RUN=life:slot:token")
            assert not is_marked(sleeper.pid, "HAL0_RUN=li")
            assert not is_marked(sleeper.pid, "HAL0_RUN=life:slot:token:more")
        finally:
            sleeper.kill()


def test_a_number_that_changed_hands_is_not_signalled(sleeper: subprocess.Popen[bytes]) -> None:
    looks: list[int] = []

    def belongs(pid: int) -> bool:  # it did when it was looked for, and does not any more when it would be signalled
        if pid == sleeper.pid:
            looks.append(pid)
        return pid == sleeper.pid and len(looks) == 1

    with sleeper:
        assert signal_all(belongs, signal.SIGKILL) == []
        assert len(looks) == 2
        assert sleeper.poll() is None
        assert (
            end_all(lambda pid: is_marked(pid, "HAL0_RUN=life:slot:token"), patience_seconds=5.0, limit_seconds=5.0)
            == []
        )
        assert sleeper.wait() == -signal.SIGTERM
