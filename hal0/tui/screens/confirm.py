"""Before work is interrupted: which requests it concerns, and how long they may go on. Nothing is bound to Enter."""

import shlex
from collections.abc import Sequence, Set
from typing import ClassVar

from textual.app import ComposeResult

from hal0.tui import figures
from hal0.tui.lines import EMPTY, Line, line, span
from hal0.tui.request_lines import short_id
from hal0.tui.screens.base import KeyedModal, bindings
from hal0.tui.store import ALL_TOPICS, Topic
from hal0.tui.text import cut, fit, wrap
from hal0.tui.view import View
from hal0.tui.widgets.footer import Footer
from hal0.tui.widgets.pane import Pane

LEAST_LISTED = 3  # requests; more where there is room


class Question(Pane):
    """The box of the dialog."""

    TOPICS: ClassVar = ALL_TOPICS

    def __init__(self, view: View, verb: str, slots: Sequence[str], then: str) -> None:
        super().__init__(view, id="question")
        self._verb = verb
        self._slots = slots
        self._then = then

    def write(self, width: int, rows: int) -> list[Line]:
        """The box; in few rows without the air, in fewer still without the list (the footer has the keys)."""
        frame = len(self._body(width, 0)) + 1  # with the line that tells of others
        body = self._body(width, max(LEAST_LISTED, rows - frame))
        if len(body) + 2 > rows:
            body = [spans for spans in body if spans]
        if len(body) + 2 > rows:
            body = body[: rows - 2]
        title = line(span(cut(f"{self._verb} {', '.join(self._slots)}", width - 6), "title"))
        return self.look.glyphs.plain.box(body, width, top=(title, ()), role="warn")

    def _body(self, width: int, listed: int) -> list[Line]:
        store = self.view.store
        busy = [stream for stream in store.streams.in_flight() if stream.view.slot in self._slots]
        inner = width - 4
        body: list[Line] = [EMPTY]
        many = f"{len(busy)} request{'s' if len(busy) != 1 else ''}" if busy else "no request any more"
        body.append(line(" ", span(f"in flight or waiting: {many}", "strong")))
        for stream in busy[:listed]:
            request = stream.view
            took = figures.stopwatch(store.now - request.started_at)
            what = f"{short_id(request.id):<8} {request.phase:<9} {took:>6}"
            if len(self._slots) > 1:
                what += f"  {request.slot}"
            if inner >= 50:
                what += f"  {figures.count(request.tokens):>5} tok"
            body.append(line("   ", span(cut(what, inner - 3))))
        if len(busy) > listed:
            body.append(line(span(f"   and {len(busy) - listed} more", "muted")))
        body.append(EMPTY)
        who = "The slot" if len(self._slots) == 1 else "Each slot"
        explained = f"{who} takes no new request, then {self._then}. What becomes of these?"
        body += [line(" ", span(piece)) for piece in wrap(explained, inner)]
        body.append(EMPTY)
        for key in self.view.keymap.at("confirm"):
            if key.footer and key.id not in ("quit", "copy_command"):
                says = key.does if inner >= 62 and key.id != "keep" else key.label
                body.append(line("   ", span(fit(key.shown, 4), "key"), span(says)))
        body.append(EMPTY)
        return body

    def paint(self, width: int, height: int) -> list[Line]:
        return self.write(width, height)


class Confirm(KeyedModal):
    """Answers how long the requests may go on, or None to leave it.

    `then` is what the slot does after that; `model` what it is swapped to.
    """

    PLACE = "confirm"
    BINDINGS: ClassVar = bindings("confirm")

    def __init__(self, view: View, verb: str, slots: Sequence[str], *, then: str, model: str = "") -> None:
        super().__init__(view)
        self._command = shlex.join(["hal0", "slot", verb, *slots, *filter(None, [model])])
        self.question = Question(view, verb, slots, then)

    def compose(self) -> ComposeResult:
        yield self.question
        yield Footer(self.view, self.offered)

    def _fit(self) -> None:
        width, rows = min(70, self.app.size.width - 2), self.app.size.height - 1
        self.question.styles.width = width
        self.question.styles.height = len(self.question.write(width, rows))

    def on_mount(self) -> None:
        self._fit()

    def flush(self, dirty: Set[Topic]) -> None:
        if dirty & {"requests", "slots"}:
            self._fit()
        super().flush(dirty)

    def do_drain_wait(self) -> None:
        self.dismiss("wait")

    def do_drain_grace(self) -> None:
        self.dismiss("grace")

    def do_drain_now(self) -> None:
        self.dismiss("now")

    def do_keep(self) -> None:
        self.dismiss(None)

    def do_copy_command(self) -> None:
        self.dashboard.copy(self._command, "the hal0 command")
