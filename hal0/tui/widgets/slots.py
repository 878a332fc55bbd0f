"""The slots: one row each, the columns that fit, the selected one in reverse video."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

from textual.events import Click, MouseScrollDown, MouseScrollUp

from hal0.tui import figures, places, retries
from hal0.tui.lines import Line, Span, line, padded, span
from hal0.tui.look import STATE_ROLE, Glyphs
from hal0.tui.messages import Touched
from hal0.tui.speeds import RATES
from hal0.tui.streams import Load
from hal0.tui.text import cells, fit
from hal0.tui.view import View
from hal0.tui.widgets.pane import Pane
from hal0.wire import SlotView

GUTTER = 4  # a space, the marker, the glyph, a space
GAP = 1


@dataclass(frozen=True, slots=True)
class Column:
    """A column: how wide at least and at most, and when it gives way (a high number soon)."""

    id: str
    title: str
    least: int
    most: int
    gives_way: int
    right: bool = False
    live: bool = False  # changes while the slot works; one note replaces all of these in a slot that does not


COLUMNS = (
    Column("slot", "SLOT", 9, 24, 0),
    Column("state", "STATE", 12, 13, 0),
    Column("kind", "KIND", 9, 13, 13),
    Column("model", "MODEL", 12, 44, 4),
    Column("engine", "ENGINE", 11, 24, 10),
    Column("device", "DEV", 4, 6, 6, right=True),
    Column("memory", "MEM", 6, 7, 3, right=True),
    Column("context", "CTX", 7, 8, 8, right=True, live=True),
    Column("rate", "TOK/S", 6, 7, 1, right=True, live=True),
    Column("spark", "SPARK", RATES, RATES, 11, live=True),
    Column("ttft", "TTFT", 6, 7, 5, right=True, live=True),
    Column("p95", "P95", 6, 7, 9, right=True, live=True),
    Column("load", "LOAD", 6, 7, 12, right=True, live=True),
    Column("requests", "REQ", 4, 5, 2, right=True),
    Column("since", "SINCE", 6, 7, 7, right=True),
    Column("port", "PORT", 5, 6, 14, right=True),
    Column("pid", "PID", 7, 8, 15, right=True),
    Column("revision", "REV", 4, 5, 16, right=True),
)
ESSENTIAL = 8  # so many of them, by `gives_way`, come before anything gets more than its least width


def fitting(width: int, wanted: Mapping[str, int]) -> list[tuple[Column, int]]:
    """The columns that fit, with their widths: what must be there, then whole names, then what is nice to have."""
    room = width - GUTTER - 1
    widths: dict[str, int] = {}
    ranked = sorted(COLUMNS, key=lambda column: column.gives_way)
    for column in ranked[:ESSENTIAL]:
        if column.least + GAP <= room or not column.gives_way:
            widths[column.id] = column.least
            room -= column.least + GAP
    for column in ranked:
        if column.id in widths and not column.right:
            more = max(0, min(room, min(wanted.get(column.id, 0), column.most) - widths[column.id]))
            widths[column.id] += more
            room -= more
    for column in ranked[ESSENTIAL:]:
        size = min(max(column.least, wanted.get(column.id, 0)), column.most)
        if size + GAP > room:
            size = column.least  # its beginning is better than nothing
        if size + GAP > room:
            break
        widths[column.id] = size
        room -= size + GAP
    for column in COLUMNS:
        if column.right and column.id in widths and room > 0:
            widths[column.id] += 1
            room -= 1
    if "model" in widths:
        widths["model"] += min(max(0, room), 12)
    return [(column, widths[column.id]) for column in COLUMNS if column.id in widths]


def state_word(slot: SlotView, now: float) -> str:
    if slot.state in ("warming", "pulling") and slot.progress is not None:
        return f"{slot.state} {slot.progress:.0%}"
    if slot.state in ("starting", "warming", "unloading", "pulling"):
        return f"{slot.state} {figures.span(now - slot.since)}"
    return slot.state


def note_of(slot: SlotView, now: float, room: int) -> tuple[str, str] | None:
    """What stands where the live figures would be: text and role. None: show the figures."""
    if slot.remark and not slot.in_flight:
        short = slot.remark.removeprefix("waiting for memory: ")
        return _longest((slot.remark, short, "waits"), room), "warn"
    if slot.state == "error":
        count = f"×{slot.failures} " if slot.failures > 1 else ""
        retry = retries.note(slot, now)
        code = f"{slot.error.code} " if slot.error else ""
        short = "parked" if slot.parked else retry.removeprefix("retry ")
        return _longest((f"{code}{count}{retry}", f"{count}{retry}", retry, short), room), "bad"
    if slot.state == "idle" and slot.unload_at is not None:
        wait = figures.span(slot.unload_at - now)
        return _longest((f"unload in {wait}", f"unload {wait}", wait), room), "muted"
    return None


def _longest(notes: Sequence[str], room: int) -> str:
    """The first that fits; they are given with the longest first."""
    return next((note for note in notes if cells(note) <= room), notes[-1])


def name_of(slot: SlotView, glyphs: Glyphs) -> str:
    return f"{slot.name} {glyphs.pinned}" if slot.pinned else slot.name


def cell_texts(slot: SlotView, load: Load, now: float, glyphs: Glyphs) -> dict[str, Span]:
    """Every column of one slot."""
    past = "text" if load.decoding else "muted"
    context = figures.tokens_of(slot.context)
    return {
        "slot": span(name_of(slot, glyphs), "strong"),
        "state": span(state_word(slot, now), STATE_ROLE[slot.state]),
        "kind": span(slot.use, "muted"),
        "model": span(slot.model),
        "engine": span(slot.engine or slot.provider, "muted"),
        "device": span(places.device_of(slot)),
        "memory": span(figures.size(places.memory_of(slot))),
        "context": span(f"{context}/{slot.parallel}" if slot.parallel > 1 else context, "muted"),
        "rate": span(figures.rate(load.tokens_per_second), "busy" if load.decoding else past),
        "ttft": span(figures.milliseconds(load.ttft_ms), past),
        "p95": span(figures.milliseconds(load.recent.p95_ttft_ms), "muted"),
        "spark": span(_spark(load.recent.rates, glyphs), "graph"),
        "load": span(figures.milliseconds(slot.load_ms), "muted"),
        "requests": _requests(slot, load),
        "since": span(figures.span(now - slot.lasts_since), "muted"),
        "port": span(slot.port or figures.MISSING, "muted"),
        "pid": span(slot.pid or figures.MISSING, "muted"),
        "revision": span(f"r{slot.revision}", "muted"),
    }


def _spark(rates: Sequence[float], glyphs: Glyphs) -> str:
    """Tokens per second of its last requests, each beside the fastest of them."""
    fastest = max(rates, default=0.0) or 1.0
    return figures.spark([rate / fastest for rate in rates], glyphs.sparks)


def _requests(slot: SlotView, load: Load) -> Span:
    waiting = max(load.waiting, slot.waiting if load.in_flight + load.waiting == 0 else 0)
    if waiting:
        return span(f"{load.in_flight}+{waiting}", "warn")
    return span(load.in_flight, "text" if load.in_flight else "muted")


def row(view: View, slot: SlotView, columns: Sequence[tuple[Column, int]], *, selected: bool, focused: bool) -> Line:
    """One slot as a line."""
    store, glyphs = view.store, view.look.glyphs
    texts = cell_texts(slot, store.load_of(slot), store.now, glyphs)
    live = [size for column, size in columns if column.live]
    note_room = sum(live) + GAP * (len(live) - 1)
    note = note_of(slot, store.now, note_room) if live else None
    if _code(slot) and (note is None or not note[0].startswith(_code(slot))):
        texts["model"] = span(_code(slot), "bad")
    spans: list[Span] = [
        span("+", "key") if slot.name in view.marked else span(" "),
        span(glyphs.marker if selected else " ", "focus"),
        span(glyphs.states[slot.state], STATE_ROLE[slot.state]),
        span(" "),
    ]
    noted = False
    for column, size in columns:
        text, role = texts[column.id]
        if note is not None and column.live:
            if not noted:
                spans.append(span(fit(note[0], note_room, right=True, ellipsis=glyphs.ellipsis) + " " * GAP, note[1]))
                noted = True
            continue
        spans.append(span(fit(text, size, right=column.right, ellipsis=glyphs.ellipsis) + " " * GAP, role))
    if selected and focused:
        return tuple((text, "selected") for text, _ in spans)
    return tuple(spans)


def header(columns: Sequence[tuple[Column, int]]) -> Line:
    titles = "".join(fit(column.title, size, right=column.right) + " " * GAP for column, size in columns)
    return line(span(" " * GUTTER + titles, "head"))


def table(view: View, width: int, height: int, top: int, *, focused: bool) -> tuple[list[Line], int]:
    """The header and the rows that fit, the selected one always among them; and the index of the first one."""
    slots = view.slots()
    current = view.slot()
    names = [slot.name for slot in slots]
    at = names.index(current.name) if current else 0
    rows = max(1, height - 1)
    top = max(0, min(top, at, len(slots) - rows))
    top = max(top, at - rows + 1)
    wanted = {
        "slot": max((cells(name_of(slot, view.look.glyphs)) for slot in slots), default=0),
        "model": max((cells(text) for slot in slots for text in (slot.model, _code(slot))), default=0),
        "engine": max((cells(slot.engine or slot.provider) for slot in slots), default=0),
        "state": 13,
        "kind": max((len(slot.use) for slot in slots), default=0),
    }
    columns = fitting(width, wanted)
    lines = [header(columns)]
    lines += [
        padded(
            row(view, slot, columns, selected=slot is current, focused=focused), width, _fill(slot is current, focused)
        )
        for slot in slots[top : top + rows]
    ]
    if not slots:
        empty = "no slot fits the filter" if view.filter else "no slots: the configuration names none"
        lines.append(line(span(" " * GUTTER + (empty if view.store.loaded else ""), "muted")))
    return lines, top


def _code(slot: SlotView) -> str:
    return slot.error.code if slot.error and slot.state == "error" else ""


def _fill(selected: bool, focused: bool) -> str:
    return "selected" if selected and focused else "text"


class SlotTable(Pane):
    """The slots pane."""

    TOPICS: ClassVar = frozenset({"slots", "requests", "link", "time", "config"})
    can_focus = True

    def __init__(self, view: View, *, id: str | None = None) -> None:
        super().__init__(view, id=id)
        self._top = 0

    @property
    def chrome(self) -> int:
        """Rows besides those of slots: rule and header, or box and header."""
        return 3 if self.boxed else 2

    def paint(self, width: int, height: int) -> list[Line]:
        view = self.view
        inner = width - 2 if self.boxed else width
        body, self._top = table(view, inner, height - self.chrome + 1, self._top, focused=self.has_focus)
        shown, total = len(view.slots()), len(view.store.slots)
        title = line(span("slots", "title" if self.has_focus else "text"), " ", span(_of(shown, total), "muted"))
        rows = len(body) - 1
        marked = sum(slot.name in view.marked for slot in view.slots())
        notes = [
            span(f"/{view.filter}", "warn") if view.filter else None,
            span(f"{marked} marked", "warn") if marked else None,
            span(f"sort:{view.order}", "muted") if view.order else None,
            span(f"{self._top + 1}-{self._top + rows} of {shown}", "muted") if rows < shown else None,
        ]
        right: list[Span] = []
        for note in filter(None, notes):
            right += [span("  "), note] if right else [note]
        if self.boxed:
            body += [()] * (height - 2 - len(body))
            return self.frame.box(body, width, top=(title, tuple(right)), role=self.frame_role)
        return [self.frame.rule(width, title, tuple(right), self.frame_role), *body]

    def goals(self) -> list[tuple[int, Callable[[], object]]]:
        """Each row that is shown."""
        shown = self.view.slots()[self._top : self._top + max(0, self.size.height - self.chrome)]
        return [(2 + number, partial(self._jump_to, slot.name)) for number, slot in enumerate(shown)]

    def _jump_to(self, slot: str) -> None:
        self.focus()
        self.view.select(slot)

    @property
    def page(self) -> int:
        return max(1, self.size.height - self.chrome)

    def scroll_lines(self, by: int) -> None:
        self.view.move(by)

    def on_click(self, event: Click) -> None:
        """A click selects a slot."""
        index = self._top + event.y - 2
        shown = self.view.slots()
        if event.y >= 2 and index < len(shown):
            self.view.select(shown[index].name)
            self.post_message(Touched())

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        self.view.move(1)
        self.post_message(Touched())

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        self.view.move(-1)
        self.post_message(Touched())


def _of(shown: int, total: int) -> str:
    return str(total) if shown == total else f"{shown}/{total}"
