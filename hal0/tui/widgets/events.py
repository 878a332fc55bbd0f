"""What happened, the newest first: time, subject, and what it was."""

from typing import ClassVar

from hal0.tui import figures
from hal0.tui.happenings import Happening
from hal0.tui.lines import Line, line, span
from hal0.tui.look import STATE_ROLE
from hal0.tui.narrowing import fits
from hal0.tui.text import fit, harmless
from hal0.tui.view import View
from hal0.tui.widgets.listing import GAP, GUTTER, Listing

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
        """Those that fit the filter, by key, the newest first."""
        store = self.view.store
        return {
            str(each.id): each
            for each in reversed(store.happenings)
            if fits(self.filter, f"{each.subject} {each.text}")
        }

    def narrow(self, expression: str) -> None:
        self.filter = expression

    def happening(self) -> Happening | None:
        """The selected one."""
        return self.rows().get(self.current)

    def title(self, count: int) -> Line:
        total = len(self.view.store.happenings)
        many = str(total) if count == total else f"{count}/{total}"
        return line(span("events", "title" if self.has_focus else "text"), " ", span(many, "muted"))

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
