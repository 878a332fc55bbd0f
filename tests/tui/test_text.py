"""Whatever text comes from outside, it is harmless, and it fits its cells."""

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from hal0.tui.lines import changed_cells, cropped, line, padded, span, spread, width_of
from hal0.tui.text import cut, cut_left, fit, harmless, to_ascii, uncoloured, wrap
from hal0.tui.transcript import LIMIT, Transcript, Wrapping

ANY_TEXT = st.text(st.characters(codec=None), max_size=200)
DANGEROUS = st.text(st.sampled_from("\x1b[]()0;1mhHJ\x07\x08\x9b\x9d\r\x00\x7f\u202e\u200d\ufe0fab 中é"), max_size=80)


@given(ANY_TEXT | DANGEROUS)
def test_no_control_no_direction_and_no_joiner_survives(text: str) -> None:
    safe = harmless(text)
    for char in safe:
        assert unicodedata.category(char) not in {"Cc", "Cs", "Zl", "Zp"}, hex(ord(char))
        assert not "\u202a" <= char <= "\u202e"
        assert not "\u2066" <= char <= "\u2069"
        assert char not in "\u200b\u200d\u200e\u200f\ufe0f\ufeff"
    safe.encode()


@given(ANY_TEXT)
def test_harmless_text_is_left_alone_the_second_time(text: str) -> None:
    assert harmless(harmless(text)) == harmless(text)


def test_an_escape_sequence_is_shown_instead_of_done() -> None:
    assert harmless("a\x1b[31mred\x07") == "a␛[31mred␇"
    assert harmless("tab\there") == "tab    here"
    assert harmless("line\r") == "line"


def test_a_tower_of_accents_is_cut_to_three() -> None:
    assert harmless("e" + "\u0301" * 50 + "x") == "e" + "\u0301" * 3 + "x"


def test_colours_of_a_log_are_dropped_whole() -> None:
    assert uncoloured("\x1b[1;31mE load\x1b[0m \x1b]0;title\x07done") == "E load done"


@given(ANY_TEXT, st.integers(0, 60))
def test_fitted_text_has_exactly_its_width(text: str, width: int) -> None:
    safe = harmless(text)
    assert cell_len(fit(safe, width)) == width
    assert cell_len(fit(safe, width, right=True)) == width
    assert cell_len(cut(safe, width)) <= width
    assert cell_len(cut_left(safe, width)) <= width


def test_a_long_line_is_broken_in_a_time_that_grows_with_it_alone() -> None:
    text = "日本語のとても長い文" * 6_000
    began = time.monotonic()
    assert "".join(wrap(text, 77)) == text
    assert time.monotonic() - began < 10  # half a second; measured as a whole for each row it would be a minute


def test_the_end_of_a_path_tells_more_than_its_beginning() -> None:
    assert cut_left("/srv/models/very/long/model.gguf", 14) == "…ng/model.gguf"


@given(ANY_TEXT)
def test_ascii_text_is_ascii_and_of_the_same_width(text: str) -> None:
    safe = harmless(text)
    assert to_ascii(safe).isascii()
    assert cell_len(to_ascii(safe)) == cell_len(safe)


@given(ANY_TEXT, st.integers(2, 40))
def test_every_piece_of_wrapped_text_fits_and_nothing_but_spaces_is_lost(text: str, width: int) -> None:
    safe = harmless(text)
    pieces = wrap(safe, width)
    assert all(cell_len(piece) <= width for piece in pieces)
    assert "".join(pieces).replace(" ", "") == safe.replace(" ", "")


def test_wrapping_keeps_words_whole_and_indents() -> None:
    assert wrap("so the reducer never sees", 10) == ["so the", "reducer", "never sees"]
    assert wrap("    return x", 20) == ["    return x"]
    assert wrap("中文字符测试", 5) == ["中文", "字符", "测试"]


WORDS = st.lists(
    st.sampled_from(["a", "word", " ", "  ", "\n", "中文", "e\u0301", "longer-than-the-pane", "\t"]), max_size=60
)


@given(WORDS, st.integers(4, 20))
def test_text_that_arrives_in_pieces_wraps_as_if_it_came_at_once(pieces: list[str], width: int) -> None:
    whole, growing = Transcript(), Transcript()
    whole.append("text", "".join(pieces))
    wrapping = Wrapping(growing, width)
    for piece in pieces:
        growing.append("text", piece)
        wrapping.update()
    expected = Wrapping(whole, width)
    expected.update()
    assert wrapping.lines == expected.lines


def test_a_new_voice_begins_on_a_new_line() -> None:
    transcript = Transcript()
    transcript.append("reasoning", "let me think")
    transcript.append("text", "\n\nYes.")
    wrapping = Wrapping(transcript, 40)
    wrapping.update()
    assert wrapping.lines == [("reasoning", "let me think"), ("text", "Yes.")]


def test_a_wrapping_follows_a_transcript_that_forgets_its_beginning() -> None:
    transcript = Transcript()
    wrapping = Wrapping(transcript, 80)
    for number in range(4000):
        transcript.append("text", f"this is line number {number}\n")
        wrapping.update()
    assert transcript.end - transcript.start <= LIMIT
    assert wrapping.lines[-2] == ("text", "this is line number 3999")
    assert "".join(text for _, text in wrapping.lines) == transcript.said("text").replace("\n", "")


SPANS = st.lists(
    st.tuples(st.sampled_from(["a", "bc", "中", " ", "de f"]), st.sampled_from(["text", "bad"])), max_size=8
)


@given(SPANS, st.integers(0, 20))
def test_lines_are_cropped_and_padded_to_the_cell(spans: list[tuple[str, str]], width: int) -> None:
    assert width_of(cropped(tuple(spans), width)) <= width
    assert width_of(padded(tuple(spans), width)) == width
    assert width_of(spread(tuple(spans), line("right"), width)) == width


@given(SPANS, SPANS)
def test_the_changed_cells_cover_every_difference(old: list[tuple[str, str]], new: list[tuple[str, str]]) -> None:
    before, after = padded(tuple(old), 30), padded(tuple(new), 30)
    start, end = changed_cells(before, after)

    def inked(spans: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
        return [(char, role) for text, role in spans for char in text for _ in range(cell_len(char))]

    left, right = inked(before), inked(after)
    for column, (was, now) in enumerate(zip(left, right, strict=True)):
        if was != now:
            assert start <= column < end


@pytest.mark.parametrize("data", ["\x1b]0;pwned\x07", "\x9b2J", "a\nb"])
def test_spans_are_harmless_however_they_are_made(data: str) -> None:
    assert span(data)[0].isprintable()
    assert line(data)[0][0].isprintable()
