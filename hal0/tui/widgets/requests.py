"""The requests of late, one row each, the newest first; the selected one in reverse video."""

from dataclasses import dataclass
from typing import ClassVar

from hal0.tui import figures
from hal0.tui.lines import Line, Span, line, span
from hal0.tui.look import OUTCOME_ROLE, PHASE_ROLE
from hal0.tui.request_lines import short_id
from hal0.tui.streams import Stream
from hal0.tui.text import fit
from hal0.tui.widgets.listing import GAP, GUTTER, Listing
from hal0.wire import RequestView


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


class RequestList(Listing):
    """The list; whoever moves in it stays with a request, else the newest is selected."""

    TOPICS: ClassVar = frozenset({"requests", "text", "link", "time"})
    MARKS: ClassVar = "requests"

    def rows(self) -> dict[str, Stream]:
        streams = sorted(self.view.store.streams.values(), key=lambda each: each.view.started_at, reverse=True)
        return {each.view.id: each for each in streams}

    def stream(self) -> Stream | None:
        """The selected request."""
        return self.view.store.streams.get(self.current)

    def title(self, count: int) -> Line:
        return line(span("requests", "title" if self.has_focus else "text"), " ", span(count, "muted"))

    def header(self, width: int) -> Line:
        head = "".join(fit(each.title, each.cells, right=each.right) + " " * GAP for each in fitting(width))
        return line(span(" " * GUTTER + head + "ASKED", "head"))

    def nothing(self) -> str:
        return "no request yet"

    def row(self, item: Stream, width: int, *, selected: bool) -> Line:
        view, glyphs = item.view, self.look.glyphs
        columns = fitting(width)
        texts = cell_texts(view, self.view.store.now)
        glyph = glyphs.outcomes[view.outcome or "ok"] if view.phase == "finished" else glyphs.states["serving"]
        spans = self.row_start(glyph[:1], texts["phase"][1], selected=selected)
        for column in columns:
            text, role = texts[column.id]
            spans.append(span(fit(text, column.cells, right=column.right, ellipsis=glyphs.ellipsis) + " " * GAP, role))
        room = width - GUTTER - sum(column.cells + GAP for column in columns) - 1
        asked = " ".join(view.prompt.split()) if view.prompt else view.error.code if view.error else ""
        spans.append(span(fit(asked, max(0, room), ellipsis=glyphs.ellipsis), "bad" if view.error else "text"))
        return tuple(spans)
