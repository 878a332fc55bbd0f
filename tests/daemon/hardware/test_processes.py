import os
import subprocess
import sys
from pathlib import Path

import pytest

from hal0.daemon.hardware.processes import ProcessMeter
from tests.daemon.hardware.trees import plant, process

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_group_takes_what_all_its_processes_take(tmp_path: Path, clock: Clock) -> None:
    plant(tmp_path, process(10, group=10, pages=5) | process(11, group=10, pages=7) | process(12, group=12, pages=100))
    usage = ProcessMeter(root=tmp_path, clock=clock).sample({"a": 10})
    assert usage["a"].memory_bytes == 12 * PAGE


def test_processor_time_is_told_in_percent_of_a_core_from_the_second_look_on(tmp_path: Path, clock: Clock) -> None:
    plant(tmp_path, process(10, group=10, ticks=1000) | process(11, group=10, ticks=50))
    meter = ProcessMeter(root=tmp_path, clock=clock)
    assert meter.sample({"a": 10})["a"].cpu_percent is None
    clock.now += 2.0
    plant(tmp_path, process(10, group=10, ticks=1000 + TICKS) | process(11, group=10, ticks=50 + 2 * TICKS))
    assert meter.sample({"a": 10})["a"].cpu_percent == pytest.approx(150.0)


def test_a_number_that_was_given_to_another_process_does_not_count_twice(tmp_path: Path, clock: Clock) -> None:
    plant(tmp_path, process(10, group=10) | process(11, group=10, ticks=5000, started=1))
    meter = ProcessMeter(root=tmp_path, clock=clock)
    meter.sample({"a": 10})
    clock.now += 1.0
    plant(tmp_path, process(11, group=10, ticks=10, started=2))
    assert meter.sample({"a": 10})["a"].cpu_percent == 0.0


def test_a_child_that_comes_later_is_found_within_a_few_seconds(tmp_path: Path, clock: Clock) -> None:
    plant(tmp_path, process(10, group=10, pages=1))
    meter = ProcessMeter(root=tmp_path, clock=clock)
    meter.sample({"a": 10})
    plant(tmp_path, process(11, group=10, pages=1))
    clock.now += 5.0
    assert meter.sample({"a": 10})["a"].memory_bytes == 2 * PAGE


def test_a_slot_started_between_two_searches_is_seen_at_once(tmp_path: Path, clock: Clock) -> None:
    plant(tmp_path, process(10, group=10, pages=1))
    meter = ProcessMeter(root=tmp_path, clock=clock)
    meter.sample({"a": 10})
    plant(tmp_path, process(20, group=20, pages=3))
    clock.now += 1.0
    assert meter.sample({"a": 10, "b": 20})["b"].memory_bytes == 3 * PAGE


def test_processes_that_end_drop_out(tmp_path: Path, clock: Clock) -> None:
    plant(tmp_path, process(10, group=10, pages=1) | process(11, group=10, pages=1))
    meter = ProcessMeter(root=tmp_path, clock=clock)
    meter.sample({"a": 10})
    (tmp_path / "proc/11/stat").unlink()
    assert meter.sample({"a": 10})["a"].memory_bytes == PAGE
    (tmp_path / "proc/10/stat").unlink()
    assert meter.sample({"a": 10}) == {}


def test_a_number_that_went_to_a_stranger_is_not_the_slots(tmp_path: Path, clock: Clock) -> None:
    plant(tmp_path, process(10, group=10) | process(11, group=10, pages=1))
    meter = ProcessMeter(root=tmp_path, clock=clock)
    meter.sample({"a": 10})
    plant(tmp_path, process(11, group=99, pages=1000))
    assert meter.sample({"a": 10})["a"].memory_bytes == 0


def test_names_with_blanks_and_brackets_do_not_confuse_it(tmp_path: Path, clock: Clock) -> None:
    plant(tmp_path, process(10, group=10, pages=4, name="a) S 1 (b"))
    assert ProcessMeter(root=tmp_path, clock=clock).sample({"a": 10})["a"].memory_bytes == 4 * PAGE


def test_a_real_process_and_its_child_are_measured() -> None:
    program = "import subprocess, sys; data = bytearray(2**25); print(len(data), flush=True); sys.stdin.read()"
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    with child:
        assert child.stdout is not None
        child.stdout.readline()
        usage = ProcessMeter().sample({"a": child.pid})["a"]
        child.kill()
    assert 2**25 < usage.memory_bytes < 2**28
