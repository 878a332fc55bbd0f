"""The base of panes that are lists: one row is selected, and always on the screen.

Rows are known by their keys. Who moves stays with a row, whatever comes before it; else the first one is selected.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

from textual.events import Click, MouseScrollDown, MouseScrollUp

from hal0.tui.lines import Line, Span, line, padded, span
from hal0.tui.messages import Touched
from hal0.tui.store import Topic
from hal0.tui.view import View
from hal0.tui.widgets.pane import Pane

GUTTER = 4  # a space, the marker, the glyph, a space
GAP = 1
CHROME = 2  # rows of the rule and the header


class Listing(Pane):
    """A subclass tells the rows and draws them, and names title and header."""

    MARKS: ClassVar[Topic] = "notice"  # what the selection's moving touches
    can_focus = True

    def __init__(self, view: View, *, id: str | None = None) -> None:
        super().__init__(view, id=id)
        self._selected = ""
        self._top = 0

    def rows(self) -> Mapping[str, Any]:
        """What the rows are of, by key, in the order they are shown."""
        raise NotImplementedError

    def row(self, item: Any, width: int, *, selected: bool) -> Line:
        raise NotImplementedError

    def title(self, count: int) -> Line:
        raise NotImplementedError

    def header(self, width: int) -> Line:
        raise NotImplementedError

    def nothing(self) -> str:
        """What stands there instead of rows."""
        raise NotImplementedError

    def remark(self) -> Line:
        """On the right of the title."""
        return line(span("newest", "muted")) if self.follows else ()

    @property
    def current(self) -> str:
        """The key of the selected row; empty if there is none."""
        rows = self.rows()
        return self._selected if self._selected in rows else next(iter(rows), "")

    @property
    def follows(self) -> bool:
        """Whether the first is selected, whichever that is."""
        return self._selected not in self.rows()

    def follow(self) -> None:
        self._selected = ""

    def select(self, key: str) -> None:
        self._selected = key

    def row_start(self, glyph: str, role: str, *, selected: bool) -> list[Span]:
        """What a row begins with."""
        return [span(" "), span(self.look.glyphs.marker if selected else " ", "focus"), span(glyph, role), span(" ")]

    def paint(self, width: int, height: int) -> list[Line]:
        items = self.rows()
        keys = list(items)
        rows = max(1, height - CHROME)
        at = keys.index(self._selected) if self._selected in items else 0
        self._top = max(0, min(self._top, at, len(keys) - rows))
        self._top = max(self._top, at - rows + 1)
        right: list[Span] = list(self.remark())
        if len(keys) > rows:
            right.append(span(f"{'  ' if right else ''}{self._top + 1}-{self._top + rows} of {len(keys)}", "muted"))
        lines = [self.frame.rule(width, self.title(len(keys)), tuple(right), self.frame_role), self.header(width)]
        for number, key in enumerate(keys[self._top : self._top + rows], self._top):
            spans = self.row(items[key], width, selected=number == at)
            if number == at and self.has_focus:
                spans = padded(tuple((text, "selected") for text, _ in spans), width, "selected")
            lines.append(spans)
        if not keys:
            lines.append(line(span(" " * GUTTER + self.nothing() if self.view.store.loaded else "", "muted")))
        return lines

    def goals(self) -> list[tuple[int, Callable[[], object]]]:
        """Each row that is shown."""
        keys = list(self.rows())[self._top : self._top + max(0, self.size.height - CHROME)]
        return [(CHROME + number, partial(self._jump_to, key)) for number, key in enumerate(keys)]

    def _jump_to(self, key: str) -> None:
        self.focus()
        self._selected = key
        self._touched()

    @property
    def page(self) -> int:
        return max(1, self.size.height - CHROME)

    def scroll_lines(self, by: int) -> None:
        keys = list(self.rows())
        if keys:
            at = keys.index(self._selected) if self._selected in keys else 0
            self._selected = keys[min(max(at + by, 0), len(keys) - 1)]
            if at + by < 0 or (by < 0 and self._selected == keys[0]):
                self.follow()

    def on_click(self, event: Click) -> None:
        """A click selects a row."""
        index = self._top + event.y - CHROME
        keys = list(self.rows())
        if event.y >= CHROME and index < len(keys):
            self._selected = keys[index]
            self._touched()

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        self.scroll_lines(1)
        self._touched()

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        self.scroll_lines(-1)
        self._touched()

    def _touched(self) -> None:
        self.view.store.mark(self.MARKS)
        self.post_message(Touched())
