"""The upper part of the devices view: each device over time, and who holds the memory of the selected one."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import ClassVar

from textual.events import Click

from hal0.history import METRICS, Metric
from hal0.tui import figures
from hal0.tui.device_facts import label_of
from hal0.tui.lines import Line, Span, line, span
from hal0.tui.messages import Touched
from hal0.tui.owners import parts_of
from hal0.tui.text import cut, fit
from hal0.tui.timeline import Scrub, Timeline
from hal0.tui.view import View
from hal0.tui.widgets.graphs import LABEL_CELLS, Margins, Row, block, device_rows, figure, shares, top_of
from hal0.tui.widgets.owners import held, rows_for
from hal0.tui.widgets.pane import Pane

LEAST_HOLDER_ROWS = 3


class DeviceGraphs(Pane):
    """One device is selected; zoomed it has all the room."""

    TOPICS: ClassVar = frozenset({"devices", "slots", "link"})
    can_focus = True

    def __init__(self, view: View, scrub: Scrub, *, id: str | None = None) -> None:
        super().__init__(view, id=id)
        self.scrub = scrub
        self.is_zoomed = False
        self._selected = ""
        self._tops: dict[str, int] = {}  # where each device begins that is shown, as last painted

    @property
    def axis(self) -> Timeline:
        return Timeline.of(self.scrub, self.view.store.now, Margins.of(self.size.width).room(self.size.width))

    @property
    def current(self) -> Row | None:
        """The selected device; the first one while none was."""
        rows = device_rows(self.view.store)
        return next((row for row in rows if row.device.id == self._selected), rows[0] if rows else None)

    def scroll_lines(self, by: int) -> None:
        """Select another device."""
        rows = device_rows(self.view.store)
        current = self.current
        if current is not None:
            at = _index(rows, current)
            self._selected = rows[min(max(at + by, 0), len(rows) - 1)].device.id

    def goals(self) -> list[tuple[int, Callable[[], object]]]:
        """Each device that is shown."""
        return [(top, partial(self._jump_to, id)) for id, top in self._tops.items()]

    def _jump_to(self, id: str) -> None:
        self.focus()
        self._selected = id
        self.view.store.mark("devices")
        self.post_message(Touched())

    def on_click(self, event: Click) -> None:
        """A click selects a device."""
        above = [id for id, top in self._tops.items() if top <= event.y]
        if above:
            self._jump_to(above[-1])

    def paint(self, width: int, height: int) -> list[Line]:
        view, store = self.view, self.view.store
        rows, current = device_rows(store), self.current
        margins, axis = Margins.of(width), self.axis
        title: list[Span] = [span("devices", "title" if self.has_focus else "text")]
        if self.is_zoomed and current is not None:
            title.append(span(f" {view.look.glyphs.into} {cut(current.device.name, width // 2)}"))
            rows = [current]
        lines = [self.frame.rule(width, tuple(title), self._when(axis), self.frame_role)]
        if current is None:
            return [*lines, line(span("  no device was reported" if store.loaded else "", "muted"))]
        below = self._holders(current, width, self._spare(len(rows), height - 1))
        sizes = shares(len(rows), at := _index(rows, current), height - 1 - len(below))
        self._tops = {}
        for index, (row, size) in enumerate(zip(rows, sizes, strict=True)):
            if size:
                self._tops[row.device.id] = len(lines)
            lines += block(view, row, axis, margins, size, selected=index == at)
        lines += [()] * (height - len(lines) - len(below))
        return [*lines, *below]

    def _spare(self, count: int, rows: int) -> int:
        """Rows that may tell who holds memory: those beyond all graphs; half of them where one device has the room."""
        spare = max(rows // 2, LEAST_HOLDER_ROWS) if self.is_zoomed else rows - len(METRICS) * count
        return spare if LEAST_HOLDER_ROWS <= spare < rows else 0

    def _holders(self, current: Row, width: int, rows: int) -> list[Line]:
        """Who holds the memory of the selected device, in at most so many rows."""
        if not rows:
            return []
        margins, device = Margins.of(width), current.memory
        parts = parts_of(device, self.view.store.slots.values())
        if not parts:
            return []
        left = margins.left - LABEL_CELLS
        wanted = rows_for(parts, width - margins.left - 1)
        gap: list[Line] = [()] if rows > wanted else []
        rows = min(rows, wanted)
        spans = held(self.view, device, parts, LABEL_CELLS, margins.room(width), width - left, rows,
                     is_past=self.scrub.at is not None)  # fmt: skip
        name = fit(f" {label_of(current.device)} memory", left, ellipsis=self.look.glyphs.ellipsis)
        beside = [name if left > LABEL_CELLS else " " * left, *[" " * left] * len(spans)]
        return [*gap, *(line(span(text, "muted"), *each) for text, each in zip(beside, spans, strict=False))]

    def text(self) -> str:
        """The selected device in words, as of the moment shown; empty if there is none."""
        row, axis = self.current, self.axis
        if row is None:
            return ""
        told = [figure(metric, value, top, 99, "°C") for metric, value, top in self._values(row, axis)]
        at = figures.clock(self.view.store.now if axis.cursor is None else axis.bounds(axis.cursor)[0])
        return f"{at} {row.device.id} {row.device.name}: {', '.join(told)}"

    def _values(self, row: Row, axis: Timeline) -> Iterator[tuple[Metric, float, float]]:
        """What is known at the moment shown, each with the end of its scale."""
        for metric in METRICS:
            device = row.source(metric)
            value: float | None = getattr(device, metric)
            if axis.cursor is not None:
                kept = self.view.store.past.devices.get(device.id)
                ring = kept.of.get(metric) if kept is not None else None
                value = ring.mean(*axis.bounds(axis.cursor)) if ring is not None else None
            if value is not None:
                yield metric, value, top_of(metric, device, value)

    def _when(self, axis: Timeline) -> Line:
        """On the right of the rule: the moment that is shown, or how much is."""
        span_told = span(figures.span(self.scrub.span).removesuffix("00"), "muted")
        if axis.cursor is None:
            return (span_told,)
        return line(span(f" {axis.told(self.view.store.now, self.look.glyphs.minus)} ", "loud"), span("  "), span_told)


def _index(rows: list[Row], wanted: Row) -> int:
    return next(index for index, row in enumerate(rows) if row.device.id == wanted.device.id)
