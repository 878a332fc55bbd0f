"""The facts of the selected slot, beside the table where there is room."""

from typing import ClassVar

from hal0.tui import figures, places, problems, swaps
from hal0.tui.lines import Line, Span, line, span
from hal0.tui.look import STATE_ROLE
from hal0.tui.text import wrap
from hal0.tui.widgets.pane import Pane
from hal0.wire import SlotView


def facts_of(slot: SlotView, now: float) -> list[tuple[str, str]]:
    """Name and value of what is known."""
    error = f"{slot.error.code}: {slot.error.message}" if slot.error else ""
    facts = [
        ("now", slot.remark),
        ("model", slot.model),
        ("kind", slot.use),
        ("engine", slot.engine or slot.provider),
        ("device", places.device_of(slot)),
        ("memory", places.memory_in_words(slot)),
        ("context", f"{slot.context} tokens x {slot.parallel}" if slot.context else ""),
        ("address", f"127.0.0.1:{slot.port}" if slot.port else ""),
        ("process", f"pid {slot.pid}, run {slot.run}" if slot.pid else f"run {slot.run}" if slot.run else ""),
        ("loaded in", figures.milliseconds(slot.load_ms) if slot.load_ms else ""),
        ("aliases", ", ".join(slot.aliases)),
        ("pinned", "it never makes room for others" if slot.pinned else ""),
        ("swap", swaps.in_words(slot.swap) if slot.swap else ""),
        ("revision", f"r{slot.revision}"),
        ("failures", f"{slot.failures} of 5" if slot.failures else ""),
        ("unloads in", figures.span(slot.unload_at - now) if slot.unload_at else ""),
        ("last error" if slot.state != "error" else "error", error),
        ("crash", problems.crash_of(slot.error)),
    ]
    return [(name, value) for name, value in facts if value]


class Detail(Pane):
    """The detail pane."""

    TOPICS: ClassVar = frozenset({"slots", "time", "link"})

    def paint(self, width: int, height: int) -> list[Line]:
        view = self.view
        slot = view.slot()
        body: list[Line] = []
        title: Line = line(span("detail"))
        if slot is not None:
            now = view.store.now
            state: Span = span(f"{view.look.glyphs.states[slot.state]} {slot.state}", STATE_ROLE[slot.state])
            title = line(span(slot.name, "strong"), " ", state)
            for name, value in facts_of(slot, now):
                pieces = wrap(value, width - 16)
                body.append(line(" ", span(f"{name:<11}", "muted"), span(pieces[0])))
                body += [line(span(" " * 12 + piece)) for piece in pieces[1:]]
        body += [()] * (height - 2 - len(body))
        since = line(span(f"since {figures.clock(slot.lasts_since)}", "muted")) if slot else ()
        return self.frame.box(body[: height - 2], width, top=(title, since), role=self.frame_role)
