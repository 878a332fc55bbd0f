"""A text is found in a stream, also over the ends of rows, while the stream goes on."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal0.tui.finding import Search, find
from hal0.tui.look import Look
from hal0.tui.screens.base import KeyedScreen
from hal0.tui.screens.home import Home
from hal0.tui.screens.logs import LogView
from hal0.tui.screens.streams import StreamView
from hal0.tui.store import Store
from hal0.tui.transcript import Transcript, Wrapping
from hal0.tui.view import View
from hal0.tui.widgets.log import KEPT_LINES, LogPane
from hal0.tui.widgets.stream import StreamPane
from hal0.wire import TokenBatch
from tests.tui.live import Live, live
from tests.tui.samples import NOW, busy_state, default_state, request

ROWS = "\n".join(f"row {number}" for number in range(100))


def wrapped(text: str, width: int) -> Wrapping:
    transcript = Transcript()
    wrapping = Wrapping(transcript, width)
    for at in range(0, len(text), 7):  # as it comes, in pieces
        transcript.append("text", text[at : at + 7])
        wrapping.update()
    return wrapping


def rows_of(wrapping: Wrapping) -> list[str]:
    return [text for _, text in wrapping.lines]


@given(text=st.text(alphabet="ab c\n日é", max_size=80), width=st.integers(2, 12))
def test_rows_and_joints_give_back_the_text(text: str, width: int) -> None:
    wrapping = wrapped(text, width)
    parts = zip(wrapping.joints, rows_of(wrapping), strict=True)
    assert "".join(joint + row for joint, row in parts).removeprefix("\n") == text


@given(text=st.text(alphabet="ab c\n日", max_size=80), word=st.text(alphabet="ab 日", min_size=1, max_size=4))
def test_a_word_is_found_as_often_as_it_stands_in_the_text(text: str, word: str) -> None:
    wrapping = wrapped(text, 6)
    matches = find(word, rows_of(wrapping), wrapping.joints)
    seen = sum(bool(match.strip(" ")) for line in text.split("\n") for match in [word] * line.count(word))
    if word.strip(" "):  # a space that was taken out at the end of a row is not there to be marked
        assert len(matches) == seen


def test_a_match_goes_over_the_end_of_a_row() -> None:
    wrapping = wrapped("one two three fourfive", 9)
    assert rows_of(wrapping) == ["one two", "three", "fourfive"]
    (match,) = find("TWO three FOUR", rows_of(wrapping), wrapping.joints)
    assert match.parts == ((0, 4, 7), (1, 0, 5), (2, 0, 4))
    assert not find("twothree", rows_of(wrapping), wrapping.joints)


def test_a_match_does_not_go_over_the_end_of_a_line() -> None:
    wrapping = wrapped("one\ntwo", 9)
    assert not find("one two", rows_of(wrapping), wrapping.joints)
    assert not find("onetwo", rows_of(wrapping), wrapping.joints)


def test_letters_of_another_length_in_capitals_do_not_move_the_marks() -> None:
    search = Search()
    search.begin("x", ["İİßx", "y"], ["\n", "\n"], from_row=0)
    assert search.pieces(0, "İİßx") == [("İİß", None), ("x", True)]


def test_a_letter_is_marked_with_its_accents() -> None:
    search = Search()
    search.begin("e", ["xe\u0301\u0323y"], ["\n"], from_row=0)
    assert search.pieces(0, "xe\u0301\u0323y") == [("x", None), ("e\u0301\u0323", True), ("y", None)]


def test_the_search_begins_where_one_reads_and_goes_round() -> None:
    search = Search()
    rows = ["a", "b a", "a a"]
    search.begin("a", rows, ["\n"] * 3, from_row=2)
    assert search.count == "3/4"
    search.step(1)
    search.step(1)
    assert search.count == "1/4"
    search.step(-2)
    assert search.count == "3/4"
    assert search.pieces(2, rows[2]) == [("a", True), (" ", None), ("a", False)]
    search.renew([*rows, "aa"], ["\n"] * 4)
    assert search.count == "3/6"
    search.renew(["a"], ["\n"])
    assert search.count == "1/1"


def marks(both: Live) -> list[tuple[str, str]]:
    """What is marked on the screen, and how."""
    pane = next(pane for pane in both.dashboard.screen.query(StreamPane) if pane.is_searched)
    return [(text, role) for spans in pane._lines for text, role in spans if role in ("loud", "match")]


async def test_a_text_is_found_in_the_streams_view_and_n_goes_from_match_to_match(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(requests=[request("8841", text=ROWS, tokens=100)])) as both:
        await both.press("3", "slash", *"ROW 1")
        await both.sees("/ROW 1 1/11")  # there is none below the end, so the first of all
        await both.press("enter")
        screen = both.dashboard.screen
        assert isinstance(screen, StreamView)
        assert screen.text.has_focus
        assert ("row 1", "loud") in marks(both)
        await both.press("N")
        await both.sees("/ROW 1 11/11", "row 19")
        await both.press("n", "n", "n")
        await both.sees("/ROW 1 3/11", "row 11")
        assert marks(both).count(("row 1", "loud")) == 1
        await both.press("escape")
        await both.no_longer_sees("/ROW 1")
        await both.sees("row 11", "lines below")
        assert screen.text.has_focus, "the first escape takes the marks out, the second leads back"
        await both.press("escape", "escape")
        assert isinstance(both.dashboard.screen, Home)


@pytest.mark.parametrize("zoomed", [False, True])
async def test_the_text_stands_still_while_it_is_searched_and_the_count_goes_on(tmp_path: Path, zoomed: bool) -> None:
    growing = default_state(requests=[request("8841", text=ROWS, tokens=100)])
    async with live(tmp_path, growing) as both:
        await both.press("tab", *(["z"] if zoomed else []), "slash", *"row 42", "enter")
        await both.sees("row 42", "/row 42 1/1")
        before = [row for row in both.screen.splitlines() if row.startswith(" row")]
        both.daemon.publish("request.tokens", TokenBatch(id="8841", text=f"\n{ROWS}", tokens=200))
        both.daemon.publish("request.started", request("9000", started_at=NOW, text="", prompt="a newer one"))
        await both.until(lambda: "9000" in both.dashboard.store.streams)
        await both.sees("/row 42 1/2", "#8841")
        assert [row for row in both.screen.splitlines() if row.startswith(" row")] == before
        await both.press("escape", "G")
        await both.sees("#9000")


async def test_escape_in_the_line_goes_back_to_what_was_shown(tmp_path: Path) -> None:
    growing = default_state(requests=[request("8841", text=ROWS, tokens=100)])
    async with live(tmp_path, growing) as both:
        await both.press("tab", "slash", *"row 3")
        await both.sees("/row 3 1/11", "row 3")
        await both.no_longer_sees("row 99")
        await both.press("escape")
        await both.sees("row 99")
        assert "/row 3" not in both.screen


async def test_what_is_not_there_is_said_and_comes_when_it_comes(tmp_path: Path) -> None:
    growing = default_state(requests=[request("8841", text="Once upon", tokens=2)])
    async with live(tmp_path, growing) as both:
        await both.press("tab", "slash", *"a time", "enter", "n", "N")
        await both.sees("/a time not found")
        both.daemon.publish("request.tokens", TokenBatch(id="8841", text=" a time", tokens=4))
        await both.sees("/a time 1/1")


async def test_the_filter_of_the_slots_and_the_text_that_is_looked_for_are_two(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.press("slash", *"qwen", "enter", "tab", "slash", *"watcher", "enter")
        await both.sees("slots 4/7", "/watcher 1/1")
        assert both.dashboard.view.filter == "qwen"
        await both.press("escape", "escape", "slash")
        await both.press("escape")
        await both.sees("slots 7")


@pytest.mark.parametrize("way_there", [[], ["tab"], ["3"], ["5"]])
async def test_letters_that_come_together_with_the_slash_are_no_commands(tmp_path: Path, way_there: list[str]) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.press(*way_there)
        await both.press_at_once("slash", *"lurPw", "ctrl+x", "ctrl+x", "q", "f")
        await both.sees("⏎ keep")
        assert isinstance(both.dashboard.screen, KeyedScreen)
        assert both.dashboard.screen.place == "filter"
        assert both.dashboard.is_running
        assert not [call for call in both.daemon.calls if call[0] in ("POST", "DELETE")]
        assert both.dashboard.view.wraps


async def test_a_picture_of_no_text_is_not_searched(tmp_path: Path) -> None:
    async with live(tmp_path, default_state()) as both:
        await both.press("tab", "slash")
        assert "text to find" not in both.screen


async def test_a_text_is_found_in_a_log_as_in_a_stream_and_the_log_stands_still(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        both.daemon.logs["chat-l"] = [f"line {number}" for number in range(100)]
        await both.press("5")
        await both.sees("line 99")
        await both.press("slash", *"LINE 1")
        await both.sees("/LINE 1 1/11")  # there is none below the end, so the first of all
        await both.press("enter", "N")
        await both.sees("/LINE 1 11/11", "line 19", "rows below")
        before = [row for row in both.screen.splitlines() if row.startswith(" line")]
        await both.daemon.print_line("chat-l", "one more line 1")
        await both.sees("/LINE 1 11/12")
        assert [row for row in both.screen.splitlines() if row.startswith(" line")] == before
        await both.press("n")
        await both.sees("/LINE 1 12/12", "one more line 1")
        screen = both.dashboard.screen
        assert isinstance(screen, LogView)
        assert [(text, role) for spans in screen.log_pane._lines for text, role in spans if role == "loud"] == [
            ("line 1", "loud")
        ]
        await both.press("escape", "G")
        await both.no_longer_sees("/LINE 1")
        await both.sees("follows")
        assert both.dashboard.screen is screen, "the first escape takes the marks out, the second leads back"
        await both.press("escape")
        assert isinstance(both.dashboard.screen, Home)


async def test_what_is_found_in_a_log_is_found_in_the_lines_that_the_filter_leaves(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        both.daemon.logs["chat-l"] = [f"{'odd' if number % 2 else 'even'} {number}" for number in range(100)]
        await both.press("5")
        await both.sees("odd 99")  # the search begins at what is shown
        await both.press("slash", *"9", "enter")
        await both.sees("/9 8/20", "odd 79")
        await both.press("ampersand", *"even", "enter")
        await both.sees("&even", "/9 5/5", "even 98")
        await both.no_longer_sees("odd 99")
        await both.press("n", "n")
        await both.sees("/9 2/5")
        await both.press("slash", "backspace", *"no such", "escape")
        await both.no_longer_sees("no such")
        await both.press("escape")
        await both.sees("odd 99")
        assert isinstance(both.dashboard.screen, LogView)


def test_the_marks_of_a_log_stay_at_their_text_when_its_first_lines_are_forgotten() -> None:
    def lines(first: int, many: int) -> list[str]:
        return [f"{'here' if number % 10 == 0 else 'line'} {number}" for number in range(first, first + many)]

    pane = LogPane(View(Store(), Look.of("hal0-dark")))
    pane.begin("a")
    pane.add(lines(0, KEPT_LINES))
    pane.paint(80, 20)
    pane.begin_search()
    pane.look_for("here")
    pane.add(lines(KEPT_LINES, KEPT_LINES))
    assert shown_of(pane) == ["here 4990"]
    assert pane.search.count == "500/1000"
    pane.step_search(-500)
    assert shown_of(pane) == ["here 9990"]
    pane.add(lines(2 * KEPT_LINES, 500))  # more than twice as many as are kept: 5,500 rows go
    assert shown_of(pane) == ["here 9990"]
    assert pane.search.count == "450/500"
    pane.step_search(1)
    assert shown_of(pane) == ["here 10000"]


def shown_of(pane: LogPane) -> list[str]:
    """The row with the match one is at."""
    lines = pane.paint(80, 20)
    return ["".join(text for text, _ in spans).strip() for spans in lines if any(role == "loud" for _, role in spans)]
