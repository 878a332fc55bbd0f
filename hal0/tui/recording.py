"""What the daemon said, kept in a file and played again: a line of JSON for each state and event, with its time.

The first line says what the file is. `at` is in seconds since the recording began; state and event are as they came,
and so is the past: the hour before, as it was told after a state.
"""

import asyncio
import json
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from hal0 import __version__
from hal0.errors import Hal0Error
from hal0.tui.client import Address, Client
from hal0.tui.facts import Fact, read_fact
from hal0.wire import PastView, State

if TYPE_CHECKING:
    import httpx

FORMAT = 2
PLAYED = (1, FORMAT)  # 1 had no past
TOGETHER = 256  # facts that are due at the same time and handed on at once
Kind = Literal["state", "event", "past"]


class Recorder:
    """Writes a recording; called by the client with what came. A failure ends it, and is told to `failed` once."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self.failed: Callable[[Hal0Error], object] = lambda error: None
        self._clock = clock
        self._began = clock()
        try:  # it has what people asked their models: for nobody else to read, and no file is lost to it
            self._file: int | None = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise Hal0Error("system.recording", path=path, reason=error.strerror) from error
        self._write({"hal0_recording": FORMAT, "version": __version__, "began_at": time.time()})

    def __call__(self, kind: Kind, data: bytes) -> None:
        flat = data.replace(b"\n", b" ")  # a line feed in JSON is only space
        self._write_line(b'{"at": %.3f, "%s": %s}\n' % (self._clock() - self._began, kind.encode(), flat))

    def _write(self, entry: dict[str, Any]) -> None:
        self._write_line(json.dumps(entry).encode() + b"\n")

    def _write_line(self, line: bytes) -> None:
        if self._file is None:
            return
        try:
            os.write(self._file, line)
        except OSError as error:
            self.close()
            self.failed(Hal0Error("system.recording", path=self.path, reason=error.strerror))

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a recording."""

    at: float
    kind: Kind
    data: dict[str, Any]


class Replay(Client):
    """A client whose daemon is a recording: it says the same again, `speed` times as fast, and can be asked nothing."""

    is_past = True

    def __init__(self, path: Path, speed: float = 1.0) -> None:
        super().__init__(Address(path))
        self.path, self.speed = path, speed
        try:
            self._file = path.open("rb")
            head = self._file.readline(65_536)
        except OSError as error:
            raise Hal0Error("system.recording", path=path, reason=error.strerror) from error
        if not _is_ours(head):
            self._file.close()
            raise self._broken("it is no recording of the dashboard, or one of another version")
        self._line = 1
        self._next: deque[Entry] = deque()
        self._began: float | None = None  # when the recording would have begun, at the speed it is played
        self._stopped_at: float | None = None
        self._end = asyncio.Event()
        self._past: PastView | None = None  # that was told after the last state
        self._past_is_told = asyncio.Event()

    def clock(self) -> float:
        return time.monotonic() * self.speed if self._stopped_at is None else self._stopped_at

    async def ended(self) -> None:
        await self._end.wait()

    async def aclose(self) -> None:
        self._file.close()

    async def state(self) -> State:
        """The next state; when there is no more the recording has ended, and this waits for ever."""
        while True:
            entry = await self._peek()
            self._next.popleft()
            if entry.kind == "state":
                break
        if self._began is None:
            self._began = time.monotonic() - entry.at / self.speed
        await self._wait_for(entry)
        self._past = None
        self._past_is_told.clear()
        try:
            return State.model_validate(entry.data)
        except ValidationError as error:
            raise self._broken(f"line {self._line} is no state of a daemon") from error

    async def past(self) -> PastView:
        """The hour before, once the daemon told it; in a recording without one for ever not yet."""
        while self._past is None:
            await self._past_is_told.wait()
        return self._past

    async def facts(self, since: int) -> AsyncIterator[list[Fact]]:
        while True:
            entry = await self._peek()
            if entry.kind == "state":  # the dashboard had to ask anew
                yield [Fact(0, 0.0, "gap", None)]
                return
            await self._wait_for(entry)
            if entry.kind == "past":
                self._next.popleft()
                self._tell_past(entry)
                continue
            facts: list[Fact] = []
            now = self._position
            while len(facts) < TOGETHER and entry.kind == "event" and entry.at <= now:
                self._next.popleft()
                if fact := read_fact(entry.data):
                    facts.append(fact)
                following = self._read()
                if following is None:
                    break
                entry = following
            if facts:
                yield facts

    def _tell_past(self, entry: Entry) -> None:
        try:
            self._past = PastView.model_validate(entry.data)
        except ValidationError as error:
            raise self._broken(f"line {self._line} is no past of a daemon") from error
        self._past_is_told.set()

    @property
    def _position(self) -> float:
        """Seconds of the recording that have been played by now."""
        began = time.monotonic() if self._began is None else self._began
        return (time.monotonic() - began) * self.speed

    async def _wait_for(self, entry: Entry) -> None:
        await asyncio.sleep(max(0.0, (entry.at - self._position) / self.speed))
        while self._position < entry.at:  # timers may be a little early
            await asyncio.sleep(0.001)

    async def _peek(self) -> Entry:
        """The next entry, left where it is."""
        entry = self._read()
        if entry is None:
            self._stopped_at = self.clock()
            self._end.set()
            await asyncio.Event().wait()
        assert entry is not None
        return entry

    def _read(self) -> Entry | None:
        """The next entry without taking it; None at the end, also at a line that was cut off when the disk was full."""
        if self._next:
            return self._next[0]
        line = b"" if self._file.closed else self._file.readline()
        self._line += 1
        if not line.endswith(b"\n"):
            return None
        try:
            whole = json.loads(line)
            kind: Kind = "state" if "state" in whole else "past" if "past" in whole else "event"
            self._next.append(Entry(float(whole["at"]), kind, dict(whole[kind])))
        except (ValueError, KeyError, TypeError) as error:
            raise self._broken(f"line {self._line} is no state, no event and no past") from error
        return self._next[0]

    def _broken(self, reason: str) -> Hal0Error:
        return Hal0Error("system.recording", path=self.path, reason=reason)

    async def _open(self) -> "httpx.AsyncClient":
        raise Hal0Error("system.replay", path=self.path)


def _is_ours(head: bytes) -> bool:
    try:
        return bool(json.loads(head)["hal0_recording"] in PLAYED)
    except (ValueError, KeyError, TypeError):
        return False
