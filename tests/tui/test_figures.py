"""Numbers are short, have their unit, and do not change their width by a digit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal0.tui import figures

GIB = 2**30
STEPS = "▁▂▃▄▅▆▇█"


@pytest.mark.parametrize(
    ("value", "shown"),
    [(None, "-"), (0, "0K"), (812 * 2**20, "812M"), (int(5.1 * GIB), "5.1G"), (128 * GIB, "128G"), (3 * 2**40, "3.0T")],
)
def test_sizes(value: int | None, shown: str) -> None:
    assert figures.size(value) == shown


@pytest.mark.parametrize(
    ("used", "total", "shown"),
    [(int(5.1 * GIB), 24 * GIB, "5.1/24G"), (GIB, 2 * GIB, "1.0/2.0G"), (2**20, GIB, "1M/1.0G"), (None, 1, "-")],
)
def test_pairs(used: int | None, total: int | None, shown: str) -> None:
    assert figures.pair(used, total) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        (0.3, "<1ms"),
        (182, "182ms"),
        (999.6, "1.00s"),
        (1240, "1.24s"),
        (12_400, "12.4s"),
        (185_000, "3m05"),
    ],
)
def test_latencies(value: float | None, shown: str) -> None:
    assert figures.milliseconds(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(-5, "0s"), (59.9, "59s"), (65, "1m05"), (11_000, "3h03"), (273_600, "3d04h"), (9e6, "104d")]
)
def test_lengths_of_time(seconds: float, shown: str) -> None:
    assert figures.span(seconds) == shown


@given(st.floats(0, 1e12) | st.none())
def test_no_figure_is_wider_than_its_column(value: float | None) -> None:
    assert len(figures.size(None if value is None else int(value))) <= 6
    assert len(figures.milliseconds(None if value is None else value / 1e3)) <= 6
    assert len(figures.percent(None if value is None else value / 1e11)) == 4


@given(st.floats(-1, 2) | st.none(), st.integers(0, 40))
def test_a_bar_fills_its_width(fraction: float | None, width: int) -> None:
    full, rest = figures.bar(fraction, width, "▏▎▍▌▋▊▉█", "░")
    assert len(full) + len(rest) == width


def test_a_bar_tells_eighths() -> None:
    assert figures.bar(0.53, 8, "▏▎▍▌▋▊▉█", "░") == ("████▎", "░░░")


def test_a_sparkline_is_blank_where_nothing_is_known() -> None:
    assert figures.spark([None, 0.0, 0.5, 1.0], STEPS) == " ▁▅█"


def test_a_graph_of_two_rows_splits_its_values() -> None:
    assert figures.graph([0.25, 0.75, 1.0, None], 2, STEPS) == [" ▅█ ", "▅██ "]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "$0.00"), (0.00001, "<$0.0001"), (0.0042, "$0.0042"), (0.31, "$0.31"), (12.4, "$12.40"), (1204.3, "$1,204")],
)
def test_dollars(value: float, shown: str) -> None:
    assert figures.dollars(value) == shown
