"""A page over the home screen: the truth, a breadcrumb, something to read, the keys."""

from collections.abc import Callable

from textual.app import ComposeResult

from hal0.tui.lines import Line, line, span
from hal0.tui.screens.base import ScrollingScreen
from hal0.tui.store import ALL_TOPICS
from hal0.tui.view import View
from hal0.tui.widgets.footer import Footer
from hal0.tui.widgets.pane import Pane
from hal0.tui.widgets.reader import Reader
from hal0.tui.widgets.truth import Truth


class Crumb(Pane):
    """Where the page is, and how far one has read."""

    TOPICS = ALL_TOPICS
    FADES = False

    def __init__(self, view: View, trail: Callable[[], list[str]], read: Callable[[], str] = str) -> None:
        super().__init__(view, id="crumb")
        self._trail = trail
        self._read = read

    def paint(self, width: int, height: int) -> list[Line]:
        into = f" {self.look.glyphs.into} "
        place = self._read()
        right = line(span(f"{place}   " if place else "", "muted"), span("esc", "key"), span(" back", "muted"))
        return [self.look.glyphs.plain.rule(width, line(span(into.join(self._trail()))), right)]


class Page(ScrollingScreen):
    """A screen with a reader; a subclass writes the lines and names the way to them."""

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self.reader = Reader(view, self.write)

    def write(self, width: int) -> list[Line]:
        raise NotImplementedError

    def trail(self) -> list[str]:
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        yield Truth(self.view, id="truth")
        yield Crumb(self.view, self.trail, lambda: self.reader.place)
        yield self.reader
        yield Footer(self.view, self.offered)

    def on_mount(self) -> None:
        self.reader.focus()

    @property
    def scrolled(self) -> Pane:
        return self.reader

    def mark_scrolled(self) -> None:
        self.store.mark("notice")  # every page repaints on any topic; this is the one without meaning here
