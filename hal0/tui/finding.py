"""Where a word stands in text that was broken into rows. Pure.

Capital letters do not count. A match may go over the end of a row that was broken to fit: the text has no break there.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import combining

Place = tuple[int, int, int]  # a row, the first character in it, the last but one


@dataclass(frozen=True, slots=True)
class Match:
    """One place of the word; in parts where it goes over rows."""

    parts: tuple[Place, ...]

    @property
    def row(self) -> int:
        return self.parts[0][0]

    def moved(self, rows: int) -> "Match":
        return Match(tuple((row + rows, begin, end) for row, begin, end in self.parts))


def find(word: str, rows: Sequence[str], joints: Sequence[str]) -> list[Match]:
    """Every match, from top to bottom; `joints` stand between each row and the one before."""
    if not word:
        return []
    wanted = re.compile(re.escape(word), re.IGNORECASE)
    found: list[Match] = []
    for first, last in _whole_lines(joints):
        text, starts = rows[first], [0]
        for row in range(first + 1, last):
            text += joints[row]
            starts.append(len(text))
            text += rows[row]
        for match in wanted.finditer(text):
            parts, match_end = [], match.end()
            while combining(text[match_end : match_end + 1] or " "):  # a letter is marked with its accents
                match_end += 1
            for row, start in enumerate(starts, first):
                begin, end = max(match.start() - start, 0), min(match_end - start, len(rows[row]))
                if begin < end:
                    parts.append((row, begin, end))
            if parts:
                found.append(Match(tuple(parts)))
    return found


def _whole_lines(joints: Sequence[str]) -> list[tuple[int, int]]:
    """The rows of each line: the first, and the last but one."""
    begins = [row for row, joint in enumerate(joints) if row == 0 or joint == "\n"]
    return list(zip(begins, [*begins[1:], len(joints)], strict=False))


class Search:
    """A word that is looked for in rows, and which of its matches one is at."""

    def __init__(self) -> None:
        self.word = ""
        self.matches: list[Match] = []
        self._at = 0
        self._marks: dict[int, list[tuple[int, int, bool]]] = {}

    def begin(self, word: str, rows: Sequence[str], joints: Sequence[str], *, from_row: int) -> None:
        """Look for another word, and go to its first match from a row on, else to the first of all."""
        self.word = word
        self.matches = find(word, rows, joints)
        self._at = next((number for number, match in enumerate(self.matches) if match.parts[-1][0] >= from_row), 0)
        self._mark()

    def renew(self, rows: Sequence[str], joints: Sequence[str]) -> None:
        """There is more text, or it is broken into other rows."""
        self.matches = find(self.word, rows, joints)
        self._at = max(0, min(self._at, len(self.matches) - 1))
        self._mark()

    def grow(self, rows: Sequence[str], joints: Sequence[str], *, first: int) -> None:
        """Whole lines were added, whose rows are counted from `first` on."""
        for match in find(self.word, rows, joints):
            self.matches.append(match.moved(first))
            self._mark_one(len(self.matches) - 1)

    def forget(self, rows: int) -> None:
        """So many of the first rows are gone."""
        kept = [match for match in self.matches if match.row >= rows]
        self._at = max(0, self._at - (len(self.matches) - len(kept)))
        self.matches = [match.moved(-rows) for match in kept]
        self._mark()

    def step(self, by: int) -> None:
        """To another match; after the last comes the first."""
        if self.matches:
            self._at = (self._at + by) % len(self.matches)
            self._mark()

    @property
    def current(self) -> Match | None:
        return self.matches[self._at] if self.matches else None

    @property
    def count(self) -> str:
        """Which match of how many."""
        return f"{self._at + 1}/{len(self.matches)}" if self.matches else "not found"

    def pieces(self, row: int, text: str) -> list[tuple[str, bool | None]]:
        """The row cut at its matches: None is plain text, True the match one is at, False another one."""
        cut: list[tuple[str, bool | None]] = []
        at = 0
        for begin, end, is_current in self._marks.get(row, ()):
            cut += [(text[at:begin], None), (text[begin:end], is_current)]
            at = end
        return [(piece, kind) for piece, kind in [*cut, (text[at:], None)] if piece or kind is not None]

    def _mark(self) -> None:
        self._marks = {}
        for number in range(len(self.matches)):
            self._mark_one(number)

    def _mark_one(self, number: int) -> None:
        for row, begin, end in self.matches[number].parts:
            self._marks.setdefault(row, []).append((begin, end, number == self._at))
