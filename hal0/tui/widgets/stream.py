"""One request as it happens: who, its phase, its text as it is generated, and how it ended."""

from collections.abc import Sequence
from typing import ClassVar

from textual.events import MouseScrollDown, MouseScrollUp

from hal0.tui import figures
from hal0.tui.lines import EMPTY, Line, line, shifted, span, width_of
from hal0.tui.look import OUTCOME_ROLE, VOICE_ROLE
from hal0.tui.messages import Touched
from hal0.tui.request_lines import breakdown, heading, short_id, timing, waiting_for
from hal0.tui.streams import Stream
from hal0.tui.text import cut, wrap
from hal0.tui.transcript import WHOLE_LINES, Wrapping
from hal0.tui.view import View
from hal0.tui.widgets.searched import Searched, Spot
from hal0.wire import RequestView, SlotView


def example(slot: SlotView, listen: Sequence[str]) -> list[str]:
    """A first request to a slot, ready to be pasted into a shell."""
    base = (listen[0] if listen else "http://localhost:8080").replace("//0.0.0.0", "//localhost")
    path, body = {
        "embedding": ("embeddings", ['"input":"Hello"}']),
        "speech": ("audio/speech", ['"input":"Hello from hal0."}']),
        "image": ("images/generations", ['"prompt":"a cat in a hat"}']),
        "rerank": ("rerankings", ['"query":"Hello",', '     "documents":["Good day","Goodbye"]}']),
    }.get(slot.kind, ("chat/completions", ['"stream":true,', '     "messages":[{"role":"user","content":"Hello"}]}']))
    first, *more = body
    data = [f"""  -d '{{"model":"{slot.name}",{first}""", *more]
    data[-1] += "' --output speech.wav" if slot.kind == "speech" else "'"
    return [f"curl {base}/v1/{path} \\", "  -H 'Content-Type: application/json' \\", *data]


