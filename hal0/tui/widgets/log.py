"""The output of one slot's backend: follows its end until someone scrolls up; a filter leaves only lines that fit."""

from collections import deque
from collections.abc import Iterable
from typing import ClassVar

from hal0.tui.lines import Line, line, shifted, span
from hal0.tui.narrowing import fits
from hal0.tui.text import cells, harmless, uncoloured, wrap
from hal0.tui.view import View
from hal0.tui.widgets.tail import Tail

KEPT_LINES = 5_000
LONGEST = 2_000  # characters of a line that are shown
BAD = ("error", "fatal", "failed", " e ")
WARN = ("warn", " w ")


def role_of(text: str) -> str:
    """How loud a line is, by the words that programs use."""
    if text.startswith("--- "):  # hal0's own, where a run begins
        return "info"
    folded = f" {text.casefold()} "
    if any(word in folded for word in BAD):
        return "bad"
    return "warn" if any(word in folded for word in WARN) else "text"


class LogPane(Tail):
    """Shows lines as they come; counted from the first one ever, so that a place stays while old ones are forgotten."""

    TOPICS: ClassVar = frozenset({"log", "slots", "link"})
    MARKS: ClassVar = "log"

    def __init__(self, view: View, *, id: str | None = None) -> None:
        super().__init__(view, id=id)
        self.slot = ""
        self.filter = ""
        self.problem = ""  # why nothing comes
        self._printed: deque[str] = deque(maxlen=KEPT_LINES)
        self._rows: list[tuple[str, str]] = []  # of the text wrapped at `_width`: text and role
        self._width = 0
        self._fresh: list[str] = []  # not wrapped yet

    def begin(self, slot: str) -> None:
        """Show another slot's output, from nothing."""
        self.slot, self.problem = slot, ""
        self.to_end()
        self._printed.clear()
        self._rewrap()

    def renew(self) -> None:
        """All lines come again, over a new connection; the place is kept."""
        self.problem = ""
        self._printed.clear()
        self._rewrap()

    def add(self, lines: Iterable[str]) -> None:
        """Take lines as they came."""
        new = [harmless(uncoloured(text))[:LONGEST] for text in lines]
        self._printed.extend(new)
        self._fresh += new[-KEPT_LINES:]

    def narrow(self, expression: str) -> None:
        self.filter = expression
        self.to_end()
        self._rewrap()

    def text(self) -> str:
        """All that fits the filter, for the clipboard."""
        return "\n".join(text for text in self._printed if fits(self.filter, text))

    def paint(self, width: int, height: int) -> list[Line]:
        rows = self._wrapped(width - 2)
        shown = self.window(rows, height - 1)
        self.longest = max((cells(text) for text, _ in shown), default=0)
        title = line(span("log ", "title" if self.has_focus else "text"), span(self.slot, "strong"))
        right = [span(f"/{self.filter}  ", "warn")] if self.filter else []
        lines: list[Line] = [self.frame.rule(width, title, (*right, *self.place()), self.frame_role)]
        for text, role in shown:
            row = line(span(text, role))
            lines.append(line(" ", *(row if self.view.wraps else self._cut(row, width - 2))))
        if not rows:
            lines.append(line(span("  " + self._nothing(), "bad" if self.problem else "muted")))
        return lines

    def _cut(self, row: Line, width: int) -> Line:
        return shifted(row, self.view.shift, width, self.look.glyphs.ellipsis)

    def _nothing(self) -> str:
        if self.problem:
            return self.problem
        if self.filter:
            return "no line fits the filter"
        return "it has printed nothing yet" if self.slot else "there is no slot"

    def _rewrap(self) -> None:
        self._rows, self._fresh = [], list(self._printed)

    def _wrapped(self, width: int) -> list[tuple[str, str]]:
        """All rows at this width; lines that came since the last time are wrapped now, others are not touched."""
        width = width if self.view.wraps else LONGEST * 2
        if width != self._width:
            self._width = width
            self._rewrap()
        before = len(self._rows)
        for text in self._fresh:
            if fits(self.filter, text):
                role = role_of(text)
                pieces = [text] if cells(text) <= width else wrap(text, max(1, width))
                self._rows += [(piece, role) for piece in pieces]
        self._fresh = []
        self.grew(len(self._rows) - before)
        if len(self._rows) > 2 * KEPT_LINES:
            del self._rows[:-KEPT_LINES]
        return self._rows
