"""The axis of time: which moment a cell is, and where the cursor goes."""

import pytest

from hal0.tui.timeline import SPANS, Scrub, Timeline
from tests.tui.samples import NOW


def test_the_newest_cell_has_now_in_it_and_all_cells_together_the_span() -> None:
    line = Timeline.of(Scrub(1800), NOW, 60)
    start, end = line.bounds(59)
    assert start <= NOW < end
    assert (line.seconds, line.cursor) == (30.0, None)
    assert end - line.bounds(0)[0] == pytest.approx(1800)


@pytest.mark.parametrize("count", [7, 50, 51, 67, 96, 164])
@pytest.mark.parametrize("span", SPANS)
def test_the_cursor_goes_back_cell_by_cell_for_an_hour_and_on_again_to_now(count: int, span: int) -> None:
    scrub, reached = Scrub(span), []
    for _ in range(5000):
        before = scrub.at
        scrub.move(-1, Timeline.of(scrub, NOW, count), NOW)
        line = Timeline.of(scrub, NOW, count)
        assert line.cursor is not None
        assert 0 <= line.cursor < count
        start, end = line.bounds(line.cursor)
        assert scrub.at is not None
        assert start - 0.01 <= scrub.at < end
        if scrub.at == before:
            break
        reached.append(line.last - count + 1 + line.cursor)
    assert reached == list(range(reached[0], reached[0] - len(reached), -1)), "no cell is left out"
    assert scrub.at is not None
    assert NOW - 3600 - span / count < scrub.at <= NOW - 3600 + 2 * span / count
    for _ in range(len(reached)):
        scrub.move(1, Timeline.of(scrub, NOW, count), NOW)
    assert scrub.at is not None
    scrub.move(1, Timeline.of(scrub, NOW, count), NOW)
    assert scrub.at is None


def test_a_cursor_that_time_has_left_behind_is_still_shown() -> None:
    scrub = Scrub(300)
    scrub.move(-1, Timeline.of(scrub, NOW, 60), NOW)
    line = Timeline.of(scrub, NOW + 900, 60)
    assert line.cursor is not None
    assert 0 <= line.cursor < 60
    assert line.bounds(line.cursor)[0] == pytest.approx(NOW - NOW % 5 - 5)


def test_the_axis_tells_times_of_day_below_their_moments_and_gives_way_to_the_cursor() -> None:
    line = Timeline.of(Scrub(1800), NOW, 60)
    axis = line.axis()
    assert axis.split() == ["12:01", "12:09", "12:16", "12:24"]
    assert axis.index("12:16") == 30
    assert line.bounds(30)[0] == pytest.approx(NOW - 7 - 29 * 30)
    assert Timeline.of(Scrub(300), NOW, 60).axis().split()[0] == "12:26:10"
    assert "12:16" not in Timeline(line.seconds, line.last, 60, cursor=32).axis()


def test_where_the_cursor_is_is_told_with_how_long_ago_that_was() -> None:
    scrub = Scrub(1800)
    scrub.move(-20, Timeline.of(scrub, NOW, 60), NOW)
    assert Timeline.of(scrub, NOW, 60).told(NOW, "-") == "12:21:00 -10m07"
    assert Timeline.of(Scrub(), NOW, 60).told(NOW, "-") == ""