class StreamPane(Searched):
    """The text of one request; follows its end until someone scrolls up."""

    TOPICS: ClassVar = frozenset({"requests", "text", "link", "time", "slots"})
    can_focus = True

    def __init__(self, view: View, *, id: str | None = None, index: int = 0) -> None:
        super().__init__(view, id=id, classes="stream")
        self.index = index
        self.stream: Stream | None = None
        self._wrapping: Wrapping | None = None
        self._top = 0  # the first wrapped line shown
        self._room = 1  # rows for the text
        self._height = 0  # as many as the text was scrolled for
        self.follows = True
        self._searched_to = -1  # what of the transcript is searched

    def show(self, stream: Stream | None) -> None:
        """Show another request, or none; the store may also have replaced the object of the same one."""
        if stream is self.stream:
            return
        same = stream is not None and self.stream is not None and stream.view.id == self.stream.view.id
        self.stream = stream
        self._wrapping = None
        if not same:
            self._top = 0
            self.follows = True

    def paint(self, width: int, height: int) -> list[Line]:
        inner_width = width - 4 if self.boxed else width - 2
        inner_height = height - 2
        if self.stream is None:
            title: Line = line(span("stream", "title" if self.has_focus else "text"))
            return self._framed(
                width, (title, EMPTY), self._invitation(inner_width, inner_height), (EMPTY, self._what())
            )
        request, now = self.stream.view, self.view.store.now
        above: list[Line] = []
        if self.view.shows_timing:
            above = [*breakdown(request, now, inner_width, self.look.glyphs), EMPTY][:inner_height]
        self._room = inner_height - len(above)
        body = self._body(inner_width, self._room)
        position = self._position(self._room)
        figures_room = inner_width - 3 - (width_of(position) + 3 if position else 0)
        below = timing(request, now, figures_room, self.look.glyphs)
        return self._framed(width, heading(request, now), [*above, *body], (below, position))

    def _framed(self, width: int, top: tuple[Line, Line], body: list[Line], bottom: tuple[Line, Line]) -> list[Line]:
        lines = [((" ", "text"), *spans) for spans in body]
        if self.boxed:
            return self.frame.box(lines, width, top=top, bottom=bottom, role=self.frame_role)
        return [
            self.frame.rule(width, *top, self.frame_role),
            *lines,
            self.frame.rule(width, *bottom, self.frame_role),
        ]

    def _body(self, width: int, height: int) -> list[Line]:
        stream = self.stream
        assert stream is not None
        wrapping = self._wrapping
        broken_at = width if self.view.wraps else WHOLE_LINES
        how = (stream.transcript, broken_at, self.view.folds)
        if wrapping is None or (wrapping.transcript, wrapping.width, wrapping.folds) != how:
            wrapping = self._wrapping = Wrapping(stream.transcript, broken_at, folds=self.view.folds)
            self._searched_to = -1
        wrapping.update()
        self._search_on(wrapping)
        tail = self._tail(stream, width)
        total = len(wrapping.lines) + len(tail)
        self._scroll(total, height, stream.in_flight)
        self.reveal(width, height)
        lines: list[Line] = []
        for number in range(self._top, min(self._top + height, len(wrapping.lines))):
            voice, text = wrapping.lines[number]
            spans = self.marked(number, text, VOICE_ROLE[voice])
            if number == len(wrapping.lines) - 1 and stream.view.phase == "decoding" and not stream.view.doing:
                spans.append((self.look.glyphs.cursor, "cursor"))
            lines.append(tuple(spans))
        if not self.view.wraps:
            self.longest = max(map(width_of, lines), default=0)
            lines = [shifted(spans, self.view.shift, width, self.look.glyphs.ellipsis) for spans in lines]
        lines += tail[max(0, self._top - len(wrapping.lines)) :]
        return (lines + [EMPTY] * height)[:height]

    def _scroll(self, total: int, height: int, growing: bool) -> None:
        """Follow the end in jumps of half a pane while the text grows: scrolling line by line repaints every line."""
        last = max(0, total - height)
        if not self.follows:
            self._top = min(self._top, last)
            if self._top == last and not growing:
                self.follows = True
        elif not growing or height != self._height or last > self._top + height or self._top > last + height // 2:
            self._top = last
        elif last > self._top:
            self._top = last + height // 2
        self._height = height

    def _tail(self, stream: Stream, width: int) -> list[Line]:
        """After the text: what it waits for, or how it ended if that was not well."""
        request = stream.view
        glyphs = self.look.glyphs
        text = ""
        role = "muted"
        if request.phase == "finished" and request.error is not None:
            outcome = request.outcome or "failed"
            text = f"{glyphs.outcomes[outcome]} {request.error.code}: {request.error.message}"
            role = OUTCOME_ROLE[outcome]
        elif request.phase == "finished" and request.outcome == "cancelled":
            text, role = f"{glyphs.outcomes['cancelled']} cancelled", "warn"
        elif request.phase == "finished" and not stream.generates:
            text = f"{glyphs.outcomes['ok']} answered in {figures.milliseconds(_took(request))}"
            role = "good"
        elif request.phase == "finished" and not stream.has_text:
            text = "its text was not kept" if request.tokens else "an empty answer"
        elif stream.in_flight and not stream.has_text:
            text = waiting_for(request)
        return [line(span(piece, role)) for piece in wrap(text, width)] if text else []

    def _invitation(self, width: int, height: int) -> list[Line]:
        """Nothing to show yet: how to make something happen."""
        view = self.view
        if not view.store.loaded:
            return [EMPTY] * height
        lines: list[Line]
        slot = view.slot()
        if self.index:
            lines = [line(span("no other request yet", "muted"))]
        elif slot is None:
            lines = [line(span("no request yet", "muted"))]
        else:
            lines = [line(span(f"no request to {slot.name} yet; for example:", "muted")), EMPTY]
            for row in example(slot, view.store.listen):
                lines += [line(span(piece)) for piece in wrap(row, width)]
        return (lines + [EMPTY] * height)[:height]

    def _what(self) -> Line:
        if self.index:
            return EMPTY
        if self.view.follows_newest:
            return line(span("newest", "muted"))
        slot = self.view.slot()
        return line(span(f"of {slot.name}", "muted")) if slot else EMPTY

    def _position(self, height: int) -> Line:
        told = self.found()
        if self.follows or self._wrapping is None:
            return told or self._what()
        below = max(0, len(self._wrapping.lines) - self._top - height)
        if told:
            return (*told, span(f"  {below} below", "muted")) if below else told
        return line(span(f"{below} lines below", "warn"), span("  G end", "muted"))

    # Searching -------------------------------------------------------------------------------------------------
    @property
    def has_text(self) -> bool:
        return self.stream is not None

    @property
    def is_read(self) -> bool:
        """Whether someone looks at what is further up, or looks for something: its request stays."""
        return not self.follows or self.is_searched

    def spot(self) -> Spot:
        return self._top, self.follows

    def stand(self, top: int, follows: bool = False) -> None:
        self._top, self.follows = top, follows

    def searched_rows(self) -> tuple[list[str], list[str]]:
        wrapping = self._wrapping
        return ([text for _, text in wrapping.lines], wrapping.joints) if wrapping else ([], [])

    def look_for(self, word: str) -> None:
        super().look_for(word)
        if self._wrapping is not None:
            self._searched_to = self._wrapping.transcript.end

    def _search_on(self, wrapping: Wrapping) -> None:
        if self.is_searched and self._searched_to != wrapping.transcript.end:
            self.search.renew(*self.searched_rows())
            self._searched_to = wrapping.transcript.end

    def scroll_lines(self, by: int) -> None:
        if self._wrapping is None:
            return
        last = max(0, len(self._wrapping.lines) - self._room)
        start = min(self._top, last)
        self._top = min(max(0, start + by), last)
        self.follows = self._top >= last and by > 0

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        self.scroll_lines(3)
        self.view.store.mark("text")
        self.post_message(Touched())

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        self.scroll_lines(-3)
        self.view.store.mark("text")
        self.post_message(Touched())

    def text(self) -> str:
        """What was said, for the clipboard."""
        if self.stream is not None:
            return self.stream.transcript.said("text")
        slot = self.view.slot()
        return "\n".join(example(slot, self.view.store.listen)) if slot else ""

    def name_of_request(self) -> str:
        if self.stream is None:
            return ""
        request = self.stream.view
        return f"{short_id(request.id)} on {cut(request.slot or request.asked or '?', 24)}"


def _took(request: RequestView) -> float:
    return ((request.finished_at or request.started_at) - request.started_at) * 1000


def assign(shown: list[str], ranked: list[str], count: int) -> list[str]:
    """Which request goes into which pane: those that stay among the best keep their place, others fill the gaps.

    No pane is empty before one that is not.
    """
    best = ranked[:count]
    placed = [id if id in best and id not in shown[:index] else "" for index, id in enumerate(shown[:count])]
    placed += [""] * (len(best) - len(placed))
    newcomers = iter(id for id in best if id not in placed)
    filled = [id or next(newcomers, "") for id in placed]
    return [id for id in filled if id][:count]
