"""Graphs of the devices over time: utilisation, memory, temperature and power, each on a scale of its own.

Where rows are short the selected device has all four and the others one each. What a device does not report is said,
never drawn as nothing.
"""

from dataclasses import dataclass

from hal0.history import METRICS, Metric
from hal0.tui import figures
from hal0.tui.device_facts import HOT_C, label_of, rows_of, short_name, tenants
from hal0.tui.lines import Line, Span, line, padded, span
from hal0.tui.look import Glyphs
from hal0.tui.store import Store
from hal0.tui.text import cells, cut, fit
from hal0.tui.timeline import Scrub, Timeline
from hal0.tui.view import View
from hal0.wire import DeviceView

LABEL_CELLS = 6  # of what a graph is of, or the top of its scale
TOP_C = 100.0
TOPS_W = (10, 25, 50, 100, 150, 200, 300, 400, 500, 750, 1000, 1500)
HIGHEST_ROWS = 8  # of one graph
NAMED_CELLS = 8  # beside a graph, from which its device is named in full
ROLES: dict[Metric, str] = {
    "utilisation": "graph", "memory_used_bytes": "memory", "temperature_c": "warn", "power_w": "good",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Margins:
    """Cells left and right of whatever lies on the axis of time; graphs and lanes have the same."""

    left: int
    right: int

    @classmethod
    def of(cls, width: int) -> "Margins":
        if width < 60:
            return cls(11, 9)
        return cls(18, 11) if width < 110 else cls(24, 12)

    def room(self, width: int) -> int:
        return max(1, width - self.left - self.right)


@dataclass(frozen=True, slots=True)
class Row:
    """A device as it is drawn: the processor has the machine's memory."""

    device: DeviceView
    memory: DeviceView

    def source(self, metric: Metric) -> DeviceView:
        return self.memory if metric == "memory_used_bytes" else self.device


def device_rows(store: Store) -> list[Row]:
    return [Row(device, memory or device) for device, memory in rows_of(store)]


def marked(text: str, cursor: int | None, role: str) -> list[Span]:
    """The cells with the one under the cursor in reverse video."""
    if cursor is None or not 0 <= cursor < len(text):
        return [span(text, role)]
    parts = (text[:cursor], role), (text[cursor], "selected"), (text[cursor + 1 :], role)
    return [span(*part) for part in parts if part[0]]


def top_of(metric: Metric, device: DeviceView, seen: float) -> float:
    """The upper end of a scale that holds the largest value seen."""
    match metric:
        case "utilisation":
            return 1.0
        case "memory_used_bytes":
            return max(float(device.memory_total_bytes or 0), seen, 1.0)
        case "temperature_c":
            return max(TOP_C, seen)
        case "power_w":
            return max(device.power_limit_w or next((top for top in TOPS_W if top >= seen), seen), seen, 1.0)


def figure(metric: Metric, value: float | None, top: float, room: int, degree: str) -> str:
    """A value with the end of its scale, or alone where that is too long."""
    if value is None:
        return figures.MISSING
    match metric:
        case "utilisation":
            texts = [figures.percent(value).strip()]
        case "memory_used_bytes":
            texts = [figures.pair(int(value), int(top)), figures.size(int(value))]
        case "temperature_c":
            texts = [f"{value:.0f}/{top:.0f}{degree}", f"{value:.0f}{degree}"]
        case "power_w":
            texts = [f"{value:.0f}/{top:.0f}W", f"{value:.0f}W"]
    return next((text for text in texts if cells(text) <= room), cut(texts[-1], room))


def scale(metric: Metric, top: float, degree: str) -> str:
    """The end of a scale beside a graph of several rows, in at most five cells."""
    match metric:
        case "utilisation":
            return "100%"
        case "memory_used_bytes":
            return figures.size(int(top))
        case "temperature_c":
            return f"{top:.0f}{degree}"
        case "power_w":
            return f"{top:.0f}W"


def word(metric: Metric, device: DeviceView) -> str:
    match metric:
        case "utilisation":
            return "util"
        case "memory_used_bytes":
            return "mem" if device.kind == "memory" or device.unified else "vram"
        case "temperature_c":
            return "temp"
        case "power_w":
            return "power"


def curve(view: View, row: Row, metric: Metric, axis: Timeline, margins: Margins, height: int) -> list[Line]:
    """One graph in so many rows, from the label's cells to the right edge."""
    device, glyphs = row.source(metric), view.look.glyphs
    kept = view.store.past.devices.get(device.id)
    ring = kept.of.get(metric) if kept is not None else None
    values = ring.cells(axis.seconds, axis.last, axis.count) if ring is not None else [None] * axis.count
    known = [value for value in values if value is not None]
    live: float | None = getattr(device, metric)
    value = live if axis.cursor is None else values[axis.cursor]
    top = top_of(metric, device, max([*known, live or 0.0]))
    label = span(fit(word(metric, device), LABEL_CELLS), "muted")
    if not known:
        why = f"not reported{f' ({device.note})' if device.note else ''}" if live is None else ""
        told = marked(fit(why, axis.count, ellipsis=glyphs.ellipsis), axis.cursor, "muted")
        return [
            *([()] * (height - 1)),
            line(label, *told, span(f" {figures.MISSING if live is None else ''}", "empty")),
        ]
    is_hot = metric == "temperature_c" and value is not None and value >= HOT_C
    told = [span(" " + figure(metric, value, top, margins.right - 1, glyphs.degree), "bad" if is_hot else "text")]
    lines: list[Line] = []
    drawn = figures.graph([None if each is None else each / top for each in values], height, glyphs.sparks)
    for number, text in enumerate(drawn):
        is_last = number == height - 1
        beside = scale(metric, top, glyphs.degree) if number == 0 else ""
        left = label if is_last else span(f"{beside:>{LABEL_CELLS - 1}} ", "muted")
        lines.append(line(left, *marked(text, axis.cursor, ROLES[metric]), *(told if is_last else [])))
    return lines


def block(view: View, row: Row, axis: Timeline, margins: Margins, rows: int, *, selected: bool) -> list[Line]:
    """A device in so many rows: as many of its graphs as there are rows for, each as high as that allows."""
    store, glyphs = view.store, view.look.glyphs
    heights = _heights(row, store, rows)
    lines = [spans for metric, high in heights.items() for spans in curve(view, row, metric, axis, margins, high)]
    room = margins.left - LABEL_CELLS - 1
    label = label_of(row.device)
    name, slots = label, ""
    if room >= NAMED_CELLS:
        name, slots = f"{label} {short_name(row.device)}".rstrip(), tenants(row.device, store)
    beside = [span(cut(name, room, glyphs.ellipsis), "selected" if selected else "strong")]
    beside.append(span(cut(slots, room - 1, glyphs.ellipsis), "muted"))
    marker = span(glyphs.marker if selected else " ", "focus")
    texts = [*beside, *([span("")] * len(lines))]
    return [(marker, *padded((text,), room), *spans) for text, spans in zip(texts, lines, strict=False)]


def _heights(row: Row, store: Store, rows: int) -> dict[Metric, int]:
    """Rows for each graph; those that are more than one for each go to what the device reports, one after the other."""
    heights: dict[Metric, int] = dict.fromkeys(METRICS[:rows], 1)
    told = [metric for metric in heights if _is_told(row, store, metric)] or list(heights)
    for number in range(rows - len(heights)):
        heights[told[number % len(told)]] += 1
    return heights


def _is_told(row: Row, store: Store, metric: Metric) -> bool:
    """Whether the device reports it, or has done so."""
    device = row.source(metric)
    kept = store.past.devices.get(device.id)
    return getattr(device, metric) is not None or (kept is not None and metric in kept.of)


def shares(count: int, at: int, rows: int) -> list[int]:
    """Rows for each device: the selected one first, then a row for every other, then all graphs of all of them."""
    sizes = [0] * count
    if not count:
        return sizes
    full = len(METRICS)
    sizes[at] = min(full, rows)
    left = rows - sizes[at]
    for index in sorted(range(count), key=lambda index: abs(index - at)):
        if index != at and left:
            sizes[index], left = 1, left - 1
    for index in range(count):
        if 0 < sizes[index] < full <= left + sizes[index]:
            left -= full - sizes[index]
            sizes[index] = full
    if all(size == full for size in sizes):
        sizes = [min(full * HIGHEST_ROWS, full + left // count)] * count
    return sizes


def live_axis(store: Store, width: int) -> tuple[Timeline, Margins]:
    """Of a picture without a cursor."""
    margins = Margins.of(width)
    return Timeline.of(Scrub(), store.now, margins.room(width)), margins


def all_graphs(view: View, width: int, height: int) -> list[Line]:
    """Every device with its graphs, and the times below."""
    axis, margins = live_axis(view.store, width)
    rows = device_rows(view.store)
    lines: list[Line] = []
    for row, size in zip(rows, shares(len(rows), 0, height - 1), strict=True):
        lines += block(view, row, axis, margins, size, selected=False)
    return [*lines, axis_line(axis, margins, view.look.glyphs)]


def axis_line(axis: Timeline, margins: Margins, glyphs: Glyphs) -> Line:
    """The times of day, and the foot of the cursor."""
    text = axis.axis().ljust(axis.count)
    parts = [span(text, "muted")]
    if (at := axis.cursor) is not None:
        parts = [span(text[:at], "muted"), span(glyphs.foot, "focus"), span(text[at + 1 :], "muted")]
    return line(span(" " * margins.left), *parts)
