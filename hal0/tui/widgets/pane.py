"""The base of everything that moves: lines in, changed cells out.

A pane paints its lines as values. `flush` compares them with what is on the screen and asks Textual to draw only the
cells that differ; `render_line` hands out strips that were made once. No pane has a timer of its own.
"""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import ClassVar

from rich.segment import Segment
from textual.events import Blur, Focus, Resize
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from hal0.tui.lines import Frame, Line, changed_cells, padded, width_of
from hal0.tui.look import Look
from hal0.tui.store import Topic
from hal0.tui.text import harmless, to_ascii
from hal0.tui.view import View


class Pane(Widget):
    """A rectangle of painted lines."""

    TOPICS: ClassVar[AbstractSet[Topic]] = frozenset()
    ALLOW_SELECT = False
    FADES = True  # while the daemon is away what is shown is old: draw it faintly

    def __init__(self, view: View, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.view = view
        self.boxed = False
        self._lines: list[Line] = []
        self._strips: list[Strip | None] = []
        self._faded = False
        self.longest = 0  # cells of the longest line shown, of panes that cut lines

    @property
    def look(self) -> Look:
        return self.view.look

    @property
    def frame(self) -> Frame:
        return self.look.glyphs.focused if self.has_focus else self.look.glyphs.plain

    @property
    def frame_role(self) -> str:
        return "focus" if self.has_focus else "rule"

    @property
    def fades(self) -> bool:
        """Whether what it shows is old now."""
        return self.FADES and self.view.store.link.phase == "lost"

    def paint(self, width: int, height: int) -> list[Line]:
        """What the pane shows; at most `height` lines of at most `width` cells."""
        raise NotImplementedError

    def flush(self, dirty: AbstractSet[Topic]) -> None:
        stale = self._faded and self.fades
        if self.TOPICS & dirty and not stale:
            self.repaint()

    def repaint(self) -> None:
        """Paint the lines and have the cells that changed drawn."""
        width, height = self.size
        if not (width and height and self.display):
            return
        faded = self.fades
        old = self._lines
        new = [padded(line, width) for line in self.paint(width, height)[:height]]
        new.extend([((" " * width, "text"),)] * (height - len(new)))
        self._lines = new
        if len(old) != len(new) or faded != self._faded or (old and width_of(old[0]) != width):
            self._faded = faded
            self._strips = [None] * height
            self.refresh()
            return
        changed = []
        for y, (before, after) in enumerate(zip(old, new, strict=True)):
            if before != after:
                start, end = changed_cells(before, after)
                self._strips[y] = None
                changed.append(Region(start, y, max(1, end - start), 1))
        if changed:
            self.refresh(*changed)

    def redraw(self) -> None:
        """Paint and draw every cell again."""
        self._lines = []
        self.repaint()

    def render_line(self, y: int) -> Strip:
        if y >= len(self._lines):
            return Strip.blank(self.size.width)
        strip = self._strips[y]
        if strip is None:
            strip = self._strips[y] = self._strip(self._lines[y])
        return strip

    def _strip(self, line: Line) -> Strip:
        look = self.look
        segments: list[Segment] = []
        for text, role in line:
            safe = harmless(text)  # the painters did this before they measured; nothing gets past it here
            if look.glyphs.ascii:
                safe = to_ascii(safe)
            style = look.faded if self._faded else look.styles[role]
            if segments and segments[-1].style is style:  # one change of style costs twenty bytes
                segments[-1] = Segment(segments[-1].text + safe, style)
            else:
                segments.append(Segment(safe, style))
        return Strip(segments)

    def on_resize(self, event: Resize) -> None:
        self.repaint()

    def on_focus(self, event: Focus) -> None:
        self.repaint()

    def on_blur(self, event: Blur) -> None:
        self.repaint()

    def goals(self) -> list[tuple[int, Callable[[], object]]]:
        """Where a jump can lead: lines, and what goes there."""
        return [(0, self.focus)] if self.can_focus else []

    # What the movement keys do; a pane that does not scroll ignores them because its place has no such keys.
    def scroll_lines(self, by: int) -> None:
        """Move by so many lines; a large number goes to the end."""

    @property
    def page(self) -> int:
        return max(1, self.size.height - 4)
