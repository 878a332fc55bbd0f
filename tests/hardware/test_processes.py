import os
import subprocess
import sys
from pathlib import Path

import pytest

from hal0.hardware.processes import ProcessMeter
from tests.hardware.trees import plant, process

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


def test_a_look_right_after_another_tells_the_memory_of_now_and_the_time_of_then(tmp_path: Path, clock: Clock) -> None:
    plant(tmp_path, process(10, group=10, ticks=1000))
    meter = ProcessMeter(root=tmp_path, clock=clock)
    meter.sample({"a": 10})
    clock.now += 1.0
    plant(tmp_path, process(10, group=10, ticks=1000 + TICKS // 2))
    meter.sample({"a": 10})
    clock.now += 0.004
    plant(tmp_path, process(10, group=10, ticks=1001 + TICKS // 2, anonymous_kib=7))
    usage = meter.sample({"a": 10})["a"]
    assert (usage.private_bytes, usage.cpu_percent) == (7 * 1024, pytest.approx(50.0))
    clock.now += 0.996
    plant(tmp_path, process(10, group=10, ticks=1000 + 2 * TICKS))
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


MARK = "HAL0_RUN=life:a:token"


def test_what_has_left_the_group_counts_by_the_mark_of_its_leader(tmp_path: Path, clock: Clock) -> None:
    leader, worker = process(10, group=10, pages=1, environ=MARK), process(11, group=11, pages=5, environ=MARK)
    other = process(12, group=12, pages=100, environ="HAL0_RUN=life:b:token")
    plant(tmp_path, leader | worker | other | process(13, group=13, pages=100))
    meter = ProcessMeter("HAL0_RUN", root=tmp_path, clock=clock)
    assert meter.sample({"a": 10})["a"].memory_bytes == 6 * PAGE
    assert [meter.group_of(pid) for pid in (10, 11, 12, 13)] == [10, 10, 12, 13]
    plant(tmp_path, process(11, group=11, pages=1000, started=2))  # another one has its number now
    assert meter.sample({"a": 10})["a"].memory_bytes == PAGE


def test_the_mark_of_a_backend_that_has_just_begun_is_read_once_it_shows(tmp_path: Path, clock: Clock) -> None:
    plant(tmp_path, process(10, group=10, pages=1) | process(11, group=11, pages=5, environ=MARK))
    meter = ProcessMeter("HAL0_RUN", root=tmp_path, clock=clock)
    assert meter.sample({"a": 10})["a"].memory_bytes == PAGE
    plant(tmp_path, process(10, group=10, pages=1, environ=MARK))
    meter.sample({"a": 10})
    assert meter.group_of(11) == 10
    clock.now += 5.0
    assert meter.sample({"a": 10})["a"].memory_bytes == 6 * PAGE


def test_names_with_blanks_and_brackets_do_not_confuse_it(tmp_path: Path, clock: Clock) -> None:
    plant(tmp_path, process(10, group=10, pages=4, name="a) S 1 (b"))
    assert ProcessMeter(root=tmp_path, clock=clock).sample({"a": 10})["a"].memory_bytes == 4 * PAGE


def test_what_is_private_is_anonymous_and_shared_memory_without_mapped_files(tmp_path: Path, clock: Clock) -> None:
    parent = process(10, group=10, anonymous_kib=300, file_kib=9000, shared_kib=20)
    plant(tmp_path, parent | process(11, group=10, anonymous_kib=7))
    assert ProcessMeter(root=tmp_path, clock=clock).sample({"a": 10})["a"].private_bytes == 327 * 1024


@pytest.mark.parametrize(
    ("status", "private"),
    [
        ("State:\tZ (zombie)\nThreads:\t1\n", 0),
        ("VmRSS:\t 40 kB\n", None),  # a kernel that does not tell them apart
        ("VmRSS:\t 40 kB\nRssAnon:\nRssShmem:\tmuch kB\n", None),
    ],
)
def test_a_kernel_that_does_not_tell_what_is_private(
    tmp_path: Path, clock: Clock, status: str, private: int | None
) -> None:
    plant(tmp_path, process(10, group=10, pages=5) | {"proc/10/status": status})
    usage = ProcessMeter(root=tmp_path, clock=clock).sample({"a": 10})["a"]
    assert (usage.private_bytes, usage.memory_bytes) == (private, 5 * PAGE)


MAPPER = """
import mmap, os, sys
weights = open(sys.argv[1], "rb")
mapped = mmap.mmap(weights.fileno(), 0, prot=mmap.PROT_READ)
file = os.memfd_create("weights")
os.truncate(file, 2**24)
shared = mmap.mmap(file, 2**24)
own = bytearray(2**23)
for place in range(0, 2**26, 4096):
    mapped[place]
for place in range(0, 2**24, 4096):
    shared[place] = 1
for place in range(0, 2**23, 4096):
    own[place] = 1
print("mapped", flush=True)
sys.stdin.read()
"""


def test_mapped_weights_of_a_real_process_are_not_private_and_those_in_a_memfd_are(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.write_bytes(bytes(2**26))
    command = [sys.executable, "-I", "-S", "-c", MAPPER, str(weights)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        usage = ProcessMeter().sample({"a": child.pid})["a"]
        child.kill()
    assert usage.memory_bytes > 2**26 + 2**24
    assert usage.private_bytes is not None
    assert 2**24 + 2**23 - 2**20 < usage.private_bytes < 2**26


WORKER = """
import os, sys
if os.fork() == 0:
    os.setsid()
    data = bytearray(2**25)
    print(os.getpid(), flush=True)
sys.stdin.read()
"""


def test_a_real_worker_in_a_session_of_its_own_is_the_backends() -> None:
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", WORKER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        env={"HAL0_TEST": f"{os.getpid()}:worker"},
    )
    with child:
        assert child.stdout is not None
        worker = int(child.stdout.readline())
        meter = ProcessMeter("HAL0_TEST")
        usage = meter.sample({"a": child.pid})["a"]
        owner = meter.group_of(worker)
        assert child.stdin is not None
        child.stdin.close()  # both end
    assert owner == child.pid
    assert usage.private_bytes is not None
    assert usage.private_bytes > 2**25


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
