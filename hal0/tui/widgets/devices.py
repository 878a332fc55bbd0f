"""The devices: utilisation as history and percent, memory, temperature, power, and who runs on them."""

from collections import deque
from collections.abc import Iterator
from typing import ClassVar

from hal0.tui import figures, places
from hal0.tui.lines import Line, Span, line, padded, span, spread, width_of
from hal0.tui.look import Glyphs
from hal0.tui.store import Store
from hal0.tui.text import cells, cut, fit
from hal0.tui.view import View
from hal0.tui.widgets.pane import Pane
from hal0.wire import DeviceView

NARROW_BUCKET_SECONDS = 5  # per glyph of history in the one-line form
WIDE_HISTORY_SECONDS = 300
ZOOMED_HISTORY_SECONDS = 1800
HOT_C = 85.0
LABEL_CELLS = 14
REMARK_CELLS = 40  # in the narrowest box; only whether there is a remark counts for the height


def rows_of(store: Store) -> Iterator[tuple[DeviceView, DeviceView | None]]:
    """The devices as they are drawn: the CPU together with the machine's memory, then each GPU."""
    memory = store.devices.get("memory")
    for device in store.devices.values():
        if device.kind == "cpu":
            yield device, memory
        elif device.kind == "gpu":
            yield device, None


def label_of(device: DeviceView) -> str:
    return "CPU" if device.kind == "cpu" else f"G{device.id.removeprefix('gpu')}"


def short_name(device: DeviceView) -> str:
    """The part of a GPU's name that tells it from others: `4090` of `NVIDIA GeForce RTX 4090`."""
    words = device.name.split()
    numbered = [word for word in words if any(char.isdigit() for char in word)]
    return numbered[-1] if numbered and device.kind == "gpu" else ""


