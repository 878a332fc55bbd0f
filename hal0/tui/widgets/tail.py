"""The base of panes whose content grows at its end: they follow it until someone scrolls up."""

from collections.abc import Sequence
from typing import ClassVar, TypeVar

from textual.events import MouseScrollDown, MouseScrollUp

from hal0.tui.lines import Line, span
from hal0.tui.messages import Touched
from hal0.tui.store import Topic
from hal0.tui.view import View
from hal0.tui.widgets.pane import Pane

Row = TypeVar("Row")


class Tail(Pane):
    """A subclass has its rows cut by `window`, and tells `grew` of new ones before that."""

    MARKS: ClassVar[Topic] = "notice"  # what scrolling touches
    can_focus = True

    def __init__(self, view: View, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(view, id=id, classes=classes)
        self.follows = True
        self._below = 0  # rows between the last one shown and the last one of all, while it does not follow
        self._last_top = 0  # the first row shown at the end

    def to_end(self) -> None:
        self.follows, self._below = True, 0

    def spot(self) -> tuple[int, bool]:
        """The first row shown, and whether it follows."""
        return self._last_top - self._below, self.follows

    def stand(self, top: int, follows: bool = False) -> None:
        """Show the rows from there on."""
        self.follows = follows
        self._below = 0 if follows else max(0, min(self._last_top - top, self._last_top))

    def grew(self, rows: int) -> None:
        """Rows were added at the end: what someone reads stays where it is."""
        if not self.follows:
            self._below += rows

    def window(self, rows: Sequence[Row], room: int) -> Sequence[Row]:
        """The rows that are shown."""
        self.measure(rows, room)
        end = len(rows) - self._below
        return rows[max(0, end - room) : end]

    def measure(self, rows: Sequence[Row], room: int) -> None:
        """How many rows there are now, and how many are shown."""
        self._last_top = max(0, len(rows) - room)
        self._below = 0 if self.follows else min(self._below, self._last_top)

    def place(self) -> Line:
        """Where one is, for the frame."""
        return (span("follows", "muted"),) if self.follows else (span(f"{self._below} rows below", "warn"),)

    def scroll_lines(self, by: int) -> None:
        self._below = max(0, min(self._below - by, self._last_top))
        self.follows = self._below == 0 and (by > 0 or not self._last_top)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        self._wheel(3)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        self._wheel(-3)

    def _wheel(self, by: int) -> None:
        self.scroll_lines(by)
        self.view.store.mark(self.MARKS)
        self.post_message(Touched())
