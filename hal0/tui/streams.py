"""The requests that the dashboard knows of, each with the text it has produced. No I/O and no Textual."""

from dataclasses import dataclass, field
from typing import Self

from hal0.tui.speeds import NOTHING, Recent
from hal0.tui.transcript import ANSWER, Transcript
from hal0.voices import Said
from hal0.wire import RequestView, SlotView, TokenBatch

FINISHED_KEPT = 64  # finished requests whose text is still shown
PROMPT_SHOWN = 240  # characters of the question shown in front of its answer


@dataclass(slots=True)
class Stream:
    """A request and the text it has produced."""

    view: RequestView
    transcript: Transcript = field(default_factory=Transcript)

    @classmethod
    def of(cls, view: RequestView, known: Self | None) -> Self:
        """A request from a state: the daemon's text counts, unless it keeps none and we have some."""
        if known is not None and not view.text:
            return cls(view, known.transcript)
        stream = cls(view)
        stream.transcript.append("prompt", _asked(view.prompt))
        stream.transcript.extend(_said(view))
        return stream

    def take(self, view: RequestView) -> None:
        """It has changed. Only `request.started` carries the prompt; later views leave the texts out."""
        if view.prompt and not self.view.prompt:
            self.transcript.append("prompt", _asked(view.prompt))
        self.view = view if view.prompt else view.model_copy(update={"prompt": self.view.prompt})

    def fill_in(self, view: RequestView) -> None:
        """The text of an answer that was not streamed, which comes only when it is asked for."""
        self.transcript.extend(_said(view))

    def add(self, batch: TokenBatch) -> None:
        self.transcript.append("reasoning", batch.reasoning)
        self.transcript.append("text", batch.text)
        self.transcript.extend(batch.calls)
        update: dict[str, object] = {"tokens": batch.tokens, "tokens_per_second": batch.tokens_per_second}
        if self.in_flight:
            update["phase"] = "decoding"
        self.view = self.view.model_copy(update=update)

    @property
    def in_flight(self) -> bool:
        return self.view.phase != "finished"

    @property
    def has_text(self) -> bool:
        return not self.transcript.voices.isdisjoint(ANSWER)

    @property
    def generates(self) -> bool:
        """Whether its answer is text to be read, as opposed to vectors or scores."""
        return self.view.path.endswith("completions") or self.view.tokens > 0


@dataclass(frozen=True, slots=True)
class Load:
    """What a slot is doing right now, summed over the requests the dashboard knows of."""

    in_flight: int
    waiting: int
    tokens_per_second: float | None
    ttft_ms: float | None
    decoding: bool
    recent: Recent = NOTHING


class Streams(dict[str, Stream]):
    """By the request's id, in the order they started."""

    def take(self, view: RequestView) -> None:
        if (stream := self.get(view.id)) is None:
            self[view.id] = Stream.of(view, None)
        else:
            stream.take(view)

    def forget_oldest(self) -> None:
        """Of the finished ones, all but the last."""
        finished = [id for id, stream in self.items() if not stream.in_flight]
        for id in finished[: max(0, len(finished) - FINISHED_KEPT)]:
            del self[id]

    def in_flight(self) -> list[Stream]:
        return [stream for stream in self.values() if stream.in_flight]

    def best_of(self, slot: str | None = None) -> list[Stream]:
        """Requests worth a pane, best first: in flight before finished, text before vectors, newest first."""
        wanted = [stream for stream in self.values() if slot is None or stream.view.slot == slot]
        return sorted(wanted, key=lambda s: (s.generates, s.in_flight and s.generates, s.view.started_at), reverse=True)

    @property
    def tokens_per_second(self) -> float:
        return sum(stream.view.tokens_per_second or 0.0 for stream in self.in_flight())

    def speeds(self) -> dict[str, float]:
        """Tokens per second of each slot that decodes now."""
        speeds: dict[str, float] = {}
        for stream in self.values():
            view = stream.view
            if view.phase == "decoding" and view.slot and view.tokens_per_second is not None:
                speeds[view.slot] = speeds.get(view.slot, 0.0) + view.tokens_per_second
        return speeds

    def load_of(self, slot: SlotView, *, since: float, recent: Recent) -> Load:
        """Requests from before `since` are of a daemon that is gone."""
        working = waiting = 0
        total: float | None = None
        ttft = slot.ttft_ms
        newest = 0.0
        last_rate = slot.tokens_per_second
        for stream in self.values():
            view = stream.view
            if view.slot != slot.name or view.started_at < since:
                continue
            if view.ttft_ms is not None and view.started_at >= newest:
                newest, ttft = view.started_at, view.ttft_ms
                last_rate = view.tokens_per_second or last_rate
            if view.phase in ("queued", "loading"):
                waiting += 1
            elif view.phase != "finished":
                working += 1
                if view.tokens_per_second is not None:
                    total = (total or 0.0) + view.tokens_per_second
        return Load(working, waiting, last_rate if total is None else total, ttft, total is not None, recent)


def _said(view: RequestView) -> list[Said]:
    """The answer by voices; a daemon that tells none of them has only text."""
    said: list[Said] = []
    at = 0
    for voice, count in view.voices:
        said.append((voice, view.text[at : at + count]))
        at += count
    return [*said, ("text", view.text[at:])]


def _asked(prompt: str) -> str:
    """The question in front of its answer: on one line, marked as such, and not longer than a few lines."""
    text = " ".join(prompt[: PROMPT_SHOWN * 2].split())
    return f"> {text[:PROMPT_SHOWN]}{'…' if len(text) > PROMPT_SHOWN else ''}" if text else ""
