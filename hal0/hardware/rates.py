"""Over which time counters are compared.

Looks may follow one another closely: a regular one, and one that asks what is free now. Over a few milliseconds a
counter that moves in clock ticks says 0 or 100 percent, so such a look tells the rates of the last one again.
"""

from collections.abc import Callable, Hashable

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


class Rates:
    """How fast counters grow, each by its name."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._before: dict[Hashable, tuple[float, int]] = {}
        self._rates: dict[Hashable, float | None] = {}

    def per_second(self, name: Hashable, value: int, *, wraps_at: int = 0) -> float | None:
        """Since the last look; None at the first one, and when it began anew (at 0 after `wraps_at`, it goes on)."""
        now = self._clock()
        at, before = self._before.get(name, (float("-inf"), value))
        if now - at >= SHORTEST_WINDOW_SECONDS:
            is_known = name in self._before
            self._before[name] = now, value
            grown = value - before if value >= before or not wraps_at else value - before + wraps_at
            self._rates[name] = grown / (now - at) if is_known and grown >= 0 else None
        return self._rates[name]
