"""Lines as values: what a pane shows, before it is a Textual strip.

A line is a tuple of spans, a span is text and the role it plays (`hal0.tui.look` gives roles their styles). Painters
return lines, so they can be tested, compared and printed without a terminal.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.cells import split_graphemes

from hal0.tui.text import cells, cut, harmless, head

Span = tuple[str, str]
Line = tuple[Span, ...]

EMPTY: Line = ()


def span(text: object, role: str = "text") -> Span:
    return (harmless(str(text)), role)


def line(*parts: Span | str) -> Line:
    return tuple((harmless(part), "text") if isinstance(part, str) else part for part in parts)


def width_of(spans: Line) -> int:
    return sum(cells(text) for text, _ in spans)


def cropped(spans: Line, width: int, ellipsis: str = "") -> Line:
    """The line in at most `width` cells."""
    if width_of(spans) <= width:
        return spans
    kept: list[Span] = []
    left = width
    for text, role in spans:
        size = cells(text)
        if size > left or (size == left and spans[-1] is not (text, role)):
            kept.append((cut(text + " ", left, ellipsis), role))  # as more comes behind it
            break
        kept.append((text, role))
        left -= size
    return tuple(kept)


def shifted(spans: Line, by: int, width: int, ellipsis: str) -> Line:
    """What is seen of a line in `width` cells if so many are out of sight on its left; its end may be cut off too."""
    seen: list[Span] = []
    for text, role in spans:
        size = cells(text)
        if by >= size:
            by -= size
            continue
        if by:
            gone = head(text, by)
            text, by = text[len(gone) :], by - cells(gone)
            if by:  # half of a wide character is out of sight, so none of it is seen
                first = split_graphemes(text)[0][0]
                text, by = " " * (first[2] - by) + text[first[1] :], 0
        seen.append((text, role))
    return cropped(tuple(seen), width, ellipsis)


def padded(spans: Line, width: int, role: str = "text") -> Line:
    """The line in exactly `width` cells."""
    spans = cropped(spans, width)
    missing = width - width_of(spans)
    return (*spans, (" " * missing, role)) if missing > 0 else spans


def spread(left: Line, right: Line, width: int, *, fill: str = " ", role: str = "text") -> Line:
    """Left part, filling, right part in exactly `width` cells; the left part gives way."""
    right = cropped(right, width)
    left = cropped(left, width - width_of(right))
    gap = width - width_of(left) - width_of(right)
    return (*left, (fill * gap, role), *right) if gap > 0 else (*left, *right)


def changed_cells(old: Line, new: Line) -> tuple[int, int]:
    """The first and the last-but-one column in which two lines of the same width differ."""
    start = 0
    for before, after in zip(old, new, strict=False):
        if before != after:
            break
        start += cells(before[0])
    end = max(width_of(old), width_of(new))
    if width_of(old) == width_of(new):
        for before, after in zip(reversed(old), reversed(new), strict=False):
            if before != after:
                break
            end -= cells(before[0])
    return start, max(start, end)


@dataclass(frozen=True, slots=True)
class Frame:
    """How panes are set apart: a rule above them where rows are dear, a box where there is room."""

    horizontal: str
    vertical: str
    corners: str  # top left, top right, bottom left, bottom right

    def rule(self, width: int, left: Line = (), right: Line = (), role: str = "rule") -> Line:
        edge = (self.horizontal, role)
        return spread(
            (edge, *_spaced(left)) if left else (edge,),
            (*_spaced(right), edge) if right else (),
            width,
            fill=self.horizontal,
            role=role,
        )

    def box(
        self,
        body: Iterable[Line],
        width: int,
        *,
        top: tuple[Line, Line] = ((), ()),
        bottom: tuple[Line, Line] = ((), ()),
        role: str = "rule",
    ) -> list[Line]:
        """A box of exactly `width` cells around lines that are cropped or padded to fit."""
        side = (self.vertical, role)
        inner = width - 2

        def edge(corners: str, left: Line, right: Line) -> Line:
            return ((corners[0], role), *self.rule(inner, left, right, role), (corners[1], role))

        return [
            edge(self.corners[:2], *top),
            *(((side), *padded(spans, inner), side) for spans in body),
            edge(self.corners[2:], *bottom),
        ]


def _spaced(spans: Line) -> Line:
    return ((" ", "text"), *spans, (" ", "text"))


def columns(parts: Sequence[Line], widths: Sequence[int], gap: int = 2) -> Line:
    """Lines side by side."""
    joined: list[Span] = []
    for index, (part, width) in enumerate(zip(parts, widths, strict=True)):
        if index:
            joined.append((" " * gap, "text"))
        joined.extend(padded(part, width))
    return tuple(joined)
