"""How a text is cut into the pieces in which it is spoken."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal0.backends.sentences import LONGEST_CHARACTERS, sentences

CASES = {
    "one": ("Hello from hal0.", ["Hello from hal0."]),
    "without a mark": ("Hello from hal0", ["Hello from hal0"]),
    "several": ("One. Two! Three? Four… Five", ["One.", "Two!", "Three?", "Four…", "Five"]),
    "marks in a row": ("Really?! Yes... no.", ["Really?!", "Yes...", "no."]),
    "quotes close after it": ("“Go.” He went. (So she says.) End.", ["“Go.”", "He went.", "(So she says.)", "End."]),
    "numbers and names": ("Pi is 3.14 in hal0.toml. Yes.", ["Pi is 3.14 in hal0.toml.", "Yes."]),
    "titles": ("Dr. Bowman and Mr. Poole left. Hal stayed.", ["Dr. Bowman and Mr. Poole left.", "Hal stayed."]),
    "initials": ("A. C. Clarke wrote it. I read it.", ["A. C. Clarke wrote it.", "I read it."]),
    "i.e.": ("Small ones, e.g. this one, work.", ["Small ones, e.g. this one, work."]),
    "lines": ("A title\n\nA text.\nMore of it", ["A title", "A text.", "More of it"]),
    "a list": ("1. Start it.\n2. Ask it.", ["1. Start it.", "2. Ask it."]),
    "wide marks": ("你好。再见！好", ["你好。", "再见！", "好"]),
    "white space": (" \n\t ", []),
    "nothing": ("", []),
}


@pytest.mark.parametrize("case", CASES)
def test_a_text_is_cut_at_the_ends_of_its_sentences(case: str) -> None:
    text, pieces = CASES[case]
    assert sentences(text) == pieces


def test_a_long_sentence_is_cut_at_a_clause_then_between_words_then_anywhere() -> None:
    clause = "word " * 30 + "end, "
    assert sentences(clause * 4) == [(clause * 1).strip()] * 4
    words = sentences("word " * 200)
    assert len(words) > 1
    assert all(piece.split() == ["word"] * len(piece.split()) for piece in words)
    assert [len(piece) for piece in sentences("x" * 700)] == [300, 300, 100]


@given(st.text(alphabet=st.sampled_from('ab .!?…,\n"。\u00a0A1'), max_size=900))
def test_nothing_is_lost_but_white_space_and_no_piece_is_too_long(text: str) -> None:
    pieces = sentences(text)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(0 < len(piece) <= LONGEST_CHARACTERS for piece in pieces)


@pytest.mark.parametrize(
    "part", ["A sentence of some words. ", "A. ", "x", " ", "1. ", "a, ", "e.g. ", "\n", "'", ".'", "...."]
)
def test_no_text_takes_long_to_cut(part: str) -> None:
    text = part * (200_000 // len(part))
    began = time.process_time()
    sentences(text)
    assert time.process_time() - began < 4  # it takes a tenth; what is quadratic takes minutes
