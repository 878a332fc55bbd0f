"""A disk that hangs: what is to be written waits for it, and nobody else does."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hal0.daemon.slots.crashes import Crashes
from hal0.daemon.slots.output import UNWRITTEN_BYTES, Output
from hal0.daemon.slots.writer import MOST_WAITING, Work, Writer
from hal0.errors import Hal0Error
from hal0.wire import CrashBundle, ErrorView

LONG = 30.0  # seconds: never passes unless something is broken


class Disk:
    """Takes numbers, in order, once it does not hang any more."""

    def __init__(self) -> None:
        self.taken: list[int] = []
        self.goes_on = threading.Event()

    def take(self, number: int) -> Callable[[], None]:
        def work() -> None:
            assert self.goes_on.wait(LONG)
            self.taken.append(number)

        return work


@pytest.fixture
def hanging() -> Iterator[Disk]:
    disk = Disk()
    yield disk
    disk.goes_on.set()


class Later(list[Work]):
    """What was asked to be written, by somebody who has not come to it yet."""

    def put(self, work: Work) -> bool:
        self.append(work)
        return True

    def come_to_it(self) -> None:
        for work in self:
            work()
        self.clear()


def test_what_is_written_on_a_disk_that_is_well_is_there_on_return() -> None:
    writer, disk = Writer("it", patience_seconds=LONG), Disk()
    disk.goes_on.set()
    for number in range(100):
        assert writer.write(disk.take(number))
        assert disk.taken[-1] == number


async def test_a_disk_that_hangs_gets_everything_in_order_when_it_goes_on(hanging: Disk) -> None:
    writer = Writer("it")
    for number in range(200):
        assert writer.write(hanging.take(number))
    assert (writer.behind, hanging.taken) == (200, [])
    hanging.goes_on.set()
    await writer.close(seconds=LONG)
    assert hanging.taken == list(range(200))
    assert writer.behind == 0


async def test_no_more_waits_for_a_disk_than_fits_and_what_does_not_is_told_once(
    hanging: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    writer = Writer("the diary")
    taken = [writer.write(hanging.take(number)) for number in range(MOST_WAITING + 5)]
    assert (taken.count(True), taken[-5:]) == (MOST_WAITING, [False] * 5)
    assert caplog.text.count("the disk does not take the diary") == 1
    hanging.goes_on.set()
    await writer.close(seconds=LONG)
    assert hanging.taken == list(range(MOST_WAITING))


async def test_a_daemon_that_ends_does_not_wait_for_ever_and_tells_what_is_lost(
    hanging: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    writer = Writer("the diary")
    writer.write(hanging.take(1))
    writer.write(hanging.take(2))
    await writer.close(seconds=0.01)
    assert "the disk does not take the diary: 2 writes are lost" in caplog.text


async def test_a_defect_of_one_work_costs_that_work(caplog: pytest.LogCaptureFixture) -> None:
    writer, disk = Writer("it", patience_seconds=LONG), Disk()
    disk.goes_on.set()
    writer.write(lambda: 1 // 0)
    writer.write(disk.take(1))
    assert disk.taken == [1]
    assert "ZeroDivisionError" in caplog.text
    await Writer("nothing").close()


async def test_where_no_thread_can_begin_it_is_written_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    writer, disk = Writer("it", patience_seconds=LONG), Disk()
    disk.goes_on.set()

    def no_more(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as limit:
        limit.setattr(threading.Thread, "start", no_more)
        assert writer.write(disk.take(1))
        writer.write_surely(disk.take(2))
        assert (writer.behind, disk.taken) == (0, [1, 2])
        await writer.close()
    assert writer.write(disk.take(3))
    await writer.close(seconds=LONG)
    assert disk.taken == [1, 2, 3]


def test_a_bundle_is_found_before_it_is_on_the_disk_and_afterwards(tmp_path: Path) -> None:
    later = Later()
    crashes = Crashes(tmp_path / "crashes", write=later.put)
    error = ErrorView(code="slot.crashed", message="x")
    kept = [
        CrashBundle(id=id, at=at, slot="s", run=1, revision=1, error=error, argv=[], state="ready")
        for id, at in (("20260101-000001-0001", 1.0), ("20260101-000002-0002", 2.0))
    ]
    for bundle in kept:
        crashes.keep(bundle)
    for _ in ("in memory", "on the disk"):
        assert crashes.all() == kept[::-1]
        assert crashes.get(kept[0].id) == kept[0]
        later.come_to_it()
    assert len(list((tmp_path / "crashes").iterdir())) == 2


def test_a_bundle_that_is_not_taken_is_not_kept_in_memory_either(tmp_path: Path) -> None:
    crashes = Crashes(tmp_path, write=lambda work: False)
    error = ErrorView(code="slot.crashed", message="x")
    bundle = CrashBundle(
        id="20260101-000001-0001", at=1.0, slot="s", run=1, revision=1, error=error, argv=[], state="ready"
    )
    crashes.keep(bundle)
    with pytest.raises(Hal0Error, match=r"slot\.no_such_crash"):
        crashes.get(bundle.id)


def test_lines_that_wait_for_the_disk_are_written_together(tmp_path: Path) -> None:
    later = Later()
    output = Output(tmp_path / "s.log", write=later.put)
    for number in range(5):
        output.feed(b"line %d\n" % number)
    assert len(later) == 1
    later.come_to_it()
    output.feed(b"line 5\n")
    later.come_to_it()
    assert (tmp_path / "s.log").read_text().split("\n") == [*(f"line {n}" for n in range(6)), ""]


def test_what_a_disk_that_hangs_for_too_long_did_not_take_is_told_in_the_file(tmp_path: Path) -> None:
    later = Later()
    output = Output(tmp_path / "s.log", write=later.put)
    line = b"x" * 4095 + b"\n"
    for _ in range(UNWRITTEN_BYTES // len(line) + 3):
        output.feed(line)
    later.come_to_it()
    first, *rest = (tmp_path / "s.log").read_bytes().splitlines(keepends=True)
    assert first == b"--- %d bytes are missing here: the disk did not take them\n" % (3 * len(line))
    assert b"".join(rest) == line * (UNWRITTEN_BYTES // len(line))
