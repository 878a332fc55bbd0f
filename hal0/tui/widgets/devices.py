"""The devices: utilisation as history and percent, memory, temperature, power, and who runs on them."""

from typing import ClassVar

from hal0.tui import figures
from hal0.tui.device_facts import label_of, memory_of, rows_of, share, short_name
from hal0.tui.lines import Line, line, padded, span
from hal0.tui.text import cut
from hal0.tui.view import View
from hal0.tui.widgets import device_boxes
from hal0.tui.widgets.device_lines import bar_spans, heat, history_of, one_line, remarks
from hal0.tui.widgets.graphs import all_graphs
from hal0.tui.widgets.pane import Pane
from hal0.wire import DeviceView

WIDE_HISTORY_SECONDS = 300
MOST_ROWS = 4  # of a device in the box
LABEL_CELLS = 14
WIDE_CELLS = 90  # of a box, from which there is room for
WIDE_LABEL_CELLS = 24
REMARK_CELLS = 40  # in the narrowest box; only whether there is a remark counts for the height


def in_box(view: View, device: DeviceView, memory: DeviceView | None, width: int, rows: int) -> list[Line]:
    """A device in so many lines, two at least: its history as high as there is room for, and its memory."""
    store, glyphs = view.store, view.look.glyphs
    used, total = memory_of(device, memory)
    fraction = share(used, total)
    left = LABEL_CELLS if width < WIDE_CELLS else WIDE_LABEL_CELLS
    room = width - left - 22
    history = history_of(store, device, WIDE_HISTORY_SECONDS / room, room)
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
    """The devices pane: a line each, or two in one box, or a box for each GPU, or graphs when it has the screen."""

    TOPICS: ClassVar = frozenset({"devices", "slots", "link"})
    can_focus = True
    beside = False  # each GPU has a box of its own, side by side

    @property
    def can_be_beside(self) -> bool:
        return device_boxes.are_for_boxes(list(rows_of(self.view.store)))

    @property
    def fades(self) -> bool:
        return super().fades and not self.view.store.devices_are_read_here

    def needed_height(self, width: int) -> int:
        if self.beside:
            return device_boxes.needed_height(list(rows_of(self.view.store)), width)
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
        if self.beside and rows:
            lines = device_boxes.boxes(view, rows, width, self.frame, self.frame_role)
            return lines[:height]
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
