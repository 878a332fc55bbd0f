"""Two to four GPUs side by side, a box each, where the screen is wide and high; the processor has a line below."""

from itertools import zip_longest

from hal0.tui import figures
from hal0.tui.device_facts import label_of, memory_of, share
from hal0.tui.lines import Frame, Line, line, span
from hal0.tui.text import cut
from hal0.tui.view import View
from hal0.tui.widgets.device_lines import bar_spans, heat, history_of, one_line, remarks
from hal0.wire import DeviceView

FEWEST, MOST = 2, 4
FIGURE_ROWS = 4  # of a device, above what is said of it
SHORT_SECONDS, LONG_SECONDS = 300, 3600  # of the two histories
LABEL_CELLS = 19  # beside graphs and bars: ` vram 20.1/24.0G  `

Row = tuple[DeviceView, DeviceView | None]  # a device, and what has its memory if that is another one


def gpus_of(rows: list[Row]) -> list[DeviceView]:
    return [device for device, _ in rows if device.kind == "gpu"]


def are_for_boxes(rows: list[Row]) -> bool:
    return FEWEST <= len(gpus_of(rows)) <= MOST


def _said_rows(gpus: list[DeviceView], width: int) -> int:
    """How many lines are said of the GPU of which most is said; there is always one, for what is free."""
    return max(1, *(len(remarks(device, width // len(gpus) - 4)) for device in gpus))


def needed_height(rows: list[Row], width: int) -> int:
    gpus = gpus_of(rows)
    return 2 + FIGURE_ROWS + _said_rows(gpus, width) + len(rows) - len(gpus)


def boxes(view: View, rows: list[Row], width: int, frame: Frame, role: str) -> list[Line]:
    """All devices in lines of this width."""
    gpus = gpus_of(rows)
    said = _said_rows(gpus, width)
    each, spare = divmod(width, len(gpus))
    drawn = [_box(view, device, each + (number < spare), said, frame, role) for number, device in enumerate(gpus)]
    lines: list[Line] = [sum(parts, ()) for parts in zip_longest(*drawn, fillvalue=())]
    return lines + [one_line(view, device, memory, width) for device, memory in rows if device.kind != "gpu"]


def _box(view: View, device: DeviceView, width: int, said: int, frame: Frame, role: str) -> list[Line]:
    glyphs = view.look.glyphs
    used, total = memory_of(device, None)
    fraction = share(used, total)
    inner = width - 4
    room = inner - LABEL_CELLS + 2
    short = history_of(view.store, device, SHORT_SECONDS / room, room)
    long = history_of(view.store, device, LONG_SECONDS / room, room)
    gauge = bar_spans(fraction, room, glyphs, "bad" if fraction and fraction > 0.95 else "memory")
    warmth = heat(device, glyphs, inner - 5)
    lines = [
        _labelled("util", f"{figures.percent(device.utilisation)}  5m", figures.spark(short, glyphs.sparks)),
        line(span(" vram ", "muted"), span(f"{figures.pair(used, total):<{LABEL_CELLS - 7}}"), *gauge),
        line(span(" temp ", "muted"), *(warmth or [span(figures.MISSING, "muted")])),
        _labelled("hist", f"{'1h':>8}", figures.spark(long, glyphs.sparks)),
    ]
    about = [line(" ", *each) for each in remarks(device, inner)]
    if not about and used is not None and total is not None:
        about = [line(span(f" free {figures.size(max(0, total - used))}", "muted"))]
    lines += (about + [()] * said)[:said]
    name = cut(f"{label_of(device)} {device.name}".rstrip(), inner - 2, glyphs.ellipsis)
    return frame.box(lines, width, top=(line(span(name, "strong")), ()), role=role)


def _labelled(label: str, figure: str, graph: str) -> Line:
    return line(span(f" {label} ", "muted"), span(f"{figure:<{LABEL_CELLS - 7}}"), span(graph, "graph"))
