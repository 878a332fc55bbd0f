"""What is counted of requests since the daemon started, by slot: for /metrics. Pure: numbers in, numbers out.

An observation is one bisection and two additions, as one is made for every piece of a stream.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

# Upper bounds in seconds. Waits reach from a prompt in the cache to a large model that loads; gaps between tokens from
# a small model on a GPU to a large one on a CPU.
WAIT_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0)
GAP_BOUNDS = (0.0025, 0.005, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 5.0)


class Histogram:
    """Counts by upper bound, and the sum."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)  # the last one is above every bound
        self.sum = 0.0

    def observe(self, value: float, times: int = 1) -> None:
        self.counts[bisect_left(self.bounds, value)] += times
        self.sum += value * times

    def cumulative(self) -> list[tuple[str, int]]:
        """Bounds as Prometheus writes them, each with the number of observations up to it."""
        total, rows = 0, []
        for bound, count in zip((*map(str, self.bounds), "+Inf"), self.counts, strict=True):
            total += count
            rows.append((bound, total))
        return rows


class SlotMeter:
    """What was counted of one slot."""

    __slots__ = (
        "dollars",
        "failures",
        "gaps",
        "loads",
        "prompt_tokens",
        "queue",
        "requests",
        "tokens",
        "ttft",
        "whole",
    )

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, str]] = Counter()  # by path and outcome
        self.failures: Counter[str] = Counter()  # of its backend, by code
        self.tokens = 0
        self.prompt_tokens = 0
        self.dollars: float | None = None  # what a remote took, as far as its prices are known
        self.queue = Histogram(WAIT_BOUNDS)
        self.ttft = Histogram(WAIT_BOUNDS)
        self.whole = Histogram(WAIT_BOUNDS)
        self.loads = Histogram(WAIT_BOUNDS)
        self.gaps = Histogram(GAP_BOUNDS)


class Meter:
    """Every slot's counts. What never reached a slot is counted under the empty name."""

    def __init__(self) -> None:
        self.slots: dict[str, SlotMeter] = {}
        self._last_load: dict[str, int] = {}  # slot → the run whose load was counted

    def of(self, slot: str) -> SlotMeter:
        meter = self.slots.get(slot)
        if meter is None:
            meter = self.slots[slot] = SlotMeter()
        return meter

    def loaded(self, slot: str, *, run: int, seconds: float) -> None:
        """A run became ready after so long; telling of the same run again counts nothing."""
        if self._last_load.get(slot) != run:
            self._last_load[slot] = run
            self.of(slot).loads.observe(seconds)

    def failed(self, slot: str, code: str) -> None:
        """A slot's backend failed, or could not be started."""
        self.of(slot).failures[code] += 1

    def forget(self, slot: str) -> None:
        """It is configured no more."""
        self.slots.pop(slot, None)
        self._last_load.pop(slot, None)
