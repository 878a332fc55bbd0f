"""The first line: what is true right now. It never scrolls, and what matters most gives way last."""

from typing import ClassVar

from hal0.tui import figures
from hal0.tui.lines import Line, line, span, width_of
from hal0.tui.store import ALL_TOPICS
from hal0.tui.view import View
from hal0.tui.widgets.pane import Pane
from hal0.wire import PullView

SLOW_LINK_MS = 250.0

# A part of the line: how readily it gives way, and its text. 0 never goes.
Part = tuple[int, Line]


def truth_line(view: View, width: int) -> Line:
    """As many parts as fit in the width, left ones and right ones."""
    left, right = _left(view, width, verbose=True), _right(view)
    if _room(left, right, width) < 0:
        left = _left(view, width, verbose=False)
    while _room(left, right, width) < 0:
        droppable = max((part[0] for part in (*left, *right)), default=0)
        if droppable == 0:
            break
        left = [part for part in left if part[0] != droppable]
        right = [part for part in right if part[0] != droppable]
    before, after = _joined(left), _joined(right)
    gap = max(1, width - 2 - width_of(before) - width_of(after))
    return (span(" "), *before, span(" " * gap), *after, span(" "))


def _room(left: list[Part], right: list[Part], width: int) -> int:
    """Cells to spare between the two sides, the margins and two cells between them taken off."""
    return width - 4 - _total(left) - _total(right)


def _left(view: View, width: int, *, verbose: bool) -> list[Part]:
    store = view.store
    parts: list[Part] = [(3, line(span("hal0", "brand")))]
    if where := store.host or view.where:
        parts.append((6, line(span(where, "strong"))))
    if store.loaded and width >= 100:
        parts.append((8, line(span("up ", "muted"), figures.span(store.now - store.started_at))))
    if store.link.phase == "lost":
        parts.append((0, line(span(" daemon not reachable ", "alarm"))))
    elif store.link.phase == "connecting":
        parts.append((0, line(span("connecting" + view.look.glyphs.ellipsis, "warn"))))
    elif store.draining:
        parts.append((0, line(span(" STOPPING ", "loud"))))
    config = store.config
    if config is not None:
        if config.rejected_at is not None or config.problems:
            parts.append((0, line(span(f" cfg r{config.revision} REJECTED ", "alarm"))))
        elif config.failed:
            parts.append((0, line(span(f" cfg r{config.revision} EDIT FAILED ", "alarm"))))
        else:
            restart = ("", "+restart")[bool(config.needs_restart)]
            parts.append((2, line(span("cfg ", "muted"), f"r{config.revision} ", span("ok" + restart, "good"))))
    if store.warnings:
        many = f"{len(store.warnings)} warning{'s' if len(store.warnings) > 1 else ''}"
        told = store.warnings[0] if verbose and len(store.warnings) == 1 else many
        parts.append((1, line(span(f" {view.look.glyphs.warning} {told} ", "loud"))))
    if view.tape:
        parts.append((1, line(span(f" {view.tape} ", "loud"))))
    if view.is_read_only:
        parts.append((4, line(span("READ ONLY", "warn"))))
    if view.frozen_at is not None:
        parts.append((0, line(span(f" FROZEN +{store.facts_seen - view.frozen_at} ", "loud"))))
    return parts


def _right(view: View) -> list[Part]:
    store = view.store
    if store.link.phase == "lost":
        wait = max(0, round((store.link.retry_at or store.now) - store.now))
        soon = f"retry in {wait}s" if wait else "trying now"
        return [(0, line(soon)), (5, line(span(figures.clock(store.now), "muted")))]
    if not store.loaded:
        return []
    streams = store.streams.in_flight()
    waiting = sum(stream.view.phase in ("queued", "loading") for stream in streams)
    errors = len(store.errors)
    parts: list[Part] = [(2, line(span(str(len(streams)), "strong" if streams else "text"), span(" req", "muted")))]
    if waiting:
        parts.append((7, line(span(str(waiting), "warn"), span(" waiting", "muted"))))
    parts.append((2, line(f"{store.streams.tokens_per_second:>3.0f}", span(" tok/s", "muted"))))
    role = "text" if not errors else "bad" if store.has_unseen_errors else "muted"
    parts.append((1, line(span(str(errors), role), span(" err", role if errors else "muted"))))
    if pulls := store.pulls_under_way:
        parts.append((4, _pulling(pulls)))
    latency = store.link.latency_ms
    slow = latency is not None and latency > SLOW_LINK_MS
    parts.append(
        (6, line(span("link ", "muted"), span(f"{figures.milliseconds(latency):>4}", "warn" if slow else "text")))
    )
    if view.pace is not None and (rate := view.pace.shown):
        parts.append((8, line(span(f"{rate:.0f}fps", "warn" if view.pace.is_slowed else "muted"))))
    parts.append((5, line(span(figures.clock(store.now), "muted"))))
    return parts


def _pulling(pulls: list[PullView]) -> Line:
    """What is being pulled, all together; one that waits for its server stands out."""
    totals = [pull.total_bytes for pull in pulls]
    whole = sum(total or 0 for total in totals)
    done = sum(pull.done_bytes if pull.state != "verifying" else pull.total_bytes or 0 for pull in pulls)
    share = figures.percent(done / whole) if whole and None not in totals else figures.size(done)
    waits = any(pull.state == "waiting" for pull in pulls)
    return line(span("pull ", "muted"), span(f"{share:>4}", "warn" if waits else "text"))


def _total(parts: list[Part]) -> int:
    return sum(width_of(part) + 2 for _, part in parts) - 2 if parts else 0


def _joined(parts: list[Part]) -> Line:
    spans: list[tuple[str, str]] = []
    for index, (_, part) in enumerate(parts):
        spans.extend((("  ", "text"), *part) if index else part)
    return tuple(spans)


class Truth(Pane):
    """The first line of every screen."""

    TOPICS: ClassVar = ALL_TOPICS
    FADES = False

    def paint(self, width: int, height: int) -> list[Line]:
        return [truth_line(self.view, width)]
