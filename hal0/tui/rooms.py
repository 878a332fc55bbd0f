"""What a slot would take of each device, beside what is free there, and what is decided on it. Pure."""

from collections.abc import Iterator, Mapping

from hal0.tui import figures
from hal0.tui.lines import Line, line, span
from hal0.tui.look import Glyphs
from hal0.tui.text import fit, harmless, wrap
from hal0.wire import DeviceView, FitView, RoomView

LABEL_CELLS = 8
FIGURE_CELLS = 13  # "100.0/128.0G"
LONGEST_BAR = 32
VERDICT_ROLES = {"fits": "good", "evict": "warn", "wait": "warn", "impossible": "bad"}


def lines(told: FitView, devices: Mapping[str, DeviceView], width: int, glyphs: Glyphs) -> list[Line]:
    """The verdict, then each device now and with the slot on it."""
    role = VERDICT_ROLES[told.verdict]
    found = [line(span("   " + piece, role)) for piece in wrap(harmless(verdict(told)), width - 4)]
    return found + [each for room in told.rooms for each in _room(room, devices, width, glyphs)]


def verdict(told: FitView) -> str:
    """Whether it fits, and who has to go first."""
    match told.verdict:
        case "fits":
            return "it fits" if told.rooms else "nothing is reserved for it: it starts whatever is free"
        case "evict":
            return f"it fits if these are unloaded, in this order: {', '.join(told.would_go)}"
        case "wait":
            return f"it fits once these are quiet or gone: {', '.join(told.waits_for)}"
        case "impossible":
            return f"it does not fit: {told.reason}"


def _room(room: RoomView, devices: Mapping[str, DeviceView], width: int, glyphs: Glyphs) -> Iterator[Line]:
    device = devices.get(room.device)
    total = device.memory_total_bytes if device else None
    free = room.free_bytes
    if device is None or total is None or free is None:
        known = "" if free is None else f", {figures.size(free)} are free"
        yield line(span(f"   {fit(_name(room.device), LABEL_CELLS)} "), span(f"{figures.size(room.need_bytes)}{known}"))
        return
    then = max(0, total - free) + room.need_bytes
    for label, name, used in (("now", room.device, device.memory_used_bytes), ("after", "", then)):
        size = max(4, min(LONGEST_BAR, width - LABEL_CELLS - FIGURE_CELLS - 14))
        full, rest = figures.bar((used or 0) / total, size, glyphs.steps, glyphs.empty)
        is_over = used is not None and used > total
        figure = span(f" {figures.pair(used, total):>{FIGURE_CELLS}}", "bad" if is_over else "text")
        head = span(f"   {fit(_name(name), LABEL_CELLS)} ")
        yield line(
            head, span(f"{label:<6}", "muted"), span(full, "bad" if is_over else "memory"), span(rest, "empty"), figure
        )


def _name(device: str) -> str:
    return "RAM" if device == "memory" else device
