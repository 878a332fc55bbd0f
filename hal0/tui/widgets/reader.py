"""A page to read: lines longer than the screen, scrolled by keys and wheel."""

from collections.abc import Callable
from typing import ClassVar

from textual.events import MouseScrollDown, MouseScrollUp

from hal0.tui.lines import Line
from hal0.tui.messages import Touched
from hal0.tui.store import ALL_TOPICS
from hal0.tui.view import View
from hal0.tui.widgets.pane import Pane


class Reader(Pane):
    """Shows what `write(width)` returns."""

    TOPICS: ClassVar = ALL_TOPICS
    FADES = False
    can_focus = True

    def __init__(self, view: View, write: Callable[[int], list[Line]]) -> None:
        super().__init__(view, id="reader")
        self._write = write
        self._top = 0
        self._total = 0

    def paint(self, width: int, height: int) -> list[Line]:
        lines = self._write(width)
        self._total = len(lines)
        self._top = max(0, min(self._top, self._total - height))
        return lines[self._top : self._top + height]

    @property
    def page(self) -> int:
        return max(1, self.size.height - 2)

    @property
    def place(self) -> str:
        """Which part is shown, if it is not the whole."""
        height = self.size.height
        if self._total <= height:
            return ""
        return f"{self._top + 1}-{min(self._total, self._top + height)} of {self._total}"

    def scroll_lines(self, by: int) -> None:
        self._top = max(0, min(self._top + by, self._total - self.size.height))

    def reveal(self, place: range) -> None:
        """Scroll as little as shows these lines, and at least the first of them."""
        self._total = max(self._total, place.stop)
        self._top = max(0, min(max(self._top, place.stop - self.size.height), place.start))

    def to_top(self) -> None:
        self._top = 0

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        self.scroll_lines(3)
        self.post_message(Touched())

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        self.scroll_lines(-3)
        self.post_message(Touched())
