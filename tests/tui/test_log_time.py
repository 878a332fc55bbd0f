"""In a log one goes by the time of its lines, and from run to run."""

from pathlib import Path

import pytest

from hal0.tui.app import Dashboard
from hal0.tui.keymap import BY_ID
from hal0.tui.log_rows import Row, row_at_step, row_of_run, rows_of
from hal0.tui.screens.base import KeyedScreen
from hal0.tui.screens.logs import LogView
from tests.tui.live import Live, live
from tests.tui.pictures import assert_picture
from tests.tui.samples import NOW, busy_state
from tests.tui.still import settle, showing

MINUTES = 120
HOURS_AGO = NOW - MINUTES * 60
RUN = "--- run 4 on port 8081: llama-server --port 8081"


def rows(*times: float) -> list[Row]:
    return [row for number, at in enumerate(times) for row in rows_of(f"line {number}", at, 80)]


@pytest.mark.parametrize(
    ("top", "seconds", "found"),
    [
        (5, -60, 3),  # at 240 or later
        (5, -1, 3),  # nothing came in that second: to the time of the line before
        (5, -10_000, 2),  # as far as there are times
        (2, -60, None),  # what is before has none
        (0, -60, None),
        (2, 60, 3),
        (2, 1, 3),
        (3, 1, 5),
        (2, 61, 5),
        (0, 60, 2),  # to the first that has a time
        (4, 3600, 6),  # behind the last
        (5, 60, 6),
    ],
)
def test_a_step_in_time_goes_by_the_time_of_the_top_row(top: int, seconds: float, found: int | None) -> None:
    assert row_at_step(rows(0, 0, 180, 240, 240, 300), top, seconds) == found


def test_a_step_back_goes_to_the_first_row_of_a_long_line() -> None:
    long = [*rows_of("one two three four", 100.0, 9), *rows_of("next", 500.0, 9)]
    assert [row.text for row in long] == ["one two", "three", "four", "next"]
    assert row_at_step(long, 3, -60) == 0
    assert row_at_step(long, 2, -60) == 0


def test_no_rows_have_no_time() -> None:
    assert row_at_step([], 0, -60) is None
    assert row_at_step([], 0, 60) == 0
    assert row_of_run([], 0, -1) is None


def printed() -> tuple[list[str], list[float]]:
    """Two lines a minute, the first two from before the daemon was started; a run begins after an hour."""
    lines = [f"minute {number} {half}" for number in range(MINUTES) for half in "ab"]
    times = [HOURS_AGO + 60 * number for number in range(MINUTES) for half in "ab"]
    lines[120], times[:2] = RUN, [0.0, 0.0]
    return lines, times


async def begin(both: Live) -> None:
    both.daemon.logs["chat-l"], both.daemon.log_times["chat-l"] = printed()
    await both.press("5")
    await both.sees("minute 119 b", "follows")


def top_of(both: Live) -> str:
    return both.screen.splitlines()[2].strip()


async def test_braces_go_a_minute_back_and_on_and_t_makes_that_ten_or_an_hour(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await begin(both)
        assert top_of(both) == "minute 109 b"
        await both.sees("12:20:07  follows")  # of the line at the top
        for keys, top in [
            (["left_curly_bracket"], "minute 108 a"),
            (["left_curly_bracket"], "minute 107 a"),
            (["right_curly_bracket"], "minute 108 a"),
            (["t", "left_curly_bracket"], "minute 98 a"),
            (["t", "left_curly_bracket"], "minute 38 a"),
            (["t", "right_curly_bracket"], "minute 39 a"),
        ]:
            await both.press(*keys)
            await both.until(lambda top=top: top_of(both) == top, top)  # type: ignore[misc]
        await both.sees("rows below")
        await both.press("t", "t", "right_curly_bracket", "right_curly_bracket")
        await both.sees("follows", "minute 119 b")
        await both.press("left_curly_bracket", "left_curly_bracket", "left_curly_bracket")
        await both.sees("what is further up has no time", "minute 1 a")


async def test_b_goes_up_to_where_the_run_began_and_big_b_down_to_the_next(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await begin(both)
        await both.press("b")
        await both.until(lambda: top_of(both).startswith("--- run 4"), RUN)
        await both.press("b")
        await both.sees("no run begins further up")
        await both.press("g", "B")
        await both.until(lambda: top_of(both).startswith("--- run 4"), RUN)
        await both.press("B")
        await both.sees("no run begins further down")


async def test_lines_without_times_offer_no_steps_in_time_and_say_why(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        both.daemon.logs["chat-l"] = ["one", "two"]
        await both.press("5")
        await both.sees("two")
        screen = both.dashboard.screen
        assert isinstance(screen, KeyedScreen)
        assert not any(screen.offers(BY_ID[id]) for id in ("log_back", "log_on", "log_scale"))
        await both.press("left_curly_bracket")
        await both.sees("no line here has a time")


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (120, 36)])
async def test_picture_of_a_log_in_which_something_was_found(size: tuple[int, int]) -> None:
    async with showing(busy_state(), size) as pilot:
        await pilot.press("5")
        assert isinstance(pilot.app, Dashboard)
        assert isinstance(pilot.app.screen, LogView)
        pilot.app.screen.log_pane.add(*printed())
        pilot.app.screen.mark_scrolled()
        pilot.app.paint_now()
        await settle(pilot)
        await pilot.press("ampersand", *"minute", "enter", "slash", *"5 a", "enter", "N", "left_curly_bracket", "N")
        await settle(pilot)
        assert_picture(pilot.app, f"log-found-{size[0]}x{size[1]}")
