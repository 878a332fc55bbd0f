"""The output of one slot's backend: follows its end until someone scrolls up or finds something in it.

A filter leaves only lines that fit; what is looked for is looked for in those.
"""

from collections import deque
from collections.abc import Iterable
from itertools import chain, repeat
from typing import ClassVar

from hal0.tui import figures
from hal0.tui.lines import Line, line, shifted, span
from hal0.tui.log_rows import Row, row_at_step, row_of_run, rows_of
from hal0.tui.narrowing import fits
from hal0.tui.text import cells, harmless, uncoloured, wrap
from hal0.tui.view import View
from hal0.tui.widgets.searched import Searched
from hal0.tui.widgets.tail import Tail

KEPT_LINES = 5_000
TIMED_CELLS = 60  # in fewer the frame has no room for a time
LONGEST = 2_000  # characters of a line that are shown


class LogPane(Tail, Searched):
    """Shows lines as they come; counted from the first one ever, so that a place stays while old ones are forgotten."""

    TOPICS: ClassVar = frozenset({"log", "slots", "link"})
    MARKS: ClassVar = "log"

    def __init__(self, view: View, *, id: str | None = None) -> None:
        super().__init__(view, id=id)
        self.slot = ""
        self.filter = ""
        self.problem = ""  # why nothing comes
        self._printed: deque[tuple[float, str]] = deque(maxlen=KEPT_LINES)
        self._rows: list[Row] = []  # of the text wrapped at `_width`
        self._is_anew = True  # they are made anew: none of them has come just now
        self._width = 0
        self._fresh: list[tuple[float, str]] = []  # not wrapped yet

    def begin(self, slot: str) -> None:
        """Show another slot's output, from nothing."""
        self.slot, self.problem = slot, ""
        self.look_for("")
        self.to_end()
        self._printed.clear()
        self._rewrap()

    def renew(self) -> None:
        """All lines come again, over a new connection; the place is kept."""
        self.problem = ""
        self._printed.clear()
        self._rewrap()

    def add(self, lines: Iterable[str], times: Iterable[float] = ()) -> None:
        """Take lines as they came, and when that was, as far as it is known."""
        clean = (harmless(uncoloured(text))[:LONGEST] for text in lines)
        new = list(zip(chain(times, repeat(0.0)), clean, strict=False))
        self._printed.extend(new)
        self._fresh += new[-KEPT_LINES:]

    def narrow(self, expression: str) -> None:
        self.filter = expression
        self.to_end()
        self._rewrap()

    def text(self) -> str:
        """All that fits the filter, for the clipboard."""
        return "\n".join(text for _, text in self._printed if fits(self.filter, text))

    def paint(self, width: int, height: int) -> list[Line]:
        rows = self._wrapped(width - 2)
        self.measure(rows, height - 1)
        self.reveal(width - 2, height - 1)
        shown = self.window(rows, height - 1)
        first, _ = self.spot()
        self.longest = max((cells(row.text) for row in shown), default=0)
        title = line(span("log ", "title" if self.has_focus else "text"), span(self.slot, "strong"))
        right = [span(f"&{self.filter}  ", "warn")] if self.filter else []
        if self.is_searched:
            right += [*self.found(), span("  ")]
        if shown and shown[0].at and width >= TIMED_CELLS:
            right += [span(f"{figures.moment(shown[0].at, self.view.store.now)}  ", "muted")]
        lines: list[Line] = [self.frame.rule(width, title, (*right, *self.place()), self.frame_role)]
        for number, row in enumerate(shown, first):
            spans = line(*self.marked(number, row.text, row.role))
            lines.append(line(" ", *(spans if self.view.wraps else self._cut(spans, width - 2))))
        if not rows:
            role = "bad" if self.problem else "muted"
            lines += [line("  ", span(piece, role)) for piece in wrap(harmless(self._nothing()), max(1, width - 4))]
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
        self._is_anew = True

    # Searching -------------------------------------------------------------------------------------------------
    @property
    def has_text(self) -> bool:
        return bool(self.slot)  # also before it prints: what comes is searched as it comes

    def searched_rows(self) -> tuple[list[str], list[str]]:
        return [row.text for row in self._rows], [row.joint for row in self._rows]

    def _search_on(self, before: int) -> None:
        """There are more rows than before, or others."""
        if not self.is_searched:
            return
        if self._is_anew:
            self.search.renew(*self.searched_rows())
            return
        new = self._rows[before:]
        self.search.grow([row.text for row in new], [row.joint for row in new], first=before)

    def _forget(self, rows: int) -> None:
        del self._rows[:rows]
        self.search.forget(rows)
        top, follows = self._before_search
        self._before_search = (max(0, top - rows), follows)

    # Time -----------------------------------------------------------------------------------------------------
    @property
    def is_timed(self) -> bool:
        return bool(self._rows and self._rows[-1].at)

    def step(self, seconds: float) -> bool:
        """Go by the times of the lines, at least a line; False: there is no time further up."""
        row = row_at_step(self._rows, self.spot()[0], seconds)
        if row is not None:
            self._go_to(row)
        return row is not None

    def to_run(self, by: int) -> bool:
        """Go to where the run before or after begins; False: none does."""
        row = row_of_run(self._rows, self.spot()[0], by)
        if row is not None:
            self._go_to(row)
        return row is not None

    def _go_to(self, row: int) -> None:
        self.stand(row)
        if not self._below:
            self.to_end()

    # Rows ------------------------------------------------------------------------------------------------------
    def _wrapped(self, width: int) -> list[Row]:
        """All rows at this width; lines that came since the last time are wrapped now, others are not touched."""
        width = width if self.view.wraps else LONGEST * 2
        if width != self._width:
            self._width = width
            self._rewrap()
        before = len(self._rows)
        for at, text in self._fresh:
            if fits(self.filter, text):
                self._rows += rows_of(text, at, width)
        if self._fresh or self._is_anew:
            self._search_on(before)
            if not self._is_anew:
                self.grew(len(self._rows) - before)
            self._fresh, self._is_anew = [], False
        if len(self._rows) > 2 * KEPT_LINES:
            self._forget(len(self._rows) - KEPT_LINES)
        return self._rows
