"""A process that is let go and taken back: its output, its end, and what it leaves behind."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from hal0.daemon.slots.bonds import Bonds, Mark
from hal0.daemon.slots.process import PIPE_BYTES, Process
from hal0.marks import marked

LINES = 3 * PIPE_BYTES // 100
# Waits for a word of ours before it prints more than its pipe holds, and tells in another file when it has begun.
TALKER = f"""
import os, sys, time
print("begin", flush=True)
while not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
for number in range({LINES}):
    print("%099d" % number, flush=number == 0)
    if number == 0:
        open(sys.argv[1] + ".heard", "w").close()
sys.stdout.flush()
time.sleep(600)
"""
LEAVER = "import os, time; os.fork(); time.sleep(600)"  # what it has forked stays behind
WAIT_SECONDS = 20.0


class Heard:
    """What a process has printed."""

    def __init__(self) -> None:
        self.data = b""
        self._news = asyncio.Event()

    def feed(self, data: bytes) -> None:
        self.data += data
        self._news.set()

    async def until(self, claim: Callable[[], bool]) -> None:
        async with asyncio.timeout(WAIT_SECONDS):
            while not claim():
                self._news.clear()
                await self._news.wait()


@pytest.fixture
def mark(tmp_path: Path) -> Mark:
    return Bonds(tmp_path, keep=True).mark("s")


def spawn(mark: Mark, heard: Heard, *argv: str) -> Process:
    return Process.spawn(
        [sys.executable, "-S", "-c", *argv],
        slot="s",
        env={**os.environ, **mark.env},
        mark=mark.run,
        bound_to=None,
        on_output=heard.feed,
    )


def reap(process: Process) -> None:
    """Its parent is this process, which a daemon that takes it back is not."""
    os.waitpid(process.pid, 0)


async def test_what_is_printed_while_nobody_reads_waits_in_the_pipe(tmp_path: Path, mark: Mark) -> None:
    first, second = Heard(), Heard()
    word = tmp_path / "word"
    process = spawn(mark, first, TALKER, str(word))
    await first.until(lambda: first.data == b"begin\n")
    output = process.output
    process.let_go()
    word.touch()
    async with asyncio.timeout(WAIT_SECONDS):
        while not (tmp_path / "word.heard").exists():  # its first line is out, and there was nobody to read it
            await asyncio.sleep(0.01)
    again = Process.take_back(process.pid, mark=mark.run, output=output, is_it=lambda: True, on_output=second.feed)
    try:
        await second.until(lambda: len(second.data) == 100 * LINES)
        assert [int(line) for line in second.data.splitlines()] == list(range(LINES))
        assert not again.exited.done()
    finally:
        await again.close(slot="s", stop_timeout=5.0)
        reap(process)
    assert again.exited.result() is None
    assert list(marked(mark.run)) == []


async def test_what_one_that_ended_meanwhile_left_behind_is_closed(mark: Mark) -> None:
    heard = Heard()
    process = spawn(mark, heard, LEAVER)
    async with asyncio.timeout(WAIT_SECONDS):
        while len(list(marked(mark.run))) < 2:
            await asyncio.sleep(0.01)
    output = process.output
    process.let_go()
    os.kill(process.pid, signal.SIGKILL)
    reap(process)
    again = Process.take_back(process.pid, mark=mark.run, output=output, is_it=lambda: True, on_output=heard.feed)
    assert again.exited.done()
    assert again.output == output  # the one that is left has the pipe
    await again.close(slot="s", stop_timeout=5.0)
    assert list(marked(mark.run)) == []


async def test_a_number_that_is_another_process_by_now_is_not_closed(mark: Mark) -> None:
    heard = Heard()
    process = spawn(mark, heard, "import time; time.sleep(600)")
    try:
        again = Process.take_back(
            process.pid, mark="HAL0_RUN=another", output=0, is_it=lambda: False, on_output=heard.feed
        )
        await again.close(slot="s", stop_timeout=5.0)
        assert again.exited.result() is None
        assert not process.exited.done()
        assert list(marked(mark.run)) == [process.pid]
    finally:
        await process.close(slot="s", stop_timeout=5.0)


async def test_a_program_that_cannot_be_spawned_leaves_no_descriptor(mark: Mark) -> None:
    before = set(os.listdir("/proc/self/fd"))
    with suppress(Exception):
        spawn(mark, Heard(), "a NUL \0 byte")
    assert set(os.listdir("/proc/self/fd")) == before
