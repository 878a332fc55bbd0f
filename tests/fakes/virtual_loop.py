"""An event loop on which time passes only when a test says so, and then at once.

Sockets work on it as long as both their ends are on it: time does not pass while bytes are on their way.
"""

import asyncio
import math
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

SOCKETS_SECONDS = 0.002  # of the real clock, in which bytes reach the other end of a connection
MOST_TURNS = 20_000  # without a pause, before a loop counts as one that never rests


class VirtualLoop(asyncio.SelectorEventLoop):
    """`do` acts in it, `turn` runs what is due now once, `settle` until nothing is left, `sleep` lets time pass."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.turns = 0  # ever
        super().__init__(_Selector(self))

    def time(self) -> float:
        return self.now

    def do(self, deed: Callable[[], T]) -> T:
        """Call it as if from within the loop, which does not move."""
        outside = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        try:
            return deed()
        finally:
            asyncio._set_running_loop(outside)

    def turn(self) -> None:
        self.call_soon(self.stop)
        self.run_forever()

    def settle(self) -> None:
        self.sleep(0.0)

    def sleep(self, seconds: float) -> None:
        self._selector.until = self.now + seconds
        self.run_forever()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Let as much time pass as it takes."""
        self._selector.until = math.inf
        try:
            return self.run_until_complete(work)
        finally:
            self._selector.until = self.now


class _Selector(selectors.BaseSelector):
    """Where the loop would wait, the clock is moved instead."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()
        self._turns_at_once = 0
        self.until = loop.now

    def select(self, timeout: float | None = None) -> list[Any]:
        loop = self._loop
        loop.turns += 1
        at_once = timeout is not None and timeout <= 0
        # The loop has one descriptor of its own, by which threads wake it.
        has_sockets = len(self._real.get_map()) > 1
        events = self._real.select(0 if at_once or not has_sockets else SOCKETS_SECONDS)
        if at_once or events:
            self._turns_at_once += 1
            assert self._turns_at_once < MOST_TURNS, "the loop never rests"
            return events
        self._turns_at_once = 0
        due = math.inf if timeout is None else loop.now + timeout
        assert due < math.inf or self.until < math.inf, "nothing will ever happen"
        if due > self.until:
            loop.now = max(loop.now, self.until)
            loop.stop()
        else:
            loop.now = due
        return []

    def register(self, *args: Any) -> Any:
        return self._real.register(*args)

    def unregister(self, *args: Any) -> Any:
        return self._real.unregister(*args)

    def get_map(self) -> Any:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()
