"""Jump letters."""

from pathlib import Path

import pytest

from hal0.tui.screens.home import Home
from hal0.tui.screens.jump import LETTERS, Jump
from hal0.tui.screens.streams import StreamView
from tests.tui.live import Live, live
from tests.tui.pictures import assert_picture, screen_lines
from tests.tui.samples import busy_state, slot, state
from tests.tui.still import settle, showing


def letter_at(both: Live, words: str) -> str:
    """The letter in front of a row."""
    row = next(row for row in screen_lines(both.dashboard) if words in row)
    return row[:3].strip()


async def test_a_letter_goes_to_its_row_or_pane_and_anything_else_nowhere(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        home = both.dashboard.screen
        assert isinstance(home, Home)
        await both.press("grave_accent")
        assert isinstance(both.dashboard.screen, Jump)
        await both.sees(" a ", "go there")
        await both.press(letter_at(both, "vision"[1:]))
        current = both.dashboard.view.slot()
        assert current is not None
        assert current.name == "vision"
        assert home.place == "slots"
        await both.press("ctrl+o", "a")  # the uppermost
        assert home.place == "devices"
        await both.press("ctrl+o", letter_at_stream := LETTERS[1 + 7])  # devices, seven slots, the stream
        assert home.place == "stream", letter_at_stream
        for key in ("escape", "0", "Z"):
            await both.press("grave_accent", key)
            assert both.dashboard.screen is home
            assert home.place == "stream"


async def test_in_a_view_a_letter_selects_a_row_or_goes_to_the_text(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(), (120, 36)) as both:
        await both.press("3", "grave_accent", "d")
        view = both.dashboard.screen
        assert isinstance(view, StreamView)
        assert view.list.current == "8845"
        await both.press("grave_accent", "f")
        assert view.text.has_focus
        await both.press("6", "grave_accent")
        await both.press("escape")


async def test_there_are_letters_for_what_is_on_the_screen_only(tmp_path: Path) -> None:
    many = state(slots=[slot(f"slot-{number:03}") for number in range(300)])
    async with live(tmp_path, many, (120, 100)) as both:
        await both.press("G", "grave_accent")
        jump = both.dashboard.screen
        assert isinstance(jump, Jump)
        assert len(jump.query(".letter")) <= len(LETTERS)
        await both.press("s")
        current = both.dashboard.view.slot()
        assert current is not None
        assert "slot-25" < current.name < "slot-27", "of the rows that are shown"


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (120, 36)])
async def test_pictures_of_the_letters(size: tuple[int, int]) -> None:
    async with showing(busy_state(), size) as pilot:
        await pilot.press("grave_accent")
        await settle(pilot)
        assert_picture(pilot.app, f"jump-{size[0]}x{size[1]}")
