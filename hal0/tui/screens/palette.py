"""The palette, `:` or `^p`: everything that can be done here, by its words; type to narrow, Enter does it."""

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.widgets import Input

from hal0.tui.lines import EMPTY, Line, line, span
from hal0.tui.screens.base import KeyedModal, ScrollingScreen, bindings
from hal0.tui.store import ALL_TOPICS, Topic
from hal0.tui.text import fit
from hal0.tui.view import View
from hal0.tui.widgets.footer import Footer
from hal0.tui.widgets.pane import Pane
from hal0.tui.widgets.typed import TypedLine

WIDEST = 76
ROWS = 12
KEY_CELLS = 7


@dataclass(frozen=True, slots=True)
class Command:
    """One line of the palette."""

    words: str  # what is typed: "restart chat-l", "theme hal0-light"
    does: str
    act: Callable[[], None]
    key: str = ""  # the key that does the same


def narrow(commands: Sequence[Command], typed: str) -> list[Command]:
    """Those that fit, the best first: what begins with it, what has the words, what has the letters in their order."""
    wanted = typed.casefold().split()
    if not wanted:
        return list(commands)
    ranked = [(rank, number) for number, each in enumerate(commands) if (rank := _rank(each, wanted)) is not None]
    return [commands[number] for _, number in sorted(ranked)]


def _rank(command: Command, wanted: list[str]) -> int | None:
    words, does = command.words.casefold(), command.does.casefold()
    if words.startswith(" ".join(wanted)):
        return 0
    if all(word in words for word in wanted):
        return 1
    if all(word in f"{words} {does}" for word in wanted):
        return 2
    letters = iter(words)
    return 3 if all(letter in letters for letter in "".join(wanted)) else None


More = Callable[[str], Iterable[Command]]  # commands with arguments, for what is typed


class Commands(Pane):
    """The list, in a box."""

    TOPICS: ClassVar = ALL_TOPICS
    FADES = False

    def __init__(self, view: View, commands: Sequence[Command], more: More) -> None:
        super().__init__(view, id="commands")
        self._commands = commands
        self._more = more
        self._all = list(commands)
        self._shown = self._all
        self._at = 0

    @property
    def chosen(self) -> Command | None:
        return self._shown[self._at] if self._shown else None

    def narrow(self, typed: str) -> None:
        self._all = [*self._commands, *self._more(typed)]
        self._shown, self._at = narrow(self._all, typed), 0

    def paint(self, width: int, height: int) -> list[Line]:
        rows = max(1, height - 2)
        top = max(0, min(self._at - rows // 2, len(self._shown) - rows))
        body = [self._row(number, width - 2) for number in range(top, min(top + rows, len(self._shown)))]
        if not body:
            body = [line(" ", span("nothing is called so", "muted"))]
        body += [EMPTY] * (rows - len(body))
        count = line(span(f"{len(self._shown)} of {len(self._all)}", "muted"))
        return self.look.glyphs.plain.box(body, width, top=(line(span("commands", "title")), count), role="focus")

    def _row(self, number: int, width: int) -> Line:
        command, glyphs = self._shown[number], self.look.glyphs
        selected = number == self._at
        words = max(12, (width - KEY_CELLS) * 2 // 5)
        does = max(0, width - KEY_CELLS - words - 4)
        parts = (
            (fit(command.words, words, ellipsis=glyphs.ellipsis), "strong"),
            (f" {fit(command.does, does, ellipsis=glyphs.ellipsis)} ", "muted"),
            (fit(command.key.replace("⏎", glyphs.enter), KEY_CELLS, right=True), "key"),
        )
        marker = span(f"{glyphs.marker if selected else ' '} ", "focus")
        return (marker, *(span(text, "selected" if selected else role) for text, role in parts))

    def scroll_lines(self, by: int) -> None:
        self._at = max(0, min(self._at + by, len(self._shown) - 1))


class Palette(ScrollingScreen, KeyedModal, inherit_bindings=False):
    """Answers the command that was chosen, or None."""

    PLACE = "palette"
    BINDINGS: ClassVar = bindings("palette")

    def __init__(self, view: View, commands: Sequence[Command], more: More = lambda _: ()) -> None:
        super().__init__(view)
        self.commands = Commands(view, commands, more)
        self.typed = TypedLine(id="typed", placeholder="what to do", compact=True, select_on_focus=False)
        self.typed.cursor_blink = False

    def compose(self) -> ComposeResult:
        yield self.commands
        yield self.typed
        yield Footer(self.view, self.offered)

    def on_mount(self) -> None:
        self.typed.focus()
        self._fit()

    def _fit(self) -> None:
        columns, rows = self.app.size
        width = min(WIDEST, columns - 2)
        self.commands.styles.width = width
        self.commands.styles.height = max(3, min(ROWS + 2, rows - 3))
        self.typed.styles.width = width

    def flush(self, dirty: Set[Topic]) -> None:
        self._fit()
        super().flush(dirty)

    @property
    def scrolled(self) -> Pane:
        return self.commands

    def mark_scrolled(self) -> None:
        self.store.mark("notice")

    def narrow_anew(self) -> None:
        """There may be more commands for what is typed."""
        self.commands.narrow(self.typed.value)
        self.mark_scrolled()

    def on_input_changed(self, event: Input.Changed) -> None:
        self.commands.narrow(event.value)
        self.mark_scrolled()
        self.dashboard.paint_now()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(self.commands.chosen)

    def do_next_command(self) -> None:
        self.do_down()

    def do_previous_command(self) -> None:
        self.do_up()

    def do_complete(self) -> None:
        """Put the words of the selected command into the line."""
        if self.commands.chosen is not None:
            self.typed.value = self.commands.chosen.words
            self.typed.cursor_position = len(self.typed.value)

    def do_leave(self) -> None:
        self.dismiss(None)
