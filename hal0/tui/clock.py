"""One clock paints everything: however many events arrive, at most so many frames a second, and none without a change.

There is no timer while nothing happens. The first change after a pause is painted at once, those that follow within
the frame's time are painted together at its end. After each frame the terminal is asked to answer; until it does the
clock paints nothing more, so that on a slow link keys do not wait behind frames that nobody will see.
"""

import asyncio
from collections import deque
from collections.abc import Callable

SLOWEST_FRAME_SECONDS = 0.5
PATIENCE_SECONDS = 5.0  # so long a frame may be on its way
REST = 1.25  # a frame's time over its way there and back: room for what keys paint
NEW_WEIGHT = 0.25  # of a measurement in the mean
SLOW_SECONDS = 0.25  # a way there and back that is longer calls for fewer bytes
SURE_ANSWERS = 4  # the first frames are the largest: a few answers make no slow link
LOST_ANSWERS = 3  # so many in a row, and the terminal is taken for one that does not answer


class Pace:
    """How fast frames go to the terminal, by how fast it answers. Times are those of one clock, in seconds.

    A terminal that has never answered is not waited for, and is no longer asked after a while.
    """

    def __init__(self, frames_per_second: float) -> None:
        self._fastest = 1 / frames_per_second
        self.frame_seconds = self._fastest
        self.round_trip: float | None = None  # seconds, of late; None: nothing was answered
        self._asked: deque[float] = deque()
        self._owes = False  # a frame was shown after the last question
        self._answers = 0
        self._is_by_hand = False  # a person has set the limit
        self._is_mute = False

    @property
    def frames_per_second(self) -> float | None:
        """How many there may be now; None where the terminal does not answer."""
        return None if self._is_mute or self.round_trip is None else 1 / self.frame_seconds

    @property
    def most(self) -> float:
        """How many there may be at best."""
        return 1 / self._fastest

    @property
    def shown(self) -> float | None:
        """How many there may be, if that is known or was set."""
        return self.frames_per_second or (self.most if self._is_by_hand else None)

    def limit(self, frames_per_second: float, *, by_hand: bool = False) -> None:
        """No more than that from now on."""
        self._fastest = 1 / frames_per_second
        self._is_by_hand = self._is_by_hand or by_hand
        self._fit()

    @property
    def is_slow(self) -> bool:
        """Whether the terminal takes long to show what it is sent, be it for the distance or for the bytes."""
        return self._answers >= SURE_ANSWERS and self.round_trip is not None and self.round_trip > SLOW_SECONDS

    @property
    def is_slowed(self) -> bool:
        return self.frame_seconds > self._fastest

    def displayed(self, now: float) -> bool:
        """A frame was written; True: ask for an answer to it."""
        if self._asked and now - self._asked[-1] < PATIENCE_SECONDS:
            self._owes = True
            return False
        if self._asked and (self.round_trip is None or len(self._asked) >= LOST_ANSWERS):
            self._is_mute = True
            self.frame_seconds = self._fastest
        if self._is_mute:
            return False
        self._ask(now)
        return True

    def answered(self, now: float) -> bool:
        """An answer came; True: ask again, because a later frame is on its way."""
        if self._asked:
            took = now - self._asked.popleft()
            mean = took if self.round_trip is None else self.round_trip * (1 - NEW_WEIGHT) + took * NEW_WEIGHT
            self.round_trip = mean
            self._answers += 1
            self._fit()
        self._is_mute = False
        if self._owes and not self._asked:
            self._ask(now)
            return True
        return False

    def _fit(self) -> None:
        self.frame_seconds = max(self._fastest, min((self.round_trip or 0.0) * REST, SLOWEST_FRAME_SECONDS))

    def held_until(self, now: float) -> float:
        """When the next frame may be painted; while one is on its way, the time when it is given up."""
        is_held = self._asked and self.round_trip is not None and not self._is_mute
        return max(now, self._asked[-1] + PATIENCE_SECONDS) if is_held else now

    @property
    def is_waiting(self) -> bool:
        """Whether an answer may still come."""
        return bool(self._asked) and not self._is_mute

    def _ask(self, now: float) -> None:
        self._asked.append(now)
        self._owes = False


class PaintClock:
    """Calls `paint` after `wake`, never more often than the pace allows; `now` paints without waiting."""

    def __init__(self, paint: Callable[[], None], *, frames_per_second: float) -> None:
        self._paint = paint
        self.pace = Pace(frames_per_second)
        self._last = 0.0
        self._due: asyncio.TimerHandle | None = None

    def wake(self) -> None:
        if self._due is None:
            loop = asyncio.get_running_loop()
            wait = max(0.0, self._last + self.pace.frame_seconds - loop.time())
            self._due = loop.call_later(wait, self._tick)

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        until = self.pace.held_until(loop.time())
        if until > loop.time():
            self._due = loop.call_at(until, self._tick)
        else:
            self.now()

    def now(self) -> None:
        self.stop()
        self._last = asyncio.get_running_loop().time()
        self._paint()

    def displayed(self) -> bool:
        """A frame was written; True: ask the terminal for an answer."""
        return self.pace.displayed(asyncio.get_running_loop().time())

    def answered(self) -> bool:
        """The terminal answered: what waited for that is painted when its time has come. True: ask again."""
        again = self.pace.answered(asyncio.get_running_loop().time())
        if self._due is not None:
            self.stop()
            self.wake()
        return again

    def stop(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
