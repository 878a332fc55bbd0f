"""Where the time of a request went: queue, load, prefill, first token, decode. Pure.

`prefill` is the reading of the prompt, `first` what then passed until the first token. Only some backends tell the two
apart, and only at the end: until then, and of all others, prefill is the whole way to the first token.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from hal0.wire import RequestView

Phase = Literal["queue", "load", "prefill", "first", "decode", "answer"]
SHORTEST_MS = 0.5


@dataclass(frozen=True, slots=True)
class Part:
    """One phase, in milliseconds; `answer` is all of an answer of which no first token is known."""

    phase: Phase
    milliseconds: float


def parts_of(view: RequestView, now: float) -> list[Part]:
    """The phases so far, in their order; the last one still goes on while the request is in flight."""
    end = view.finished_at if view.finished_at is not None else now
    total = max(0.0, (end - view.started_at) * 1000)
    never_came_in = view.phase == "finished" and view.queue_ms is None and view.outcome != "ok"
    if view.phase in ("queued", "loading") or never_came_in:
        return [Part("load" if view.phase == "loading" else "queue", total)]
    queue, load = view.queue_ms or 0.0, view.load_ms or 0.0
    waited = queue + load
    parts = [Part("queue", queue), Part("load", load)]
    if view.ttft_ms is not None:
        to_first = max(0.0, view.ttft_ms - waited)
        reading = to_first if view.prefill_ms is None else min(view.prefill_ms, to_first)
        parts += [Part("prefill", reading), Part("first", to_first - reading)]
        parts.append(Part("decode", max(0.0, total - view.ttft_ms)))
    elif view.phase == "prefill":
        parts.append(Part("prefill", max(0.0, total - waited)))
    else:
        reading = min(view.prefill_ms or 0.0, max(0.0, total - waited))
        parts += [Part("prefill", reading), Part("answer", max(0.0, total - waited - reading))]
    return [part for part in parts if part.milliseconds >= SHORTEST_MS] or parts[-1:]


def shares(parts: Sequence[Part], width: int) -> list[tuple[Phase, int]]:
    """The cells of each phase in a bar of `width`: together exactly so many, each as near to its share as can be."""
    total = sum(part.milliseconds for part in parts)
    if total <= 0:
        return [(parts[0].phase, width)] if parts else []
    exact = [part.milliseconds / total * width for part in parts]
    cells = [int(share) for share in exact]
    by_rest = sorted(range(len(parts)), key=lambda index: exact[index] - cells[index], reverse=True)
    for index in by_rest[: width - sum(cells)]:
        cells[index] += 1
    return [(part.phase, count) for part, count in zip(parts, cells, strict=True) if count]
