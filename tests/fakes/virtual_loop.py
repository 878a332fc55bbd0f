"""An event loop on which time passes only when a test says so, and then at once."""

import asyncio
import math
import selectors
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

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
        asyncio._set_running_loop(self)
        try:
            return deed()
        finally:
            asyncio._set_running_loop(None)

    def turn(self) -> None:
        self.call_soon(self.stop)
        self.run_forever()

    def settle(self) -> None:
        self.sleep(0.0)

    def sleep(self, seconds: float) -> None:
        self._selector.until = self.now + seconds
        self.run_forever()


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
        if timeout is not None and timeout <= 0:
            self._turns_at_once += 1
            assert self._turns_at_once < MOST_TURNS, "the loop never rests"
            return []
        self._turns_at_once = 0
        due = math.inf if timeout is None else loop.now + timeout
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
