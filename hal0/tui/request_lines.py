"""What is told of one request in lines: whose it is, how long each phase took, what it waits for."""

from hal0.tui import figures
from hal0.tui.lines import Line, Span, span, width_of
from hal0.tui.look import OUTCOME_ROLE, PHASE_ROLE, Glyphs
from hal0.tui.phases import Part, parts_of, shares
from hal0.wire import RequestView

GAP = ("  ", "text")
BAR_CELLS = 8
LONGEST_BAR = 40
PART_ROLE = {"queue": "warn", "load": "warn", "prefill": "info", "first": "calm", "decode": "busy", "answer": "busy"}
LONG_ID = 10


def short_id(id: str) -> str:
    """An id as people say it: whole if it is short, else its end."""
    return f"#{id}" if len(id) <= LONG_ID else f"#{id[-6:]}"


def heading(view: RequestView, now: float) -> tuple[Line, Line]:
    """Above the text: whose request it is; how long it takes and how much it has produced."""
    what = [span(view.slot or view.asked or "?", "strong"), span(f" {short_id(view.id)}", "muted")]
    if not view.path.endswith("chat/completions"):
        what.append(span(f" {view.path}", "muted"))
    if view.key:
        what.append(span(f" key {view.key}", "muted"))
    end = view.finished_at if view.finished_at is not None else now
    right = [span(figures.stopwatch(end - view.started_at))]
    if view.tokens:
        right.append(span(f"  {figures.count(view.tokens)} tok"))
    return tuple(what), tuple(right)


def bar(parts: list[Part], width: int, glyphs: Glyphs) -> Line:
    """The phases side by side, each as wide as its share of the time."""
    return tuple((glyphs.phases[phase] * count, PART_ROLE[phase]) for phase, count in shares(parts, width))


def context_used(view: RequestView) -> Line:
    """How much of its slot's context it has filled; nothing before the backend has counted."""
    if view.prompt_tokens is None:
        return ()
    used = figures.tokens_of(view.prompt_tokens + view.tokens)
    limit = f"/{figures.tokens_of(view.context)}" if view.context else ""
    return (span("ctx ", "muted"), span(used + limit))


def timing(view: RequestView, now: float, room: int, glyphs: Glyphs) -> Line:
    """Below the text: phase or outcome, then as many of the figures that are known as there is room for."""
    parts: list[tuple[int, Line]] = []  # with a number that says which gives way first: the highest
    if view.phase == "finished":
        outcome = view.outcome or "ok"
        word = {"ok": "done", "failed": "failed", "cancelled": "cancelled"}[outcome]
        status = f" {view.status}" if view.status and outcome == "failed" else ""
        parts.append((0, (span(word + status, OUTCOME_ROLE[outcome]),)))
    else:
        parts.append((0, (span("at work" if view.doing else view.phase, PHASE_ROLE[view.phase]),)))
        if view.background and view.phase in ("queued", "loading"):
            parts.append((1, (span("background", "muted"),)))
    parts.append((4, bar(parts_of(view, now), BAR_CELLS, glyphs)))
    if view.tokens_per_second:
        parts.append((1, (span(f"{figures.rate(view.tokens_per_second)} tok/s"),)))
    if view.ttft_ms is not None:
        parts.append((2, (span("ttft ", "muted"), span(figures.milliseconds(view.ttft_ms)))))
    if view.load_ms and view.load_ms >= 1:
        parts.append((5, (span("load ", "muted"), span(figures.milliseconds(view.load_ms)))))
    if view.queue_ms and view.queue_ms >= 1:
        parts.append((6, (span("queue ", "muted"), span(figures.milliseconds(view.queue_ms)))))
    if context := context_used(view):
        parts.append((3, context))
    while len(parts) > 1 and width_of(_joined(parts)) > room:
        parts.remove(max(parts, key=lambda part: part[0]))
    return _joined(parts)


def _joined(parts: list[tuple[int, Line]]) -> Line:
    joined: list[Span] = []
    for index, (_, part) in enumerate(parts):
        joined.extend((GAP, *part) if index else part)
    return tuple(joined)


def breakdown(view: RequestView, now: float, width: int, glyphs: Glyphs) -> list[Line]:
    """Every phase with its time and its share, then the whole."""
    parts = parts_of(view, now)
    room = max(0, min(LONGEST_BAR, width - 40))
    lines: list[Line] = []
    total = sum(part.milliseconds for part in parts)
    at = 0.0
    for number, part in enumerate(parts):
        runs = number == len(parts) - 1 and view.phase != "finished"
        before, upto = (round(share / total * room) if total else 0 for share in (at, at + part.milliseconds))
        at += part.milliseconds
        lines.append(
            (
                span(f"{part.phase:<8}", PART_ROLE[part.phase]),
                span(f"{figures.milliseconds(part.milliseconds):>6}"),
                span(f"{glyphs.ellipsis if runs else ' '} ", "muted"),
                span(" " * before + glyphs.phases[part.phase] * (upto - before), PART_ROLE[part.phase]),
                span(" " * (room - upto)),
                *_remark(part, view),
            )
        )
    whole: list[Span] = [span("total   ", "strong"), span(f"{figures.milliseconds(total):>6}"), span("  ")]
    if context := context_used(view):
        whole += [*context, GAP]
    if view.cost is not None:
        whole.append(span(figures.dollars(view.cost)))
    return [*lines, tuple(whole)]


def _remark(part: Part, view: RequestView) -> Line:
    """How much was done in it."""
    if part.phase == "prefill" and view.prompt_tokens is not None and view.prefill_ms:
        rate = view.prompt_tokens / view.prefill_ms * 1000
        return (span(f"  {figures.count(view.prompt_tokens)} tok  {figures.rate(rate)} tok/s", "muted"),)
    if part.phase in ("decode", "answer") and view.tokens:
        rate_of = f"  {figures.rate(view.tokens_per_second)} tok/s" if view.tokens_per_second else ""
        return (span(f"  {figures.count(view.tokens)} tok{rate_of}", "muted"),)
    return ()


def waiting_for(view: RequestView) -> str:
    """What an in-flight request without text is waiting for."""
    if view.phase == "queued":
        return "queued: waiting for its turn"
    if view.phase == "loading":
        return "loading: the slot is starting, the request waits for it"
    if view.path.endswith("/audio/speech"):
        return "prefill: its first sentence is computed" if view.phase == "prefill" else "decoding: sound is sent"
    if view.doing:
        share = "" if view.progress is None else f"  {figures.percent(view.progress).strip()}"
        return f"{view.doing}{share}"
    if not view.stream:
        return f"{view.phase}: not streamed, the answer comes when it is complete"
    if view.phase == "prefill":
        return "prefill: the backend reads the prompt"
    return "decoding: its text is not kept"
