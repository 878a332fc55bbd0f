"""Who goes next when a slot computes as much as it may: in order of arrival. Bounded, so that a wait is worth it.

A turn that was granted counts as taken until its holder has entered or left: nobody slips in between.
"""

import asyncio
from collections import deque

from hal0.errors import Hal0Error

MEMORY = 0.2  # weight of the newest request in the mean duration
LEAST_RETRY_SECONDS = 1.0


class Turns:
    """The queue before one slot."""

    def __init__(self, slot: str) -> None:
        self._slot = slot
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._granted = 0
        self._mean_seconds: float | None = None  # how long requests hold the slot

    def __len__(self) -> int:
        return len(self._waiting) + self._granted

    def is_free(self, in_flight: int, *, most: int) -> bool:
        """Whether a newcomer may enter at once: there is room, and nobody came before."""
        return not self._waiting and in_flight + self._granted < most

    async def wait(self, *, most_waiting: int, at_once: int) -> None:
        """Stand in line until granted; then call `taken` once, on entering or giving up.

        Raises `slot.queue_full`. Whoever is cancelled here must call `grant`: the turn may have been his already.
        """
        if len(self._waiting) >= most_waiting:
            seconds = self._seconds_until_free(at_once)
            raise Hal0Error("slot.queue_full", retry_after_seconds=seconds, slot=self._slot, waiting=len(self._waiting))
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._granted -= 1
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise

    def taken(self) -> None:
        """A granted turn was used or given up."""
        self._granted -= 1

    def grant(self, in_flight: int, *, most: int) -> None:
        """Let in as many as there is room for; called whenever there may be more room."""
        while self._waiting and in_flight + self._granted < most:
            turn = self._waiting.popleft()
            if not turn.cancelled():  # who leaves in this moment is in line until his task runs again
                turn.set_result(None)
                self._granted += 1

    def held_for(self, seconds: float) -> None:
        """A request has left after so long; from this the time to retry is told."""
        mean = self._mean_seconds
        self._mean_seconds = seconds if mean is None else mean + MEMORY * (seconds - mean)

    def _seconds_until_free(self, at_once: int) -> float:
        """When a newcomer would find the line shorter by one, by the durations seen."""
        return max(LEAST_RETRY_SECONDS, (self._mean_seconds or 0.0) / at_once)
