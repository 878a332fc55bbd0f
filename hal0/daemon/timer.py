"""A timer that may be set and cleared with every request: only its ringing costs anything.

uvloop takes ten microseconds to make a timer and to cancel it, a twentieth of a short request. So a timer that is not
needed any more is left to ring for nothing, and one that is needed later is set again when it rings.
"""

import asyncio
from collections.abc import Callable


class Timer:
    """Calls `ring` once for each time that it was set, unless it is cleared before."""

    __slots__ = ("_due", "_handle", "_loop", "_ring", "_rings_at")

    def __init__(self, ring: Callable[[], object]) -> None:
        self._loop = asyncio.get_running_loop()
        self._ring: Callable[[], object] | None = ring
        self._due: float | None = None
        self._handle: asyncio.TimerHandle | None = None
        self._rings_at = 0.0

    def set(self, due: float) -> None:
        """Ring at this loop time, and not at the one it was set to before."""
        self._due = due
        if self._handle is None or due < self._rings_at:
            self._wait_until(due)

    def clear(self) -> None:
        self._due = None

    def close(self) -> None:
        """It never rings again; safe to call twice."""
        self._due = self._ring = None
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _wait_until(self, due: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._rings_at = due
        self._handle = self._loop.call_at(due, self._rang)

    def _rang(self) -> None:
        self._handle = None
        due, ring = self._due, self._ring
        if due is None or ring is None:
            return
        if due > self._rings_at:
            self._wait_until(due)
        else:
            self._due = None
            ring()
