"""The clock of a quiet slot: idle after `idle_after`, unloaded `unload_after` later. Both count on the monotonic clock,
so that a clock that is set unloads nothing.
"""

import asyncio
import time
from collections.abc import Callable

from hal0.daemon.slots.lifecycle import State
from hal0.daemon.timer import Timer


class Quiet:
    """One timer. `on_idle` and `on_unload` are called with the cause in words."""

    def __init__(self, *, on_idle: Callable[[str], object], on_unload: Callable[[str], object]) -> None:
        self._on_idle = on_idle
        self._on_unload = on_unload
        self._timer = Timer(self._ring)
        self._state: State | None = None
        self._since = 0.0  # loop time of the last change of state
        self._idle_after = 0.0
        self._due: float | None = None  # loop time at which it is unloaded

    @property
    def unload_at(self) -> float | None:
        """Unix seconds; None: not planned."""
        return None if self._due is None else time.time() + self._due - asyncio.get_running_loop().time()

    def arm(self, state: State, *, idle_after: float, unload_after: float) -> None:
        """The state, or how long it may last (seconds; 0 for `unload_after`: for ever), may have changed."""
        self._due = None
        loop = asyncio.get_running_loop()
        if state is not self._state:
            self._state, self._since = state, loop.time()
        if state is State.READY:
            self._idle_after = idle_after
            self._timer.set(self._since + idle_after)
        elif state is State.IDLE and unload_after:
            self._due = max(loop.time(), self._since + unload_after)
            self._timer.set(self._due)
        else:
            self._timer.clear()

    def _ring(self) -> None:
        if self._state is State.READY:
            self._on_idle(f"no request for {self._idle_after:g} s")
        else:
            self._on_unload("idle for longer than unload_after")
