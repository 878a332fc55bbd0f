"""The devices: utilisation as history and percent, memory, temperature, power, and who runs on them."""

from typing import ClassVar

from hal0.tui import figures
from hal0.tui.device_facts import (
    HOT_C,
    label_of,
    memory_of,
    note_of,
    residents,
    rows_of,
    share,
    short_name,
    strangers,
    tenants,
)
from hal0.tui.lines import Line, Span, line, padded, span, width_of
from hal0.tui.look import Glyphs
from hal0.tui.store import Store
from hal0.tui.text import cells, cut, fit
from hal0.tui.view import View
from hal0.tui.widgets.graphs import all_graphs
from hal0.tui.widgets.pane import Pane
from hal0.wire import DeviceView

NARROW_CELL_SECONDS = 5  # per glyph of history in the one-line form
WIDE_HISTORY_SECONDS = 300
MOST_ROWS = 4  # of a device in the box
LABEL_CELLS = 14
WIDE_CELLS = 90  # of a box, from which there is room for
WIDE_LABEL_CELLS = 24
REMARK_CELLS = 40  # in the narrowest box; only whether there is a remark counts for the height


def _history(store: Store, device: DeviceView, seconds: float, width: int) -> list[float | None]:
    """Its utilisation in so many cells of so many seconds, up to now."""
    kept = store.past.devices.get(device.id)
    ring = kept.of.get("utilisation") if kept is not None else None
    return ring.cells(seconds, int(store.now // seconds), width) if ring is not None else [None] * width


def heat(device: DeviceView, glyphs: Glyphs, width: int = 0) -> list[Span]:
    """Temperature and power, where they are known; as far as so many cells allow also the power's limit and the fan."""
    parts: list[Span] = []
    if device.temperature_c is not None:
        hot = device.temperature_c >= HOT_C
        parts.append(span(f"{device.temperature_c:.0f}{glyphs.degree}", "bad" if hot else "text"))
    if device.power_w is not None:
        watts = f"{' ' if parts else ''}{device.power_w:.0f}"
        limit = f"/{device.power_limit_w:.0f}" if device.power_limit_w is not None else ""
        fits = width_of(tuple(parts)) + len(watts) + len(limit) + 1 < width
        parts.append(span(f"{watts}{limit if fits else ''}W"))
    if device.fan_percent is not None:
        fan = f"{' ' if parts else ''}fan {device.fan_percent:.0f}%"
        if width_of(tuple(parts)) + len(fan) < width:
            parts.append(span(fan, "muted"))
    return parts


def remarks(device: DeviceView, width: int) -> list[Line]:
    """What is to be said of a device beside its figures, the weightiest first, in lines of at most this width."""
    note, role = note_of(device)
    ours, others = residents(device, width), strangers(device, width)
    lines = [line(span(cut(note, width), role))] if note else []
    if ours and others and cells(ours) + 2 + cells(others) <= width:
        return [*lines, line(span(ours), "  ", span(others, "muted"))]
    return [*lines, *(line(each) for each in (span(ours), span(others, "muted")) if each[0])]


def bar_spans(fraction: float | None, width: int, glyphs: Glyphs, role: str) -> list[Span]:
    full, rest = figures.bar(fraction, width, glyphs.steps, glyphs.empty)
    return [span(full, role), span(rest, "empty")]


def one_line(view: View, device: DeviceView, memory: DeviceView | None, width: int) -> Line:
    """A device in one line; what matters less is left out as the width shrinks."""
    store, glyphs = view.store, view.look.glyphs
    used, total = memory_of(device, memory)
    fraction = share(used, total)
    gauge = "mem" if device.kind == "cpu" else "vram"
    wide = width >= 72
    history = _history(store, device, NARROW_CELL_SECONDS, 12 if wide else 6)
    name = fit(f"{label_of(device)} {short_name(device)}".rstrip(), 8 if device.kind == "gpu" else 3)
    parts: list[Span] = [
        span(" "),
        span(name, "strong"),
        span(" "),
        span(figures.spark(history, glyphs.sparks), "graph"),
        span(figures.percent(device.utilisation)),
        span(f" {gauge} ", "muted"),
        *bar_spans(fraction, 9 if wide else 5, glyphs, "bad" if fraction and fraction > 0.95 else "memory"),
        span(" " + figures.pair(used, total)),
    ]
    for extra in ([note_of(device)], heat(device, glyphs), [span(tenants(device, store), "muted")]):
        if extra and extra[0][0] and width_of(tuple(parts)) + 2 + width_of(tuple(extra)) <= width:
            parts += [span("  "), *extra]
    if others := strangers(device, width - width_of(tuple(parts)) - 2):
        parts += [span("  "), span(others, "muted")]
    return tuple(parts)


def in_box(view: View, device: DeviceView, memory: DeviceView | None, width: int, rows: int) -> list[Line]:
    """A device in so many lines, two at least: its history as high as there is room for, and its memory."""
    store, glyphs = view.store, view.look.glyphs
    used, total = memory_of(device, memory)
    fraction = share(used, total)
    left = LABEL_CELLS if width < WIDE_CELLS else WIDE_LABEL_CELLS
    room = width - left - 22
    history = _history(store, device, WIDE_HISTORY_SECONDS / room, room)
    drawn = figures.graph(history, rows - 1, glyphs.sparks)
    name = f"{label_of(device)} {short_name(device)}".rstrip()
    cores = f" {device.cores} cores" if device.cores else ""
    label = line(span(name, "strong"), span(cut(cores, left - len(name)), "muted"))
    lines: list[Line] = []
    for number, text in enumerate(drawn):
        last = number == rows - 2
        lines.append(
            line(
                " ",
                *padded(label if number == 0 else (), left),
                span("util " if last else "     ", "muted"),
                span(text, "graph"),
                span(" " + figures.percent(device.utilisation) if last else ""),
            )
        )
    lines.append(
        line(
            " ",
            *padded(tuple(heat(device, glyphs, left)), left),
            span("mem  " if device.kind == "cpu" else "vram ", "muted"),
            *bar_spans(fraction, room, glyphs, "bad" if fraction and fraction > 0.95 else "memory"),
            span("  " + figures.pair(used, total)),
        )
    )
    return lines


class Devices(Pane):
    """The devices pane: a line each, or a box with two lines each, or graphs when it has the screen."""

    TOPICS: ClassVar = frozenset({"devices", "slots", "link"})
    can_focus = True

    @property
    def fades(self) -> bool:
        return super().fades and not self.view.store.devices_are_read_here

    def needed_height(self) -> int:
        devices = [device for device, _ in rows_of(self.view.store)]
        if not self.boxed:
            return max(len(devices), 1)
        return len(devices) * 2 + 2 + sum(len(remarks(device, REMARK_CELLS)) for device in devices)

    def paint(self, width: int, height: int) -> list[Line]:
        view = self.view
        rows = list(rows_of(view.store))
        if self.has_class("-zoomed"):
            title = line(span("devices", "title" if self.has_focus else "text"))
            return [self.frame.rule(width, title, (), self.frame_role), *all_graphs(view, width, height - 1)]
        if not self.boxed:
            if not rows:
                return [line(span(" no device was reported" if view.store.loaded else "", "muted"))]
            lines = [one_line(view, device, memory, width) for device, memory in rows]
            return [_focus_mark(spans, self.has_focus, view.look.glyphs.marker) for spans in lines]
        body: list[Line] = []
        beside = LABEL_CELLS if width - 2 < WIDE_CELLS else WIDE_LABEL_CELLS
        said = [(device.id, each) for device, _ in rows for each in remarks(device, width - 4 - beside)]
        said = said[: max(0, height - 2 - len(rows) * 2)]  # the figures come first
        each, spare = divmod(height - 2 - len(said), max(1, len(rows)))
        for number, (device, memory) in enumerate(rows):
            high = min(MOST_ROWS, each + (number < spare))
            if each < 2:  # too many for their boxes
                body.append(one_line(view, device, memory, width - 2))
            else:
                body += in_box(view, device, memory, width - 2, high)
            body += [(span(" " * (beside + 1)), *text) for id, text in said if id == device.id]
        body = (body + [()] * height)[: height - 2]
        title = line(span("devices", "title" if self.has_focus else "text"))
        name = cut(next((device.name for device, _ in rows if device.kind == "cpu"), ""), width - 24)
        right = line(span(name, "muted"), span("  5m" if name else "5m", "muted"))
        return self.frame.box(body, width, top=(title, right), role=self.frame_role)


def _focus_mark(spans: Line, focused: bool, marker: str) -> Line:
    return ((marker, "focus"), *spans[1:]) if focused else spans
