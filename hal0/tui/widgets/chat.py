"""One side of a chat: what was said, the answer as it comes, and how long it took."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from hal0.errors import Hal0Error
from hal0.tui import figures
from hal0.tui.conversation import Conversation
from hal0.tui.lines import Line, line, span
from hal0.tui.look import VOICE_ROLE
from hal0.tui.text import harmless, wrap
from hal0.tui.transcript import Wrapping
from hal0.tui.view import View
from hal0.tui.widgets.tail import Tail
from hal0.voices import Said

SHORTEST_SECONDS = 0.05  # an answer that came in less has no speed to speak of


@dataclass(slots=True)
class Timing:
    """What is known of one answer; times are of `time.monotonic`."""

    asked_at: float
    first_at: float | None = None
    ended_at: float | None = None
    pieces: int = 0
    tokens: int | None = None  # as the backend counted them
    prompt_tokens: int | None = None
    headers: dict[str, str] | None = None

    def line(self) -> Line:
        now = self.ended_at or time.monotonic()
        tokens = self.tokens or self.pieces
        heads = self.headers or {}
        parts: list[str] = []
        for label, name in (("queue", "x-hal0-queue-ms"), ("load", "x-hal0-load-ms")):
            value = heads.get(name, "")
            if value.replace(".", "", 1).isdigit() and float(value) >= 1:
                parts.append(f"{label} {figures.milliseconds(float(value))}")
        if self.first_at is not None:
            parts.append(f"first {figures.milliseconds((self.first_at - self.asked_at) * 1000)}")
            if tokens > 1 and now - self.first_at > SHORTEST_SECONDS:
                parts.append(f"{figures.rate((tokens - 1) / (now - self.first_at))} tok/s")
        parts += [f"{figures.count(tokens)} tok", figures.stopwatch(now - self.asked_at)]
        if self.prompt_tokens is not None:
            parts.append(f"ctx {figures.tokens_of(self.prompt_tokens + tokens)}")
        if fallback := heads.get("x-hal0-fallback"):
            parts.append(f"stood in for {fallback}")
        return line(span("  ".join(parts), "text" if self.ended_at else "busy"))


class ChatPane(Tail):
    """A conversation and its transcript."""

    TOPICS: ClassVar = frozenset({"chat", "link"})
    MARKS: ClassVar = "chat"

    def __init__(self, view: View, conversation: Conversation, *, id: str) -> None:
        super().__init__(view, id=id, classes="chat")
        self.conversation = conversation
        self.timing: Timing | None = None
        self.problem: Hal0Error | None = None
        self.is_answering = False
        self._wrapping: Wrapping | None = None
        self._rows_before = 0

    def renew(self, conversation: Conversation) -> None:
        """Begin another conversation."""
        self.conversation, self.timing, self.problem = conversation, None, None
        self._wrapping = None
        self.to_end()

    def asked(self, text: str) -> None:
        """A question was sent; its answer comes."""
        self._keep_problem()
        gap = "\n\n" if self.conversation.transcript.end else ""
        self.conversation.transcript.append("prompt", f"{gap}> {text}\n")
        self.began()

    def began(self) -> None:
        """An answer is asked for."""
        self.timing, self.problem, self.is_answering = Timing(time.monotonic()), None, True
        self.to_end()

    def heard(self, said: Sequence[Said]) -> None:
        """A piece of the answer."""
        assert self.timing is not None
        if said:
            self.timing.first_at = self.timing.first_at or time.monotonic()
            self.timing.pieces += 1
        self.conversation.transcript.extend(said)

    def ended(self, problem: Hal0Error | None) -> None:
        self.is_answering, self.problem = False, problem
        if self.timing is not None:
            self.timing.ended_at = time.monotonic()

    def once_more(self) -> None:
        """The last question is asked again."""
        self._keep_problem()
        self.conversation.transcript.append("reasoning", "\n(once more)\n")
        self.began()

    def _keep_problem(self) -> None:
        """What failed stays where it happened, above what comes next."""
        if self.problem is not None:
            told = f"{self.problem.code}: {self.problem.message}"
            self.conversation.transcript.append("reasoning", f"\n{told}\n")
            self.problem = None

    def tell(self, *texts: str) -> None:
        """Lines that are not part of the conversation, such as the help."""
        self._keep_problem()
        self.conversation.transcript.append("reasoning", "\n" + "\n".join(texts) + "\n")
        self.to_end()

    def paint(self, width: int, height: int) -> list[Line]:
        wrapping = self._wrapping
        if wrapping is None or wrapping.width != width - 2:
            wrapping = self._wrapping = Wrapping(self.conversation.transcript, width - 2)
            self._rows_before = 0
        wrapping.update()
        rows: list[Line] = [line(" ", span(text, VOICE_ROLE[voice])) for voice, text in wrapping.lines]
        if self.is_answering and rows:
            rows[-1] = (*rows[-1], span(self.look.glyphs.cursor, "cursor"))
        if self.problem is not None:
            told = harmless(f"{self.problem.code}: {self.problem.message}")
            rows += [line(" ", span(piece, "bad")) for piece in wrap(told, width - 2)]
        if self._rows_before:
            self.grew(len(rows) - self._rows_before)
        self._rows_before = len(rows)
        if not rows:
            rows = [
                line(span(f"  ask {self.conversation.model} something; /help tells what else can be done", "muted"))
            ]
        title = line(span(self.conversation.model, "title" if self.has_focus else "strong"), *self._settings())
        below = self.timing.line() if self.timing is not None else ()
        return [
            self.frame.rule(width, title, () if self.follows else self.place(), self.frame_role),
            *self.window(rows, height - 2),
            *[()] * (height - 2 - len(rows)),
            self.frame.rule(width, below, (), self.frame_role),
        ]

    def _settings(self) -> Line:
        conversation = self.conversation
        told = [f"{name}={value}" for name, value in conversation.settings.items()]
        told += ["system prompt"] if conversation.system else []
        return (span("  " + "  ".join(told), "muted"),) if told else ()
