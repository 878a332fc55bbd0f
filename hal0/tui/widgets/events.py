"""What happened, the newest first: time, subject, and what it was."""

from typing import ClassVar

from hal0.tui import figures
from hal0.tui.happenings import Happening
from hal0.tui.lines import Line, line, span
from hal0.tui.look import STATE_ROLE
from hal0.tui.narrowing import fits
from hal0.tui.text import fit, harmless, wrap
from hal0.tui.view import View
from hal0.tui.widgets.listing import GAP, GUTTER, Listing
from hal0.tui.widgets.pane import Pane

TIME_CELLS = 8
SUBJECT_CELLS = 16


class EventList(Listing):
    """The list of the events view; a filter narrows it."""

    TOPICS: ClassVar = frozenset({"happenings", "link", "notice"})
    MARKS: ClassVar = "happenings"

    def __init__(self, view: View, *, id: str | None = None) -> None:
        super().__init__(view, id=id)
        self.filter = ""

    def rows(self) -> dict[str, Happening]:
        """Those that fit the filter, by key, the newest first; of failures of one kind only the last."""
        found: dict[str, Happening] = {}
        for each in reversed(self.view.store.happenings):
            if fits(self.filter, f"{each.subject} {each.text}"):
                found.setdefault(each.group or str(each.id), each)
        return found

    def narrow(self, expression: str) -> None:
        self.filter = expression

    def happening(self) -> Happening | None:
        """The selected one."""
        return self.rows().get(self.current)

    def title(self, count: int) -> Line:
        total = self._total()
        many = str(total) if count == total else f"{count}/{total}"
        return line(span("events", "title" if self.has_focus else "text"), " ", span(many, "muted"))

    def _total(self) -> int:
        groups = [each.group for each in self.view.store.happenings]
        return groups.count("") + len(set(groups) - {""})

    def remark(self) -> Line:
        told = line(span(f"/{self.filter}", "warn"), span("  ")) if self.filter else ()
        return (*told, *super().remark())

    def header(self, width: int) -> Line:
        gap = " " * GAP
        return line(span(f"{' ' * GUTTER}{'TIME':<{TIME_CELLS}}{gap}{'SUBJECT':<{SUBJECT_CELLS}}{gap}WHAT", "head"))

    def nothing(self) -> str:
        return "no event fits the filter" if self.filter else "nothing has happened since the dashboard looks"

    def row(self, item: Happening, width: int, *, selected: bool) -> Line:
        each, glyphs = item, self.look.glyphs
        if each.state is not None:
            glyph, role = glyphs.states[each.state], STATE_ROLE[each.state]
        elif each.outcome is not None:
            glyph, role = glyphs.outcomes[each.outcome][:1], each.role
        else:
            glyph, role = (glyphs.states["error"] if each.problem else glyphs.dot), each.role
        room = max(0, width - GUTTER - TIME_CELLS - SUBJECT_CELLS - 2 * GAP - 1)
        return (
            *self.row_start(glyph, role, selected=selected),
            span(figures.clock(each.at) + " " * GAP, "muted"),
            span(fit(each.subject, SUBJECT_CELLS, ellipsis=glyphs.ellipsis) + " " * GAP, "strong"),
            span(fit(harmless(each.text), room, ellipsis=glyphs.ellipsis), each.role),
        )


class Told(Pane):
    """The selected event in full, below the list, which has a line for each."""

    TOPICS: ClassVar = EventList.TOPICS

    def __init__(self, view: View, events: EventList) -> None:
        super().__init__(view, id="told")
        self._events = events

    def write(self, width: int) -> list[Line]:
        each = self._events.happening()
        if each is None:
            return []
        last = span(f"{'last ' if each.count > 1 else ''}{figures.clock(each.at)}", "muted")
        first = (span(f"first {figures.clock(each.first_at)}  ", "muted"),) if each.count > 1 else ()
        times = (span(f"×{each.count}  ", each.role),) if each.count > 1 else ()
        lines = [self.frame.rule(width, line(span(each.subject)), (*times, *first, last))]
        lines += [line(span("   " + piece, each.role)) for piece in wrap(harmless(each.text), width - 4)]
        if each.file:
            where = f"{each.file}:{each.line}" if each.line else each.file
            lines += [line(span("   " + piece, "muted")) for piece in wrap(harmless(where), width - 4)]
        return lines

    def paint(self, width: int, height: int) -> list[Line]:
        return self.write(width)
