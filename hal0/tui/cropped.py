"""Fewer bytes to the terminal: of a row that changed only what changed is written.

Textual knows which columns changed, but writes a row from the left edge of its widget on: it crops strips only on the
right (`ChopsUpdate.render_segments`). Here they are cropped on both sides. This knows what such an update is made of;
one that is made of something else, as another version of Textual may have it, is left as it is.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from rich.cells import cell_len, split_graphemes
from rich.console import Console
from rich.control import Control
from rich.segment import Segment
from textual.strip import Strip

KNOWN = {"chops", "spans", "chop_ends"}


def crop(update: Any) -> Any:
    """The update, which writes fewer bytes if it is one that can be cropped."""
    if getattr(update, "__dict__", {}).keys() == KNOWN and callable(getattr(update, "render_segments", None)):
        update.render_segments = partial(render, update.chops, update.spans, update.chop_ends)
    return update


def render(
    chops: Sequence[Mapping[int, Strip | None]],
    spans: Sequence[tuple[int, int, int]],
    chop_ends: Sequence[Sequence[int]],
    console: Console,
) -> str:
    """What is written for the spans (row, first column, last but one) out of strips by the column they begin at."""
    written: list[str] = []
    for y, begin, end in spans:
        for stop, (x, strip) in zip(chop_ends[y], chops[y].items(), strict=False):
            if strip is None or x >= end or stop <= begin:
                continue
            first, part = part_of(strip, max(begin - x, 0), min(stop, end) - x)
            written.append(Control.move_to(x + first, y).segment.text)
            written.append(part.render(console))
    return "".join(written)


def part_of(strip: Strip, begin: int, end: int) -> tuple[int, Strip]:
    """The cells from `begin` up to `end`, and where they begin: with the whole of any character that reaches into them.

    Not `Strip.crop`, which puts a space for half of a wide character, and parts a letter from its accent.
    """
    kept: list[Segment] = []
    first = begin
    at = 0
    for segment in strip:
        text, style = segment.text, segment.style
        if at >= end:
            break
        width = cell_len(text)
        if at + width <= begin or (at >= begin and at + width <= end):
            if at >= begin:
                kept.append(segment)
        elif text.isascii():
            kept.append(Segment(text[max(begin - at, 0) : end - at], style))
        else:
            start, stop, first_cell = _characters(text, begin - at, end - at)
            if at < begin:
                first = at + first_cell
            kept.append(Segment(text[start:stop], style))
        at += width
    return first, Strip(kept)


def _characters(text: str, begin: int, end: int) -> tuple[int, int, int]:
    """The first and the last but one of the characters with a cell in that part, and the cell of the first."""
    first, last, first_cell, at = len(text), len(text), 0, 0
    for start, _, size in split_graphemes(text)[0]:
        if at >= end:
            last = start
            break
        if at + size > begin and start < first:
            first, first_cell = start, at
        at += size
    return first, last, first_cell
