"""What a backend prints: the last lines in memory, all of it in a rotating file, live for those who follow.

The slot owns one Output for all its runs, so that the last words of a crashed run are still there in the next.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from hal0.daemon.slots.writer import Work, at_once
from hal0.wire import RUN_BEGINS

KEPT_LINES = 2_000
LONGEST_LINE_BYTES = 8_192  # a longer one is cut into several, so that a backend without newlines cannot fill memory
FILE_BYTES = 8 * 2**20
RECALLED_BYTES = 256 * 2**10
UNWRITTEN_BYTES = 4 * 2**20  # what waits for a disk that hangs; the oldest are dropped
FILES_KEPT = 3  # NAME.log, NAME.log.1, NAME.log.2

log = logging.getLogger("hal0.slots")


class Printed(NamedTuple):
    """A line, and when it came: a Unix time, 0 if an earlier daemon took it."""

    at: float
    text: str


class Output:
    """The output of one slot's backends. `write` has it written down; `now` tells the time."""

    def __init__(
        self, file: Path, *, write: Callable[[Work], object] = at_once, now: Callable[[], float] = time.time
    ) -> None:
        self._file = file
        self._write = write
        self._unwritten: deque[bytes] = deque()
        self._unwritten_bytes = self._dropped_bytes = 0
        self._is_asked_for = False  # `_write_all` will come for them
        self._lock = Lock()  # of these, which a thread takes away
        self._now = now
        self._lines: deque[Printed] = deque(maxlen=KEPT_LINES)
        self._count = 0  # lines ever
        self._own_count = 0  # lines of the present run, or of the last one
        self._partial = b""
        self._changed = asyncio.Event()
        self._written = file.stat().st_size if file.exists() else 0
        self._file_failed = False

    def feed(self, data: bytes) -> None:
        """Take bytes as they come from the pipe."""
        *whole, rest = (self._partial + data).split(b"\n")
        lines = [piece for line in whole for piece in _pieces(line)]
        *full, self._partial = _pieces(rest)
        self._keep(lines + full)

    def recall(self) -> None:
        """Fill the memory with the end of the file, as an earlier daemon has written it."""
        try:
            with self._file.open("rb") as file:
                file.seek(max(0, self._written - RECALLED_BYTES))
                lines = file.read().splitlines()
        except OSError:  # there is none
            return
        told = [line.decode("utf-8", "replace") for line in lines]
        self._lines.extend(Printed(0.0, text) for text in told)
        # It goes on with the last run that began; one that began before these lines has all of them.
        self._own_count = next((n for n, line in enumerate(reversed(told)) if RUN_BEGINS.match(line)), len(told))

    def end(self) -> None:
        """The pipe is closed: what came without a newline is a line too."""
        if self._partial:
            self._keep([self._partial])
            self._partial = b""

    def note(self, text: str) -> None:
        """A line of hal0's own."""
        self.end()
        self._keep([f"--- {text}".encode()])

    def begin_run(self, number: int, *, port: int, command: str) -> None:
        """What comes from here on is this run's."""
        self.note(f"run {number} on port {port}: {command}")
        self._own_count = 0

    def tail(self, count: int) -> list[str]:
        return [line.text for line in self.printed(count)]

    def printed(self, count: int, *, since: float | None = None) -> list[Printed]:
        """The last lines with their times; `since` leaves those that came then or later, as far as that is known."""
        last = list(self._lines)[-count:] if count > 0 else []
        return last if since is None else [line for line in last if line.at >= since]

    def tail_of_run(self, count: int) -> list[str]:
        """As `tail`, without what earlier runs have printed."""
        return self.tail(min(count, self._own_count))

    async def follow(self, count: int, *, since: float | None = None) -> AsyncIterator[list[Printed]]:
        """The last `count` lines, as `printed`, then new ones in batches, until the reader leaves."""
        seen = self._count
        yield self.printed(count, since=since)
        while True:
            if self._count == seen:
                await self._changed.wait()
            new, seen = self._count - seen, self._count
            yield self.printed(min(new, KEPT_LINES))

    def _keep(self, lines: list[bytes]) -> None:
        if not lines:
            return
        now = self._now()
        self._lines.extend(Printed(now, line.rstrip(b"\r").decode("utf-8", "replace")) for line in lines)
        self._count += len(lines)
        self._own_count += len(lines)
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        data = b"\n".join(lines) + b"\n"
        with self._lock:
            self._unwritten.append(data)
            self._unwritten_bytes += len(data)
            while self._unwritten_bytes > UNWRITTEN_BYTES:
                dropped = len(self._unwritten.popleft())
                self._unwritten_bytes -= dropped
                self._dropped_bytes += dropped
            if self._is_asked_for:
                return
            self._is_asked_for = True
        self._write(self._write_all)

    def _write_all(self) -> None:
        # A full disk costs the file, not the slot: the lines in memory go on.
        with self._lock:
            if self._dropped_bytes:
                gap = f"--- {self._dropped_bytes} bytes are missing here: the disk did not take them\n"
                self._unwritten.appendleft(gap.encode())
            data = b"".join(self._unwritten)
            self._unwritten.clear()
            self._unwritten_bytes = self._dropped_bytes = 0
            self._is_asked_for = False
        try:
            if self._written + len(data) > FILE_BYTES:
                self._rotate()
            with self._file.open("ab") as file:
                file.write(data)
            self._written += len(data)
            self._file_failed = False
        except OSError as error:
            if not self._file_failed:
                log.warning("cannot write %s: %s", self._file, error)
            self._file_failed = True

    def _rotate(self) -> None:
        for number in range(FILES_KEPT - 1, 0, -1):
            older = self._file.with_name(f"{self._file.name}.{number}")
            newer = self._file.with_name(f"{self._file.name}.{number - 1}") if number > 1 else self._file
            with suppress(FileNotFoundError):
                newer.replace(older)
        self._written = 0


def _pieces(line: bytes) -> list[bytes]:
    """The line, cut where it is too long; at least one piece."""
    return [line[at : at + LONGEST_LINE_BYTES] for at in range(0, len(line), LONGEST_LINE_BYTES)] or [b""]
