"""One clock paints everything: however many events arrive, at most so many frames a second, and none without a change.

There is no timer while nothing happens. The first change after a pause is painted at once, those that follow within
the frame's time are painted together at its end.
"""

import asyncio
from collections.abc import Callable


class PaintClock:
    """Calls `paint` after `wake`, never more often than the rate allows; `now` paints without waiting."""

    def __init__(self, paint: Callable[[], None], *, frames_per_second: float) -> None:
        self._paint = paint
        self._frame_seconds = 1 / frames_per_second
        self._last = 0.0
        self._due: asyncio.TimerHandle | None = None

    def wake(self) -> None:
        if self._due is None:
            loop = asyncio.get_running_loop()
            wait = max(0.0, self._last + self._frame_seconds - loop.time())
            self._due = loop.call_later(wait, self.now)

    def now(self) -> None:
        self.stop()
        self._last = asyncio.get_running_loop().time()
        self._paint()

    def stop(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
