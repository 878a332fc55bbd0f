"""Long lines are broken to fit, or cut off and seen part by part."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal0.tui.lines import Line, shifted, width_of
from tests.tui.cells import Cells
from tests.tui.live import live
from tests.tui.samples import busy_state, default_state, request

LONG = " ".join(f"word{number}" for number in range(40))
TEXT = f"first\n{LONG}\nlast"
PIECES = ["ab", "日", "e\u0301x", " ", "語本", "日\u0301", "…"]


def drawn(line: Line, columns: int) -> list[str]:
    cells = Cells(columns, 1)
    cells.write("".join(text for text, _ in line))
    return [text for text, _ in cells.at[0]]


@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=3), max_size=4), st.integers(0, 12), st.integers(1, 12))
def test_the_part_of_a_line_that_is_seen_is_exactly_that(texts: list[list[str]], by: int, width: int) -> None:
    line = tuple(("".join(pieces), str(number)) for number, pieces in enumerate(texts) if pieces)
    seen = shifted(line, by, width, "")
    whole = drawn(line, 40)
    expected = whole[by : by + width]
    if expected and expected[0] == "":  # the right half of a wide character
        expected[0] = " "
    if len(expected) == width and by + width < 40 and whole[by + width] == "":  # the left half of one
        expected[-1] = " "
    assert drawn(seen, width) == expected
    assert width_of(seen) <= width


@pytest.mark.parametrize(("width", "seen"), [(4, "abc…"), (5, "abcd…"), (6, "abcdef"), (7, "abcdef")])
def test_what_is_cut_off_is_told_wherever_the_roles_change(width: int, seen: str) -> None:
    for line in ((("abcdef", "text"),), (("abcd", "text"), ("ef", "match")), (("abcde", "text"), ("f", "match"))):
        assert "".join(text for text, _ in shifted(line, 0, width, "…")) == seen


@pytest.mark.parametrize("way_there", [["3", "tab"], ["tab"], ["tab", "z"]])
async def test_w_cuts_long_lines_and_the_arrows_move_sideways(tmp_path: Path, way_there: list[str]) -> None:
    async with live(tmp_path, default_state(requests=[request("8841", text=TEXT, tokens=40)])) as both:
        await both.press(*way_there)
        await both.sees("first", "word39", "last")
        await both.press("right")
        assert "first" in both.screen
        await both.press("w")
        await both.sees("first", "word0 ", "…", "last")
        await both.no_longer_sees("word39")
        await both.press("right")
        await both.sees("word9", "…")
        await both.no_longer_sees("first")
        await both.press(*["right"] * 20)
        await both.sees("word39")
        await both.press(*["left"] * 20)
        await both.sees("first", "word0 ")
        await both.press("w")
        await both.sees("word39", "last")


async def test_a_match_beyond_the_edge_is_brought_into_sight(tmp_path: Path) -> None:
    async with live(tmp_path, default_state(requests=[request("8841", text=TEXT, tokens=40)])) as both:
        await both.press("3", "tab", "w", "slash", *"word30", "enter")
        await both.sees("word30", "/word30 1/1")
        await both.press("slash", *["backspace"] * 6, *"first", "enter")
        await both.sees("first", "/first 1/1")


async def test_w_cuts_the_lines_of_a_log_too(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        both.daemon.logs["chat-l"] = ["first", LONG, "last"]
        await both.press("5")
        await both.sees("first", "word39", "last")
        await both.press("w")
        await both.sees("first", "…", "last")
        await both.no_longer_sees("word39")
        await both.press("right", "right", "right", "right", "right")
        await both.sees("word39")
        await both.press("w")
        await both.sees("first", "word39")
