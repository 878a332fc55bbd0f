"""The cells of a terminal, as far as frames of the dashboard write them: places, styles, text of one or two cells."""

import re

from rich.cells import split_graphemes

SEQUENCE = re.compile(r"\x1b\[([0-9;]*)([A-Za-z])")


class Cells:
    """`at[y][x]` is what is drawn there and the style it has; the right half of a wide character is empty."""

    def __init__(self, columns: int, rows: int) -> None:
        self.at = [[(" ", "")] * columns for _ in range(rows)]
        self._x = self._y = 0
        self._style = ""

    def write(self, data: str) -> None:
        position = 0
        for sequence in SEQUENCE.finditer(data):
            self._draw(data[position : sequence.start()])
            position = sequence.end()
            if sequence[2] == "H":
                self._y, self._x = (int(number or 1) - 1 for number in (sequence[1] or "1;1").split(";"))
            elif sequence[2] == "m":
                self._style = "" if sequence[1] in ("", "0") else self._style + ";" + sequence[1]
            else:
                raise AssertionError(f"a frame writes {sequence[0]!r}")
        self._draw(data[position:])

    def _draw(self, text: str) -> None:
        for number, line in enumerate(text.split("\n")):
            if number:
                self._x, self._y = 0, self._y + 1
            for start, end, size in split_graphemes(line)[0]:
                self._put(line[start:end], size)

    def _put(self, character: str, size: int) -> None:
        row = self.at[self._y]
        for x in range(self._x, self._x + size):  # a wide character of which a half is drawn over is gone
            if row[x][0] == "" and x == self._x:
                row[x - 1] = (" ", row[x - 1][1])
            if x + 1 < len(row) and row[x + 1][0] == "" and x == self._x + size - 1:
                row[x + 1] = (" ", row[x + 1][1])
        row[self._x] = (character, self._style)
        if size == 2:
            row[self._x + 1] = ("", self._style)
        self._x += size
