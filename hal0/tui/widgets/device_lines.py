"""What a device is drawn with: its history, memory bar, warmth and remarks, and all of it in one line."""

from hal0.tui import figures
from hal0.tui.device_facts import HOT_C, label_of, memory_of, note_of, residents, share, short_name, strangers, tenants
from hal0.tui.lines import Line, Span, line, span, width_of
from hal0.tui.look import Glyphs
from hal0.tui.store import Store
from hal0.tui.text import cells, cut, fit
from hal0.tui.view import View
from hal0.wire import DeviceView

NARROW_CELL_SECONDS = 5  # per glyph of history in the one-line form


def history_of(store: Store, device: DeviceView, seconds: float, width: int) -> list[float | None]:
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
    history = history_of(store, device, NARROW_CELL_SECONDS, 12 if wide else 6)
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
