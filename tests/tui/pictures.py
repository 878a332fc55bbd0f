"""Pictures of screens: drawn as SVG from the cells, kept in snapshots/, compared as they are.

`HAL0_UPDATE_SNAPSHOTS=1 pytest tests/tui` accepts what the screens look like now; look at the pictures before you
commit them. A picture shows cells and nothing else, so it changes only when the screen does.
"""

import html
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.color import Color
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from textual.app import App

FOLDER = Path(__file__).resolve().parents[2] / "snapshots"
UPDATE = os.environ.get("HAL0_UPDATE_SNAPSHOTS") == "1"

CELL_WIDTH, CELL_HEIGHT, FONT_SIZE, BASELINE, MARGIN = 12.04, 23.28, 20, 18.56, 14
FONT = "'DejaVu Sans Mono', Menlo, 'Noto Sans Mono', monospace"  # whose boxes join at this size
# What a terminal's own sixteen colours may look like, for the ansi theme.
ANSI = TerminalTheme(
    (17, 21, 28), (211, 218, 227),
    [(17, 21, 28), (224, 108, 117), (152, 195, 121), (229, 192, 123), (97, 175, 239), (198, 120, 221), (86, 182, 194),
     (171, 178, 191)],
)  # fmt: skip


def screen_lines(app: App[Any]) -> list[str]:
    """What the terminal would show, as text."""
    return [strip.text.rstrip() for strip in app.screen._compositor.render_strips()]


def screen_text(app: App[Any]) -> str:
    return "\n".join(screen_lines(app))


def picture_of(app: App[Any]) -> str:
    """The screen as SVG."""
    columns, rows = app.size
    width, height = columns * CELL_WIDTH + 2 * MARGIN, rows * CELL_HEIGHT + 2 * MARGIN
    grounds: list[tuple[int, int, int, str]] = []  # row, first and last-but-one column, colour
    texts: list[str] = []
    classes: dict[str, str] = {}
    paper = _paper(app)
    for y, strip in enumerate(app.screen._compositor.render_strips()):
        x = 0
        for segment in strip:
            style = segment.style or Style()
            ink, ground = _colours(style)
            cells = cell_len(segment.text)
            if ground is not None and ground != paper:
                if grounds and grounds[-1][0] == y and grounds[-1][2] == x and grounds[-1][3] == ground:
                    x_before = grounds.pop()[1]
                else:
                    x_before = x
                grounds.append((y, x_before, x + cells, ground))
            rule = (
                f"fill:{ink}"
                + (";font-weight:bold" if style.bold else "")
                + (";font-style:italic" if style.italic else "")
            )
            name = classes.setdefault(rule + (";opacity:.6" if style.dim else ""), f"s{len(classes)}")
            for offset, word in _words(segment.text):
                texts.append(_text(word, x + offset, y, name))
            x += cells
    css = "".join(f".{name}{{{rule}}}" for rule, name in classes.items())
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}">',
            f"<style>text{{font-family:{FONT};font-size:{FONT_SIZE}px;white-space:pre}}{css}</style>",
            f'<rect width="100%" height="100%" rx="8" fill="{paper}"/>',
            *(_rectangle(*ground) for ground in grounds),
            *texts,
            "</svg>\n",
        ]
    )


def _rectangle(row: int, start: int, end: int, colour: str) -> str:
    size = f'width="{(end - start) * CELL_WIDTH:.2f}" height="{CELL_HEIGHT:.2f}"'
    return f'<rect x="{_x(start)}" y="{_y(row)}" {size} fill="{colour}"/>'


def _paper(app: App[Any]) -> str:
    background = app.theme_variables.get("background", "")
    return (
        background.lower() if background.startswith("#") else Color.default().get_truecolor(ANSI, foreground=False).hex
    )


def _colours(style: Style) -> tuple[str, str | None]:
    ink = (style.color or Color.default()).get_truecolor(ANSI, foreground=True).hex
    ground = style.bgcolor.get_truecolor(ANSI, foreground=False).hex if style.bgcolor else None
    if style.reverse:
        return ground or Color.default().get_truecolor(ANSI, foreground=False).hex, ink
    return ink, ground


def _words(text: str) -> Iterator[tuple[int, str]]:
    for match in re.finditer(r"[^ ]+", text):
        yield cell_len(text[: match.start()]), match[0]


def _text(word: str, column: int, row: int, name: str) -> str:
    """One word; with a place for every character where fonts may differ in width."""
    regular = all(char.isascii() or "\u2500" <= char <= "\u259f" for char in word)
    if regular:
        x = f'x="{_x(column)}"' + (f' textLength="{len(word) * CELL_WIDTH:.2f}"' if len(word) > 3 else "")
    else:
        x = 'x="' + " ".join(_x(column + cell_len(word[:index])) for index in range(len(word))) + '"'
    return f'<text {x} y="{_y(row, BASELINE)}" class="{name}">{html.escape(word)}</text>'


def _x(column: int) -> str:
    return f"{MARGIN + column * CELL_WIDTH:.2f}"


def _y(row: int, down: float = 0.0) -> str:
    return f"{MARGIN + row * CELL_HEIGHT + down:.2f}"


def assert_picture(app: App[Any], name: str) -> None:
    """The screen looks as it does in snapshots/NAME.svg."""
    svg = picture_of(app)
    path = FOLDER / f"{name}.svg"
    if UPDATE:
        path.write_text(svg)
        return
    assert path.exists(), f"there is no {path.name}: HAL0_UPDATE_SNAPSHOTS=1 makes it; look at it before you commit it"
    then = path.read_text()
    if svg != then:
        changed = sorted(set(svg.splitlines()) ^ set(then.splitlines()))
        message = f"{path.name} shows another picture (HAL0_UPDATE_SNAPSHOTS=1 accepts it):\n{screen_text(app)}\n"
        raise AssertionError(message + "\n".join(changed[:20]))
