"""What each slot has been doing: a lane per slot, on the same axis of time as the graphs of the devices."""

from typing import ClassVar

from hal0.tui import figures
from hal0.tui.lines import Line, Span, line, span
from hal0.tui.look import STATE_ROLE, Glyphs
from hal0.tui.store import Store
from hal0.tui.text import fit
from hal0.tui.timeline import Scrub, Timeline
from hal0.tui.view import View
from hal0.tui.widgets.graphs import Margins, axis_line
from hal0.tui.widgets.pane import Pane
from hal0.wire import SlotState, SlotView

SPEED_SECONDS = 3
LONG_COLUMNS = 100  # from here the lanes of the home screen tell of an hour
BOXED = Margins(12, 2)  # beside the lanes of the home screen


def lane(store: Store, slot: str, axis: Timeline) -> list[SlotState | None]:
    """The state in each cell of time; None where nothing is known."""
    kept = store.past.lanes.get(slot)
    if kept is None:
        return [None] * axis.count
    kept.go_on(store.now)
    return kept.cells(axis.seconds, axis.last, axis.count)


def lane_spans(states: list[SlotState | None], glyphs: Glyphs, cursor: int | None = None) -> list[Span]:
    """The cells as spans, one for each run of the same state; the one under the cursor in reverse video."""
    spans: list[Span] = []
    for cell, state in enumerate(states):
        glyph, role = (glyphs.lanes[state], STATE_ROLE[state]) if state else (" ", "text")
        role = "selected" if cell == cursor else role
        if spans and spans[-1][1] == role and spans[-1][0][-1] == glyph:
            spans[-1] = (spans[-1][0] + glyph, role)
        else:
            spans.append((glyph, role))
    return spans


class Lanes(Pane):
    """The lifecycle pane: a box on the home screen; below the graphs of the devices view, with its cursor."""

    TOPICS: ClassVar = frozenset({"slots", "time", "link"})

    def __init__(self, view: View, scrub: Scrub | None = None, *, id: str | None = None) -> None:
        super().__init__(view, id=id)
        self.scrub = scrub

    def paint(self, width: int, height: int) -> list[Line]:
        return self._below(width, height, self.scrub) if self.scrub is not None else self._box(width, height)

    def _box(self, width: int, height: int) -> list[Line]:
        room = width - 2 - BOXED.left - BOXED.right
        scrub = Scrub(3600 if width >= LONG_COLUMNS else 1800)
        axis = Timeline.of(scrub, self.view.store.now, max(1, room))
        body, remark = self._lanes(axis, BOXED, height - 3)
        right = line(span(remark + figures.span(scrub.span).removesuffix("00"), "muted"))
        body.append(axis_line(axis, BOXED, self.look.glyphs))
        return self.frame.box(body, width, top=(line(span("lifecycle")), right), role=self.frame_role)

    def _below(self, width: int, height: int, scrub: Scrub) -> list[Line]:
        margins = Margins.of(width)
        axis = Timeline.of(scrub, self.view.store.now, margins.room(width))
        body, remark = self._lanes(axis, margins, height - 2)
        more = line(span(remark.rstrip(), "muted")) if remark else ()
        rule = self.frame.rule(width, line(span("slots")), more, self.frame_role)
        return [rule, *body, axis_line(axis, margins, self.look.glyphs)]

    def _lanes(self, axis: Timeline, margins: Margins, rows: int) -> tuple[list[Line], str]:
        """So many lanes, and what is to be said if there are more."""
        glyphs, slots = self.look.glyphs, self.view.slots()
        lines: list[Line] = []
        for slot in slots[:rows]:
            name = span(" " + fit(slot.name, margins.left - 2, ellipsis=glyphs.ellipsis) + " ")
            states = lane(self.view.store, slot.name, axis)
            told = self._told(slot, states, axis, margins.right)
            lines.append(line(name, *lane_spans(states, glyphs, axis.cursor), *told))
        lines += [()] * (rows - len(lines))
        return lines, f"{rows} of {len(slots)}  " if len(slots) > rows else ""

    def _told(self, slot: SlotView, states: list[SlotState | None], axis: Timeline, room: int) -> list[Span]:
        """The state now, or under the cursor; how fast it was, or else its name."""
        store = self.view.store
        state: SlotState | None = slot.state
        kept = store.past.speeds.get(slot.name)
        speed = None
        if state == "serving":  # of the last seconds, so that it is no other one with each frame
            speed = kept.mean(store.now - SPEED_SECONDS, store.now) if kept is not None else None
            speed = store.load_of(slot).tokens_per_second if speed is None else speed
        if axis.cursor is not None:
            state = states[axis.cursor]
            speed = kept.mean(*axis.bounds(axis.cursor)) if kept is not None else None
        if state is None:
            return [span(f" {figures.MISSING}", "muted")]
        word = f"{figures.rate(speed)}/s" if speed is not None and state == "serving" else state
        shown = [span(" " + self.look.glyphs.states[state], STATE_ROLE[state])]
        return [*shown, span(" " + fit(word, room - 3), "text")] if room > 4 else shown
