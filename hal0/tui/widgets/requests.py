"""The requests of late, one row each, the newest first; the selected one in reverse video."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.events import Click, MouseScrollDown, MouseScrollUp

from hal0.tui import figures
from hal0.tui.lines import Line, Span, line, padded, span
from hal0.tui.look import OUTCOME_ROLE, PHASE_ROLE, Glyphs
from hal0.tui.messages import Touched
from hal0.tui.store import Stream
from hal0.tui.text import fit
from hal0.tui.view import View
from hal0.tui.widgets.pane import Pane
from hal0.tui.widgets.stream import short_id
from hal0.wire import RequestView

GUTTER = 4  # a space, the marker, the glyph, a space
GAP = 1


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its width, and when it gives way (a high number soon); `asked` takes what is left."""

    id: str
    title: str
    cells: int
    gives_way: int
    right: bool = False


COLUMNS = (
    Column("id", "REQUEST", 11, 2),
    Column("slot", "SLOT", 14, 0),
    Column("phase", "PHASE", 10, 0),
    Column("took", "TIME", 7, 1, right=True),
    Column("ttft", "TTFT", 6, 5, right=True),
    Column("rate", "TOK/S", 6, 4, right=True),
    Column("tokens", "TOKENS", 6, 3, right=True),
    Column("client", "CLIENT", 15, 7),
    Column("api", "API", 16, 6),
)
ASKED_LEAST = 12


def fitting(width: int) -> list[Column]:
    """The columns that fit beside the question."""
    room = width - GUTTER - ASKED_LEAST - 1
    kept: list[Column] = []
    for column in sorted(COLUMNS, key=lambda column: column.gives_way):
        if column.cells + GAP > room:
            break
        kept.append(column)
        room -= column.cells + GAP
    return [column for column in COLUMNS if column in kept]


def cell_texts(view: RequestView, now: float) -> dict[str, Span]:
    """Every column of one request."""
    end = view.finished_at if view.finished_at is not None else now
    finished = view.phase == "finished"
    outcome = view.outcome or "ok"
    phase = span(outcome, OUTCOME_ROLE[outcome]) if finished else span(view.phase, PHASE_ROLE[view.phase])
    return {
        "id": span(short_id(view.id), "muted"),
        "slot": span(view.slot or view.asked or "?", "strong"),
        "phase": phase,
        "took": span(figures.stopwatch(end - view.started_at)),
        "ttft": span(figures.milliseconds(view.ttft_ms), "muted"),
        "rate": span(figures.rate(view.tokens_per_second), "muted" if finished else "busy"),
        "tokens": span(figures.count(view.tokens) if view.tokens else figures.MISSING),
        "client": span(view.client, "muted"),
        "api": span(view.path.removeprefix("/v1/"), "muted"),
    }


def row(stream: Stream, columns: Sequence[Column], width: int, now: float, glyphs: Glyphs, *, selected: bool) -> Line:
    """One request as a line."""
    view = stream.view
    texts = cell_texts(view, now)
    glyph = glyphs.outcomes[view.outcome or "ok"] if view.phase == "finished" else glyphs.states["serving"]
    spans: list[Span] = [
        span(" "),
        span(glyphs.marker if selected else " ", "focus"),
        span(fit(glyph, 1), texts["phase"][1]),
        span(" "),
    ]
    for column in columns:
        text, role = texts[column.id]
        spans.append(span(fit(text, column.cells, right=column.right, ellipsis=glyphs.ellipsis) + " " * GAP, role))
    room = width - GUTTER - sum(column.cells + GAP for column in columns) - 1
    asked = " ".join(view.prompt.split()) if view.prompt else view.error.code if view.error else ""
    spans.append(span(fit(asked, max(0, room), ellipsis=glyphs.ellipsis), "bad" if view.error else "text"))
    return tuple(spans)


class RequestList(Pane):
    """The list; whoever moves in it stays with a request, else the newest is selected."""

    TOPICS: ClassVar = frozenset({"requests", "text", "link", "time"})
    can_focus = True

    def __init__(self, view: View, *, id: str | None = None) -> None:
        super().__init__(view, id=id)
        self._selected = ""
        self._top = 0

    def streams(self) -> list[Stream]:
        return sorted(self.view.store.streams.values(), key=lambda stream: stream.view.started_at, reverse=True)

    def stream(self) -> Stream | None:
        """The selected request."""
        shown = self.streams()
        return next((each for each in shown if each.view.id == self._selected), shown[0] if shown else None)

    @property
    def follows(self) -> bool:
        """Whether the newest is selected, whichever that is."""
        return self._selected not in self.view.store.streams

    def follow(self) -> None:
        self._selected = ""

    def paint(self, width: int, height: int) -> list[Line]:
        shown, current = self.streams(), self.stream()
        rows = max(1, height - 2)
        at = shown.index(current) if current else 0
        self._top = max(0, min(self._top, at, len(shown) - rows))
        self._top = max(self._top, at - rows + 1)
        columns = fitting(width)
        title = line(span("requests", "title" if self.has_focus else "text"), " ", span(len(shown), "muted"))
        right: list[Span] = [span("newest", "muted")] if self.follows else []
        if len(shown) > rows:
            right.append(span(f"{'  ' if right else ''}{self._top + 1}-{self._top + rows} of {len(shown)}", "muted"))
        head = "".join(fit(each.title, each.cells, right=each.right) + " " * GAP for each in columns)
        lines = [
            self.frame.rule(width, title, tuple(right), self.frame_role),
            line(span(" " * GUTTER + head + "ASKED", "head")),
        ]
        for stream in shown[self._top : self._top + rows]:
            selected = stream is current
            spans = row(stream, columns, width, self.view.store.now, self.look.glyphs, selected=selected)
            if selected and self.has_focus:
                spans = padded(tuple((text, "selected") for text, _ in spans), width, "selected")
            lines.append(spans)
        if not shown:
            lines.append(line(span(" " * GUTTER + "no request yet" if self.view.store.loaded else "", "muted")))
        return lines

    @property
    def page(self) -> int:
        return max(1, self.size.height - 2)

    def scroll_lines(self, by: int) -> None:
        shown, current = self.streams(), self.stream()
        if current is not None:
            at = min(max(shown.index(current) + by, 0), len(shown) - 1)
            self._selected = shown[at].view.id

    def on_click(self, event: Click) -> None:
        """A click selects a request."""
        index = self._top + event.y - 2
        shown = self.streams()
        if event.y >= 2 and index < len(shown):
            self._selected = shown[index].view.id
            self.view.store.mark("requests")
            self.post_message(Touched())

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        self._wheel(1)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        self._wheel(-1)

    def _wheel(self, by: int) -> None:
        self.scroll_lines(by)
        self.view.store.mark("requests")
        self.post_message(Touched())
