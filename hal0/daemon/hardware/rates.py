"""Over which time counters are compared.

Looks may follow one another closely: a regular one, and one that asks what is free now. Over a few milliseconds a
counter that moves in clock ticks says 0 or 100 percent, so such a look tells the rates of the last one again.
"""

from collections.abc import Callable

SHORTEST_WINDOW_SECONDS = 0.1


class Window:
    """The time since the counters were last compared."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began = float("-inf")

    def turn(self) -> float | None:
        """Seconds since the last turn, and begin the next window; None if it is too soon for that."""
        now = self._clock()
        passed = now - self._began
        if passed < SHORTEST_WINDOW_SECONDS:
            return None
        self._began = now
        return passed
