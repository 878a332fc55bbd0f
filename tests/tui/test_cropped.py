"""What is written for a frame is less than Textual would write, and the same is on the screen."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate
from textual.strip import Strip

from hal0.tui.cropped import crop
from hal0.wire import TokenBatch
from tests.tui.cells import Cells
from tests.tui.samples import busy_state, request
from tests.tui.still import StillDashboard, load, settle, showing

CONSOLE = Console(force_terminal=True, color_system="truecolor", width=200)
WORDS = ["one", "日本語", "e\u0301", "שלום", "👩‍👩‍👧", "a\tb", "ｗｉｄｅ", "…", "longer-word", "\n"]


def written(update: Any) -> tuple[str, str]:
    """As Textual has it, and as it is cropped."""
    return ChopsUpdate.render_segments(update, CONSOLE), crop(update).render_segments(CONSOLE)


def strip_of(*texts: str) -> Strip:
    return Strip([Segment(text, Style(color=f"color({number + 1})")) for number, text in enumerate(texts)])


def test_only_what_changed_is_written() -> None:
    left, right = strip_of("left side ", "of it     "), strip_of("right side", " of it     ")
    update = ChopsUpdate([{0: left, 20: right}], [(0, 12, 14), (0, 30, 33)], [[20, 41]])
    stock, ours = written(update)
    assert "left side" in stock
    assert [text for text in ("left", "right", "side") if text in ours] == []
    assert "\x1b[1;13H" in ours  # columns are counted from 1
    assert "\x1b[1;31H" in ours
    assert len(ours) < len(stock) / 2


PIECES = ["ab", "日", "e\u0301x", " ", "語本", "o\u0308", "日\u0301"]


@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=3), min_size=1, max_size=4), st.data())
def test_a_row_is_whole_wherever_it_is_cropped(texts: list[list[str]], data: st.DataObject) -> None:
    """Cells that are as they were are on the screen, those of the span are not; then it is drawn."""
    row = strip_of("|", *("".join(pieces) for pieces in texts), "|")
    begin = data.draw(st.integers(0, row.cell_length - 1))
    end = data.draw(st.integers(begin + 1, row.cell_length))
    whole, cells = Cells(40, 1), Cells(40, 1)
    whole.write("\x1b[1;3H" + row.render(CONSOLE))
    cells.write("\x1b[1;3H" + row.render(CONSOLE))
    cells.write(f"\x1b[1;{begin + 3}H" + "#" * (end - begin))
    _, ours = written(ChopsUpdate([{2: row}], [(0, begin + 2, end + 2)], [[2 + row.cell_length]]))
    cells.write(ours)
    assert cells.at == whole.at


def test_an_update_that_is_made_of_something_else_is_left_as_it_is() -> None:
    class Other(ChopsUpdate):
        def __init__(self) -> None:
            super().__init__([{0: strip_of("abcd")}], [(0, 2, 4)], [[4]])
            self.more = True

    other = Other()
    assert crop(other).render_segments(CONSOLE) == ChopsUpdate.render_segments(other, CONSOLE)
    assert crop(None) is None
    assert crop("a renderable") == "a renderable"


class TwoTerminals(StillDashboard):
    """Has its frames drawn on one terminal as Textual writes them, on another as they are cropped."""

    stock = Cells(1, 1)
    ours = Cells(1, 1)
    bytes_stock = 0
    bytes_ours = 0
    differences = 0

    def _display(self, screen: Any, renderable: Any, *more: Any) -> None:
        if not hasattr(renderable, "render_segments"):
            return
        if len(self.stock.at) == 1:
            self.stock, self.ours = Cells(*self.size), Cells(*self.size)
        stock = renderable.render_segments(self.console)
        ours = crop(renderable).render_segments(self.console)
        self.stock.write(stock)
        self.ours.write(ours)
        if isinstance(renderable, ChopsUpdate):
            self.bytes_stock += len(stock.encode())
            self.bytes_ours += len(ours.encode())
        self.differences += self.stock.at != self.ours.at


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
async def test_hundreds_of_frames_leave_the_same_screen_in_fewer_bytes(size: tuple[int, int]) -> None:
    chance = random.Random(20261126)
    async with showing(None, size, app=TwoTerminals) as pilot:
        app = pilot.app
        assert isinstance(app, TwoTerminals)
        await load(pilot, busy_state(requests=[request("8841", "chat-l", text=""), request("8843", "code-m", text="")]))
        for frame in range(120):
            for id in ("8841", "8843"):
                text = "".join(chance.choice(WORDS) + " " for _ in range(chance.randrange(4)))
                app.store._tokens(TokenBatch(id=id, text=text, tokens=frame, tokens_per_second=chance.uniform(9, 120)))
            app.paint_now()
            await pilot.pause()
        for keys in (
            ["slash", *"qwe語", "escape"],
            ["colon", *"th", "escape"],
            ["3", "j", "tab", "slash", *"日", "enter"],
        ):
            await pilot.press(*keys)
            await settle(pilot)
        assert app.differences == 0
        shown = ["".join(text for text, _ in row).rstrip() for row in app.ours.at]
        assert shown == [strip.text.rstrip() for strip in app.screen._compositor.render_strips()]
        assert 0 < app.bytes_ours < app.bytes_stock * 0.8
