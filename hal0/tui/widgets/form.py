"""What stands beside and below the fields of a form: their names, what is wrong with each, what could be chosen."""

from typing import ClassVar

from hal0.errors import Hal0Error
from hal0.tui import rooms
from hal0.tui.lines import EMPTY, Line, line, span
from hal0.tui.problems import labelled
from hal0.tui.slot_form import HINTS, LABELS, SlotForm, Suggestion, in_short, in_words, of_slot, suggestions
from hal0.tui.store import ALL_TOPICS
from hal0.tui.text import fit, harmless, wrap
from hal0.tui.view import View
from hal0.tui.widgets.pane import Pane
from hal0.wire import ModelView

MOST_CHOICES = 6
FEW_ROWS = 8  # in fewer there are either the choices or what is told


class Label(Pane):
    """The name of a field, marked while the person writes there."""

    TOPICS: ClassVar = ALL_TOPICS

    def __init__(self, view: View, name: str) -> None:
        super().__init__(view, classes="label")
        self._about = name

    def paint(self, width: int, height: int) -> list[Line]:
        focused = self.screen.focused
        is_here = focused is not None and focused.id == self._about
        marker = span(self.look.glyphs.marker if is_here else " ", "focus")
        return [line(" ", marker, span(LABELS.get(self._about, self._about), "strong" if is_here else "muted"))]


class Note(Pane):
    """At a field: what is wrong with it, else what belongs there."""

    TOPICS: ClassVar = ALL_TOPICS

    def __init__(self, view: View, form: SlotForm, name: str) -> None:
        super().__init__(view, classes="note")
        self._form = form
        self._about = name

    def paint(self, width: int, height: int) -> list[Line]:
        glyphs = self.look.glyphs
        wrong = self._form.told_problems().get(self._about)
        if wrong:
            told = f"{glyphs.states['error']} {harmless(in_short(wrong[0]))}"
            return [line(" ", span(fit(told, width - 2, ellipsis=glyphs.ellipsis), "bad"))]
        return [line(" ", span(fit(HINTS[self._about], width - 2, ellipsis=glyphs.ellipsis), "muted"))]


class Asked(Pane):
    """Below the fields: what could stand in the one that is written in, and what the daemon says of the whole."""

    TOPICS: ClassVar = ALL_TOPICS

    def __init__(self, view: View, form: SlotForm) -> None:
        super().__init__(view, id="asked")
        self._form = form
        self.field = "name"
        self.models: list[ModelView] | None = None  # None: not known yet
        self.failure: Hal0Error | None = None
        self.at: int | None = None  # the choice that a person went to

    def choices(self, field: str) -> list[Suggestion]:
        return suggestions(field, self._form, self.view.store, self.models or [])

    def position(self, field: str) -> int | None:
        """The selected choice: where the person went, else the first that fits what is typed; None without either."""
        if self.at is not None:
            return self.at
        return 0 if self._form.values[field].strip() and self.choices(field) else None

    def chosen(self, field: str) -> Suggestion | None:
        found, at = self.choices(field), self.position(field)
        return found[at] if at is not None and at < len(found) else None

    def paint(self, width: int, height: int) -> list[Line]:
        choices = self._list(width, min(MOST_CHOICES, max(2, height // 3)) if height >= FEW_ROWS else height)
        told = self._told(width)
        return choices if choices and height < FEW_ROWS else choices + told

    def _list(self, width: int, rows: int) -> list[Line]:
        found, at = self.choices(self.field), self.position(self.field)
        if not found:
            return []
        rows = max(1, rows - 1)
        top = max(0, min((at or 0) - rows // 2, len(found) - rows))
        count = line(span(f"{len(found)} to choose from", "muted"))
        name = LABELS.get(self.field, self.field)
        lines = [self.look.glyphs.plain.rule(width, line(span(name)), count)]
        return lines + [
            self._row(each, number == at, width) for number, each in enumerate(found) if top <= number < top + rows
        ]

    def _row(self, each: Suggestion, selected: bool, width: int) -> Line:
        glyphs = self.look.glyphs
        room = max(10, min(44, width // 2))
        text = f" {fit(each.value, room, ellipsis=glyphs.ellipsis)} "
        about = fit(each.about, max(0, width - room - 4), ellipsis=glyphs.ellipsis)
        marker = span(f" {glyphs.marker if selected else ' '}", "focus")
        return (
            line(marker, span(text + about, "selected")) if selected else line(marker, span(text), span(about, "muted"))
        )

    def _told(self, width: int) -> list[Line]:
        form, glyphs = self._form, self.look.glyphs
        lines: list[Line] = [glyphs.plain.rule(width, line(span("what the slot would take and do")), ())]
        wrong = form.told_problems()
        for name in [self.field, *(each for each in wrong if each != self.field)]:
            for problem in wrong.get(name, ()):
                told = harmless(in_words(problem))
                lines += [line(span("   " + piece, "bad")) for piece in wrap(told, width - 4)]
        if self.failure is not None:
            told = harmless(f"{self.failure.code}: {self.failure.message}")
            lines += [line(span("   " + piece, "bad")) for piece in wrap(told, width - 4)]
        lines += self._taken(width)
        return lines + labelled("equivalent CLI", form.command(), width)

    def _taken(self, width: int) -> list[Line]:
        plan = self._form.plan
        if plan is None:
            return [] if self.failure else [line(span("   asking the daemon", "muted"))]
        if plan.fit is not None:
            lines = rooms.lines(plan.fit, self.view.store.devices, width, self.look.glyphs)
        elif plan.error is not None and not plan.plan.problems:
            told = harmless(f"{plan.error.code}: {plan.error.message}")
            lines = [line(span("   " + piece, "warn")) for piece in wrap(told, width - 4)]
        else:
            lines = []
        said = [
            text for text in of_slot(plan, self._form.asked_name) if plan.error is None or text != plan.error.message
        ]
        lines += [line(span("   " + piece, "warn")) for text in said for piece in wrap(harmless(text), width - 4)]
        return [*lines, EMPTY] if lines else lines