def buckets(history: deque[tuple[float, float]] | None, now: float, width: int, seconds: float) -> list[float | None]:
    """Means over spans of time that lie fixed on the clock, so that a bucket once past does not change."""
    sums = [0.0] * width
    counts = [0] * width
    last = int(now // seconds)
    for at, value in reversed(history or ()):
        index = width - 1 - (last - int(at // seconds))
        if index < 0:
            break
        if index < width:
            sums[index] += value
            counts[index] += 1
    return [total / count if count else None for total, count in zip(sums, counts, strict=True)]


def graph(values: list[float | None], height: int, steps: str) -> list[str]:
    """A graph of several rows: each row shows what of a value lies in its share of the height."""

    def cell(value: float | None, row: int) -> str:
        above = -1.0 if value is None else value * height - row
        return " " if above <= 0 and (row or value is None) else figures.spark([above], steps)

    return ["".join(cell(value, row) for value in values) for row in range(height - 1, -1, -1)]


def memory_of(device: DeviceView, memory: DeviceView | None) -> tuple[int | None, int | None]:
    source = memory or device
    return source.memory_used_bytes, source.memory_total_bytes


def heat(device: DeviceView, glyphs: Glyphs) -> list[Span]:
    """Temperature and power, where they are known."""
    parts: list[Span] = []
    if device.temperature_c is not None:
        hot = device.temperature_c >= HOT_C
        parts.append(span(f"{device.temperature_c:.0f}{glyphs.degree}", "bad" if hot else "text"))
    if device.power_w is not None:
        parts.append(span(f"{' ' if parts else ''}{device.power_w:.0f}W"))
    return parts


def tenants(device: DeviceView, store: Store) -> str:
    """The slots that run on a device: those that hold its memory, and those that are told to."""
    return " ".join(
        slot.name
        for slot in store.slots.values()
        if slot.state not in ("offline", "error")
        and (slot.device == "cpu" if device.kind == "cpu" else device.id in places.gpus_of(slot))
    )


def residents(device: DeviceView, width: int) -> str:
    """What slots hold of a GPU's memory, cut where there is no room for more of them."""
    sizes: dict[str, int | None] = {}
    for process in device.processes if device.kind == "gpu" else ():
        if process.slot:
            before, more = sizes.get(process.slot, 0), process.memory_bytes
            sizes[process.slot] = None if before is None or more is None else before + more
    told = ", ".join(f"{name} {figures.size(size)}" for name, size in sizes.items())
    return cut(f"slots: {told}", width) if told else ""


def strangers(device: DeviceView, width: int) -> str:
    """The processes of others that hold a GPU's memory, as many as fit; empty if not even one does."""
    others = [process for process in device.processes if not process.slot] if device.kind == "gpu" else []
    names = [f"{each.name or f'pid {each.pid}'} {figures.size(each.memory_bytes)}" for each in others]
    for count in range(len(names), 0, -1):
        more = f" +{len(names) - count} more" if count < len(names) else ""
        told = f"others: {', '.join(names[:count])}{more}"
        if cells(told) <= width:
            return told
    return ""


def note_of(device: DeviceView) -> Span:
    """Why values of a GPU are unknown; louder if all of them are."""
    blind = device.utilisation is None and device.memory_used_bytes is None
    return span(device.note if device.kind == "gpu" else "", "warn" if blind else "muted")


def remarks(device: DeviceView, width: int) -> list[Line]:
    """What is to be said of a device beside its figures, the weightiest first, in lines of at most this width."""
    note, role = note_of(device)
    said = (span(cut(note, width), role), span(residents(device, width)), span(strangers(device, width), "muted"))
    return [line(each) for each in said if each[0]]


def bar_spans(fraction: float | None, width: int, glyphs: Glyphs, role: str) -> list[Span]:
    full, rest = figures.bar(fraction, width, glyphs.steps, glyphs.empty)
    return [span(full, role), span(rest, "empty")]


def share(used: int | None, total: int | None) -> float | None:
    return used / total if used is not None and total else None


def one_line(view: View, device: DeviceView, memory: DeviceView | None, width: int) -> Line:
    """A device in one line; what matters less is left out as the width shrinks."""
    store, glyphs = view.store, view.look.glyphs
    used, total = memory_of(device, memory)
    fraction = share(used, total)
    gauge = "mem" if device.kind == "cpu" else "vram"
    wide = width >= 72
    history = buckets(store.utilisation.get(device.id), store.now, 12 if wide else 6, NARROW_BUCKET_SECONDS)
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
    left = LABEL_CELLS
    room = width - left - 22
    history = buckets(store.utilisation.get(device.id), store.now, room, WIDE_HISTORY_SECONDS / room)
    drawn = graph(history, rows - 1, glyphs.sparks)
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
            *padded(tuple(heat(device, glyphs)), left),
            span("mem  " if device.kind == "cpu" else "vram ", "muted"),
            *bar_spans(fraction, room, glyphs, "bad" if fraction and fraction > 0.95 else "memory"),
            span("  " + figures.pair(used, total)),
        )
    )
    return lines


def zoomed(view: View, width: int, height: int) -> list[Line]:
    """Each device with a graph of its history as high as there is room for."""
    rows = list(rows_of(view.store))
    glyphs = view.look.glyphs
    lines: list[Line] = []
    each = max(1, height // max(1, len(rows)) - 3)
    inner = width - 8
    for device, memory in rows:
        history = buckets(view.store.utilisation.get(device.id), view.store.now, inner, ZOOMED_HISTORY_SECONDS / inner)
        name = line("  ", span(cut(device.name, width // 3), "muted"), " ")
        lines.append(spread(one_line(view, device, memory, width - width_of(name)), name, width))
        drawn = graph(history, each, glyphs.sparks)
        for number, text in enumerate(drawn):
            mark = "100%" if number == 0 else "  0%" if number == len(drawn) - 1 else ""
            lines.append(line(span(f" {mark:>4} ", "muted"), span(text, "graph")))
        ago = f"{ZOOMED_HISTORY_SECONDS // 60} min ago"
        lines.append(spread(line(span(f"      {ago}", "muted")), line(span("now  ", "muted")), width))
        lines.append(())
    return lines


class Devices(Pane):
    """The devices pane: a line each, or a box with two lines each, or graphs when it has the screen."""

    TOPICS: ClassVar = frozenset({"devices", "slots", "link"})
    can_focus = True

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
            return [self.frame.rule(width, title, (), self.frame_role), *zoomed(view, width, height - 1)]
        if not self.boxed:
            if not rows:
                return [line(span(" no device was reported" if view.store.loaded else "", "muted"))]
            lines = [one_line(view, device, memory, width) for device, memory in rows]
            return [_focus_mark(spans, self.has_focus, view.look.glyphs.marker) for spans in lines]
        body: list[Line] = []
        said = [(device.id, each) for device, _ in rows for each in remarks(device, width - 4 - LABEL_CELLS)]
        said = said[: max(0, height - 2 - len(rows) * 2)]  # the figures come first
        each = min(4, max(2, (height - 2 - len(said)) // max(1, len(rows))))
        for device, memory in rows:
            body += in_box(view, device, memory, width - 2, each)
            body += [(span(" " * (LABEL_CELLS + 1)), *text) for id, text in said if id == device.id]
        body = (body + [()] * height)[: height - 2]
        title = line(span("devices", "title" if self.has_focus else "text"))
        name = cut(next((device.name for device, _ in rows if device.kind == "cpu"), ""), width - 24)
        right = line(span(name, "muted"), span("  5m" if name else "5m", "muted"))
        return self.frame.box(body, width, top=(title, right), role=self.frame_role)


def _focus_mark(spans: Line, focused: bool, marker: str) -> Line:
    return ((marker, "focus"), *spans[1:]) if focused else spans
