"""What is counted for /metrics."""

import pytest

from hal0.daemon.proxy.meter import GAP_BOUNDS, Histogram, Meter
from hal0.daemon.proxy.tap import Tap

TOKEN = b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n'
ROLE = b'data: {"choices":[{"delta":{"role":"assistant","content":null}}]}\n\n'


def test_a_histogram_counts_up_to_and_with_each_bound() -> None:
    histogram = Histogram((0.1, 1.0))
    for value in (0.1, 0.05, 0.5, 7.0):
        histogram.observe(value)
    assert histogram.cumulative() == [("0.1", 2), ("1.0", 3), ("+Inf", 4)]
    assert histogram.sum == pytest.approx(7.65)


def test_gaps_between_tokens_are_counted_and_what_is_no_token_is_not() -> None:
    tap = Tap(keeps_text=False)
    tap.gaps = Histogram(GAP_BOUNDS)
    tap.look(ROLE, 0.5)
    tap.look(TOKEN, 1.0)  # the first has no gap
    tap.look(TOKEN, 1.04)
    tap.look(b'data: {"choices":[],"usage":{}}\n\n', 1.9)
    tap.look(TOKEN * 4, 2.04)  # four in one piece: a quarter of a second each
    assert sum(tap.gaps.counts) == 5
    assert tap.gaps.sum == pytest.approx(1.04)
    assert tap.gaps.counts[GAP_BOUNDS.index(0.05)] == 1
    assert tap.gaps.counts[GAP_BOUNDS.index(0.5)] == 4


def test_the_load_of_a_run_is_counted_once() -> None:
    meter = Meter()
    for run in (1, 1, 2):
        meter.loaded("primary", run=run, seconds=0.3)
    assert sum(meter.of("primary").loads.counts) == 2


def test_a_slot_that_is_gone_is_forgotten() -> None:
    meter = Meter()
    meter.failed("old", "slot.crashed")
    meter.loaded("old", run=1, seconds=1.0)
    meter.forget("old")
    assert meter.slots == {}
    meter.loaded("old", run=1, seconds=1.0)
    assert sum(meter.of("old").loads.counts) == 1
