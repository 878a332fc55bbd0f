"""What each slot has been doing: one lane per slot on a common axis of time, from what this dashboard has seen."""

from collections import deque
from typing import ClassVar

from hal0.tui import figures
from hal0.tui.lines import Line, Span, line, span
from hal0.tui.look import STATE_ROLE, Glyphs
from hal0.tui.text import fit
from hal0.tui.widgets.pane import Pane
from hal0.wire import SlotState

SPANS_SECONDS = (120, 600, 1800, 3600)
# When several states fall into one cell, the one that tells most is drawn.
TELLING: tuple[SlotState, ...] = (
    "error", "unloading", "pulling", "starting", "warming", "serving", "ready", "idle", "offline",
)  # fmt: skip


def lane(
    marks: deque[tuple[float, SlotState]], start: float, seconds: float, width: int, now: float
) -> list[SlotState | None]:
    """The state in each cell of time; None where nothing is known."""
    found: list[SlotState | None] = [None] * width
    listed = list(marks)
    for index, (at, state) in enumerate(listed):
        until = listed[index + 1][0] if index + 1 < len(listed) else now
        first = max(0, int((at - start) // seconds))
        last = min(width - 1, int((until - start) // seconds))
        for cell in range(first, last + 1):
            before = found[cell]
            if before is None or TELLING.index(state) < TELLING.index(before):
                found[cell] = state
    return found


def lane_spans(states: list[SlotState | None], glyphs: Glyphs) -> list[Span]:
    """The cells as spans, one for each run of the same state."""
    spans: list[Span] = []
    for state in states:
        glyph, role = (glyphs.lanes[state], STATE_ROLE[state]) if state else (" ", "text")
        if spans and spans[-1][1] == role and spans[-1][0][-1] == glyph:
            spans[-1] = (spans[-1][0] + glyph, role)
        else:
            spans.append((glyph, role))
    return spans


def axis(start: float, seconds: float, width: int) -> str:
    """Times of day under the lanes, where there is room for them."""
    text = ""
    step = max(12, width // 4)
    show = figures.clock if step * seconds < 60 else figures.hour_minute
    for cell in range(0, width - 7, step):
        text = text.ljust(cell) + show(start + cell * seconds)
    return text


class Lanes(Pane):
    """The lifecycle pane."""

    TOPICS: ClassVar = frozenset({"slots", "time", "link"})

    def paint(self, width: int, height: int) -> list[Line]:
        view = self.view
        store, glyphs = view.store, view.look.glyphs
        inner = width - 4
        named = 10
        room = inner - named - 2
        oldest = min((marks[0][0] for marks in store.lanes.values() if marks), default=store.now)
        whole = next((limit for limit in SPANS_SECONDS if store.now - oldest <= limit * 0.9), SPANS_SECONDS[-1])
        seconds = whole / room
        start = (int(store.now // seconds) + 1 - room) * seconds
        rows = height - 3
        body: list[Line] = []
        for slot in view.slots()[:rows]:
            states = lane(store.lanes[slot.name], start, seconds, room, store.now)
            now = span(" " + glyphs.states[slot.state], STATE_ROLE[slot.state])
            name = span(" " + fit(slot.name, named, ellipsis=glyphs.ellipsis) + " ")
            body.append((name, *lane_spans(states, glyphs), now))
        body += [()] * (rows - len(body))
        body.append(line(span(" " * (named + 2) + axis(start, seconds, room), "muted")))
        left = line(span("lifecycle"))
        hidden = len(view.slots()) - rows
        more = f"{rows} of {len(view.slots())}  " if hidden > 0 else ""
        right = line(span(f"{more}{figures.span(whole).removesuffix('00')}", "muted"))
        return self.frame.box(body, width, top=(left, right), role=self.frame_role)
