"""The list of hosts, `h`: where the dashboard may go, and a line to type an address that is not in it."""

from collections.abc import Set
from typing import ClassVar

from textual.app import ComposeResult
from textual.widgets import Input

from hal0.errors import Hal0Error
from hal0.tui import figures
from hal0.tui.hosts import HostEntry, narrowed
from hal0.tui.keymap import Need
from hal0.tui.lines import Line, line, span
from hal0.tui.screens.base import KeyedModal, ScrollingScreen, bindings
from hal0.tui.store import ALL_TOPICS, Topic
from hal0.tui.text import fit, wrap
from hal0.tui.view import View
from hal0.tui.widgets.footer import Footer
from hal0.tui.widgets.pane import Pane
from hal0.tui.widgets.typed import TypedLine

WIDEST = 76
ROWS = 10
NOTE_CELLS = 12
ROOM_FOR_NOTES = 50  # cells of a row


class Hosts(Pane):
    """The list, in a box; below it what came of the last try."""

    TOPICS: ClassVar = ALL_TOPICS
    FADES = False

    def __init__(self, view: View, entries: list[HostEntry], present: HostEntry) -> None:
        super().__init__(view, id="hosts")
        self._entries, self._present = entries, present
        self._typed = ""
        self._at = 0
        self.trying: HostEntry | None = None
        self.refused: tuple[HostEntry, Hal0Error] | None = None  # who did not answer, and why

    @property
    def shown(self) -> list[HostEntry]:
        return list(narrowed(self._entries, self._typed))

    @property
    def chosen(self) -> HostEntry | None:
        shown = self.shown
        return shown[min(self._at, len(shown) - 1)] if shown else None

    def narrow(self, typed: str) -> None:
        self._typed, self._at = typed, 0

    def drop(self, entry: HostEntry) -> None:
        self._entries.remove(entry)
        self.scroll_lines(0)

    def write(self, width: int, rows: int) -> list[Line]:
        """The box, as high as its list or as there is room."""
        told = [line(" ", span(text, role)) for text, role in self._told(width - 4)]
        room = max(1, min(ROWS, rows - 2 - len(told)))
        shown = self.shown
        at = min(self._at, len(shown) - 1)
        top = max(0, min(at - room // 2, len(shown) - room))
        nothing = line(" ", span("nothing is called so, and it is no address", "muted"))
        body = (
            [nothing]
            if not shown
            else [
                self._row(shown[number], width - 2, number == at) for number in range(top, min(top + room, len(shown)))
            ]
        )
        title = line(span("go to another host", "title"))
        return self.look.glyphs.plain.box([*body, *told], width, top=(title, ()), role="focus")

    def _told(self, width: int) -> list[tuple[str, str]]:
        """What is under way, or why the last try failed and what Enter does now."""
        if self.trying is not None:
            return [("", "text"), (f"asking {self.trying.title}{self.look.glyphs.ellipsis}", "muted")]
        if self.refused is None:
            return []
        entry, error = self.refused
        stays = f"Still with {self._present.title}; {self.look.glyphs.enter} again leaves it for {entry.title}."
        told = [(piece, "bad") for piece in wrap(f"{error.code}: {error.message}", width)]
        return [("", "text"), *told, *((piece, "muted") for piece in wrap(stays, width))]

    def _row(self, entry: HostEntry, width: int, selected: bool) -> Line:
        glyphs = self.look.glyphs
        note = NOTE_CELLS if width >= ROOM_FOR_NOTES else 0
        name = min(22, max(10, (width - note) // 3))
        address = max(0, width - name - note - 5)
        title = "" if entry.title == entry.address.without_secrets else entry.title
        parts = (
            (fit(title, name, ellipsis=glyphs.ellipsis), "strong"),
            (f" {fit(entry.address.without_secrets, address, ellipsis=glyphs.ellipsis)} ", "text"),
            (fit(self._note(entry), note, right=True), "muted"),
        )
        marker = span(f"{glyphs.marker if selected else ' '} ", "focus")
        return (marker, *(span(text, "selected" if selected else role) for text, role in parts))

    def _note(self, entry: HostEntry) -> str:
        if entry.address == self._present.address and not self.view.is_replay:
            return "is shown now"
        if entry.origin == "before" and entry.seen_at is not None:
            return f"{figures.span(self.view.store.now - entry.seen_at)} ago"
        return {"settings": "tui.toml", "typed": "as typed"}.get(entry.origin, "")

    def paint(self, width: int, height: int) -> list[Line]:
        return self.write(width, height)

    def scroll_lines(self, by: int) -> None:
        self._at = max(0, min(self._at + by, len(self.shown) - 1))


class HostsDialog(ScrollingScreen, KeyedModal, inherit_bindings=False):
    """Stays until the other host has answered, or somebody leaves it."""

    PLACE = "hosts"
    BINDINGS: ClassVar = bindings("hosts")

    def __init__(self, view: View, entries: list[HostEntry], present: HostEntry) -> None:
        super().__init__(view)
        self.list = Hosts(view, entries, present)
        self.typed = TypedLine(id="typed", placeholder="or an address: https://box:8080", compact=True)
        self.typed.cursor_blink = False

    def compose(self) -> ComposeResult:
        yield self.list
        yield self.typed
        yield Footer(self.view, self.offered)

    def on_mount(self) -> None:
        self.give_focus(self.typed)
        self._fit()

    def _fit(self) -> None:
        columns, rows = self.app.size
        width = min(WIDEST, columns - 2)
        self.list.styles.width = self.typed.styles.width = width
        self.list.styles.height = len(self.list.write(width, rows - 3))

    def flush(self, dirty: Set[Topic]) -> None:
        self._fit()
        super().flush(dirty)

    @property
    def scrolled(self) -> Pane:
        return self.list

    def mark_scrolled(self) -> None:
        self.store.mark("notice")

    def has(self, need: Need) -> bool:
        if need == "visited":
            return self.list.chosen is not None and self.list.chosen.origin == "before"
        return super().has(need)

    def on_input_changed(self, event: Input.Changed) -> None:
        self.list.narrow(event.value)
        self.mark_scrolled()
        self.dashboard.paint_now()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        entry = self.list.chosen
        if entry is None:
            return
        again = self.list.refused is not None and self.list.refused[0] == entry
        self.list.trying, self.list.refused = entry, None
        self.dashboard.go_to(entry, self.refuse, even_if_silent=again)
        self.mark_scrolled()
        self.dashboard.paint_now()

    def refuse(self, error: Hal0Error) -> None:
        """The host that was asked did not answer as a daemon does."""
        if self.list.trying is not None:
            self.list.refused, self.list.trying = (self.list.trying, error), None
            self.mark_scrolled()

    def do_next_command(self) -> None:
        self.do_down()

    def do_previous_command(self) -> None:
        self.do_up()

    def do_complete_host(self) -> None:
        if self.list.chosen is not None:
            self.typed.value = self.list.chosen.address.without_secrets
            self.typed.cursor_position = len(self.typed.value)

    def do_forget_host(self) -> None:
        entry = self.list.chosen
        if entry is not None and entry.origin == "before":
            self.dashboard.forget_host(entry)
            self.list.drop(entry)
            self.mark_scrolled()

    def do_leave(self) -> None:
        self.dashboard.stay()
        self.dismiss(None)
