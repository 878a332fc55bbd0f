"""Who goes next when a slot computes as much as it may: in order of arrival, and what no person waits for last.

Bounded, so that a wait is worth it. A request in the background stands in line as if it had come AGING_SECONDS later:
those that a person waits for go before it, but not for ever. A turn that was granted counts as taken until its holder
has entered or left: nobody slips in between.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from hal0.errors import Hal0Error

MEMORY = 0.2  # weight of the newest request in the mean duration
LEAST_RETRY_SECONDS = 1.0
AGING_SECONDS = 60.0


@dataclass(eq=False, slots=True)
class Waiter:
    """One who stands in line."""

    turn: asyncio.Future[None]
    place: float  # the lower goes first, among the heads of both lines


class Turns:
    """The queue before one slot."""

    def __init__(self, slot: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._slot = slot
        self._clock = clock
        self._waiting: deque[Waiter] = deque()
        self._background: deque[Waiter] = deque()
        self._granted = 0
        self._mean_seconds: float | None = None  # how long requests hold the slot

    def __len__(self) -> int:
        return self.in_line + self._granted

    @property
    def in_line(self) -> int:
        return len(self._waiting) + len(self._background)

    def is_free(self, in_flight: int, *, most: int) -> bool:
        """Whether a newcomer may enter at once: there is room, and nobody came before."""
        return not self.in_line and in_flight + self._granted < most

    async def wait(self, *, most_waiting: int, at_once: int, background: bool = False) -> None:
        """Stand in line until granted; then call `taken` once, on entering or giving up.

        Raises `slot.queue_full`, also to one in the background who makes room for another that is not. Whoever is
        cancelled here must call `grant`: the turn may have been his already.
        """
        if self.in_line >= most_waiting:
            full = self._full(at_once)
            if background or not self._background:
                raise full
            last = self._background.pop().turn
            if not last.cancelled():
                last.set_exception(full)
        line = self._background if background else self._waiting
        place = self._clock() + (AGING_SECONDS if background else 0.0)
        waiter = Waiter(asyncio.get_running_loop().create_future(), place)
        line.append(waiter)
        try:
            await waiter.turn
        except asyncio.CancelledError:
            if waiter in line:
                line.remove(waiter)
            elif not waiter.turn.cancelled() and waiter.turn.exception() is None:  # granted this very moment
                self._granted -= 1
            raise

    def taken(self) -> None:
        """A granted turn was used or given up."""
        self._granted -= 1

    def grant(self, in_flight: int, *, most: int) -> None:
        """Let in as many as there is room for; called whenever there may be more room."""
        while self.in_line and in_flight + self._granted < most:
            turn = self._next_line().popleft().turn
            if not turn.cancelled():  # who leaves in this moment is in line until his task runs again
                turn.set_result(None)
                self._granted += 1

    def held_for(self, seconds: float) -> None:
        """A request has left after so long; from this the time to retry is told."""
        mean = self._mean_seconds
        self._mean_seconds = seconds if mean is None else mean + MEMORY * (seconds - mean)

    def _next_line(self) -> deque[Waiter]:
        """The line whose head goes next."""
        if not (self._waiting and self._background):
            return self._waiting or self._background
        return self._background if self._background[0].place < self._waiting[0].place else self._waiting

    def _full(self, at_once: int) -> Hal0Error:
        seconds = self._seconds_until_free(at_once)
        return Hal0Error("slot.queue_full", retry_after_seconds=seconds, slot=self._slot, waiting=self.in_line)

    def _seconds_until_free(self, at_once: int) -> float:
        """When a newcomer would find the line shorter by one, by the durations seen."""
        return max(LEAST_RETRY_SECONDS, (self._mean_seconds or 0.0) / at_once)
