"""Who holds the memory of a device, as a stacked bar and a list in the same order."""

from collections.abc import Sequence

from hal0.tui import figures
from hal0.tui.lines import Line, Span, columns, line, span
from hal0.tui.look import HOLDER_ROLE, SLOT_ROLES, Glyphs
from hal0.tui.owners import Part
from hal0.tui.text import fit
from hal0.tui.view import View
from hal0.wire import DeviceView

COLUMN_CELLS = 42  # of one part in the list, at least
WORDS = {"rest": "unknown holders", "free": "free"}


def roles_of(parts: Sequence[Part]) -> list[str]:
    """A colour for each; slots side by side have different ones."""
    roles, slots = [], 0
    for part in parts:
        roles.append(SLOT_ROLES[slots % len(SLOT_ROLES)] if part.kind == "slot" else HOLDER_ROLE[part.kind])
        slots += part.kind == "slot"
    return roles


def stacked(parts: Sequence[Part], whole: int, width: int, glyphs: Glyphs) -> list[Span]:
    """A bar of exactly so many cells; each part ends where its sum with those before says."""
    spans: list[Span] = []
    done = reached = 0
    for part, role in zip(parts, roles_of(parts), strict=True):
        reached += part.size or 0
        end = min(width, round(reached * width / max(1, whole, reached)))
        if end > done:
            spans.append(span(glyphs.holders[part.kind] * (end - done), role))
            done = end
    return [*spans, span(glyphs.holders["free"] * (width - done), "empty")] if done < width else spans


def title_of(part: Part) -> str:
    if part.kind == "promised":
        return f"promised to {part.name}"
    if part.kind in WORDS:
        return WORDS[part.kind]
    known = ", ".join(filter(None, (f"pid {part.pid}" if part.kind == "stranger" else "", part.user)))
    return f"{part.name} ({known})" if known and not part.name.startswith("pid ") else part.name


def listed(parts: Sequence[Part], whole: int | None, width: int, rows: int, glyphs: Glyphs) -> list[Line]:
    """The parts in as many columns as fit; of too many the smallest are told as a sum."""
    count = max(1, width // COLUMN_CELLS)
    cell = (width - 2 * (count - 1)) // count
    shown = list(zip(parts, roles_of(parts), strict=True))
    if len(shown) > rows * count:
        shown = _fewer(shown, rows * count)
    pieces = [_piece(part, role, whole, cell, glyphs) for part, role in shown]
    high = -(-len(pieces) // count)
    return [
        columns([pieces[at] if at < len(pieces) else () for at in range(row, high * count, high)], [cell] * count)
        for row in range(high)
    ]


def _fewer(shown: list[tuple[Part, str]], most: int) -> list[tuple[Part, str]]:
    """Leave out the smallest of those that hold something, and tell their sum."""
    holders = [each for each in shown if each[0].kind in ("slot", "stranger")]
    others = [each for each in shown if each[0].kind not in ("slot", "stranger")]
    if most < len(others) + 2:  # the bar shows them too
        others = []
    keep = max(0, most - len(others) - 1)
    gone = holders[keep:]
    total = sum(part.size or 0 for part, _ in gone)
    more = (Part("stranger", f"{len(gone)} more", total), HOLDER_ROLE["stranger"])
    return [*holders[:keep], more, *others][:most]


def _piece(part: Part, role: str, whole: int | None, cell: int, glyphs: Glyphs) -> Line:
    share = figures.percent(part.size / whole) if whole and part.size is not None else "    "
    told = f"{figures.size(part.size):>6}{share}"
    title = title_of(part) if part.pid or part.kind != "stranger" else part.name
    name = fit(title, max(1, cell - 2 - len(told)), ellipsis=glyphs.ellipsis)
    return line(span(glyphs.holders[part.kind], role), " ", span(name), span(told, "muted"))


def held(
    view: View, device: DeviceView, parts: Sequence[Part], left: int, room: int, width: int, rows: int, *, is_past: bool
) -> list[Line]:
    """The bar in so many cells after `left` ones, and the list below it, in so many rows altogether."""
    glyphs = view.look.glyphs
    used, total = device.memory_used_bytes, device.memory_total_bytes
    whole = total or sum(part.size or 0 for part in parts)
    label = span(fit("now" if is_past else "held", left) if left else "", "muted")
    bar = line(label, *stacked(parts, whole, room, glyphs), span(" " + figures.pair(used, total)))
    indent = span(" " * left)
    below = listed(parts, total, width - left - 1, rows - 1, glyphs)
    return [bar, *(line(indent, *spans) for spans in below)]


def rows_for(parts: Sequence[Part], width: int) -> int:
    """How many rows the bar and the whole list take."""
    return 1 - (-len(parts) // max(1, width // COLUMN_CELLS))
