"""What commands print: rich tables on a terminal, plain aligned text into a pipe, JSON for programs.

Text from models, logs and backends is made harmless before it reaches a terminal. Failures go to stderr with their
code.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TextIO

from hal0.errors import Hal0Error


@dataclass(frozen=True, slots=True)
class Cell:
    """Text with a rich style."""

    text: str
    style: str = ""


def is_terminal(stream: TextIO | None = None) -> bool:
    return (stream or sys.stdout).isatty()


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_answer(body: bytes) -> None:
    """The daemon's own JSON, with every field it sent, also those this version does not know."""
    print_json(json.loads(body))


def clean(text: str, stream: TextIO | None = None) -> str:
    """Text from elsewhere, line by line harmless, if it goes to a terminal."""
    if not is_terminal(stream) or (text.isascii() and text.isprintable()):
        return text
    from hal0.tui.text import harmless, uncoloured

    return "\n".join(harmless(uncoloured(line)) for line in text.split("\n"))


def say(*parts: Cell | str) -> None:
    """One line."""
    cells = [part if isinstance(part, Cell) else Cell(part) for part in parts]
    if not is_terminal():
        print("".join(cell.text for cell in cells).rstrip())
        return
    from rich.text import Text

    _console().print(Text.assemble(*((clean(cell.text), cell.style) for cell in cells)), soft_wrap=True)


def heading(text: str) -> None:
    print()
    say(Cell(text, "bold"))


def table(
    headers: Sequence[str],
    rows: Iterable[Sequence[Cell | str]],
    *,
    right: frozenset[str] = frozenset(),
    whole: frozenset[str] = frozenset(),
) -> None:
    """Columns; those in `right` are aligned at their right edge, those in `whole` are shown whole at any width.

    Only the last one goes on over several lines, at words; others are cut where a terminal is too narrow for all.
    Columns with nothing in them are left out.
    """
    lines = [[part if isinstance(part, Cell) else Cell(part) for part in row] for row in rows]
    filled = [index for index in range(len(headers)) if any(line[index].text for line in lines)]
    headers = [headers[index] for index in filled]
    lines = [[line[index] for index in filled] for line in lines]
    if not is_terminal():
        texts = [list(headers), *([cell.text for cell in line] for line in lines)]
        widths = [max(len(text) for text in column) for column in zip(*texts, strict=True)]
        for text_row in texts:
            parts = (
                text.rjust(width) if header in right else text.ljust(width)
                for text, width, header in zip(text_row, widths, headers, strict=True)
            )
            print("  ".join(parts).rstrip())
        return
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for number, header in enumerate(headers):
        justify: Literal["left", "right"] = "right" if header in right else "left"
        is_last = number == len(headers) - 1 and header not in whole
        least = max((len(line[number].text) for line in lines), default=0) if header in whole else None
        grid.add_column(
            header, justify=justify, overflow="fold" if is_last else "ellipsis", no_wrap=not is_last, min_width=least
        )
    for line in lines:
        grid.add_row(*(Text(clean(cell.text), cell.style) for cell in line))
    _console().print(grid)


def facts(pairs: Iterable[tuple[str, Cell | str]]) -> None:
    """Labels and values, a line each."""
    rows = [(label, value if isinstance(value, Cell) else Cell(value)) for label, value in pairs]
    width = max((len(label) for label, _ in rows), default=0)
    for label, value in rows:
        say(Cell(label.ljust(width + 2), "dim"), value)


class Progress:
    """One line on stderr that is rewritten while something goes on; nothing at all when nobody watches."""

    def __init__(self) -> None:
        self._live = is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb"

    def show(self, text: str) -> None:
        if self._live:
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r\x1b[K{clean(text, sys.stderr)[:width]}")
            sys.stderr.flush()

    def clear(self) -> None:
        self.show("")


def report(error: Hal0Error, *, as_json: bool = False) -> None:
    """A failure on stderr: the envelope for programs; code, sentence and next step for people."""
    if as_json:
        sys.stderr.write(json.dumps(error.envelope(), default=str) + "\n")
        return
    text = clean(f"error: {error.code}: {error.message}\n→ {error.remedy}", sys.stderr)
    first, _, rest = text.partition("\n")
    if is_terminal(sys.stderr) and "NO_COLOR" not in os.environ:
        first = first.replace(f"error: {error.code}:", f"\x1b[31merror:\x1b[0m \x1b[1m{error.code}:\x1b[0m", 1)
    sys.stderr.write(f"{first}\n{rest}\n")


def warn(error: Hal0Error) -> None:
    """What will keep something from working that was done as it was asked for; on stderr."""
    text = clean(f"warning: {error.code}: {error.message}\n→ {error.remedy}", sys.stderr)
    if is_terminal(sys.stderr) and "NO_COLOR" not in os.environ:
        text = text.replace("warning:", "\x1b[33mwarning:\x1b[0m", 1)
    sys.stderr.write(f"{text}\n")


def _console() -> Any:
    from rich.console import Console

    return Console(highlight=False)
