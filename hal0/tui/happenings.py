"""What happened, a line each, made of the daemon's events: for the events view. Pure.

Not every event is one: a slot that turns from ready to serving with each request, and text as it is generated, are
shown elsewhere.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hal0.tui import figures
from hal0.tui.effects import summary
from hal0.tui.facts import Fact
from hal0.tui.look import OUTCOME_ROLE, STATE_ROLE
from hal0.wire import ConfigView, ErrorRecord, Outcome, PullView, RequestView, SlotState, SlotView

AT_WORK: frozenset[SlotState] = frozenset(("ready", "serving", "idle"))  # between these a slot goes all day


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of the events view."""

    id: int  # of the event
    at: float
    subject: str  # a slot, a model, "config", "hal0"
    text: str
    role: str = "text"
    state: SlotState | None = None  # what a slot became
    outcome: Outcome | None = None  # how a request ended
    slot: str = ""
    request: str = ""
    problem: bool = False  # whether the problem page has more about it
    group: str = ""  # of failures: their code and slot, which are told together
    count: int = 1  # of the group so far, by the daemon
    first_at: float = 0.0  # of the group
    file: str = ""  # of the configuration, where it is about one
    line: int | None = None


def happening(fact: Fact, before: SlotState | None) -> Happening | None:
    """What an event is in a line; `before`: the state that its slot had. None: nothing to be told here."""
    teller = _TELLERS.get(fact.kind)
    return teller(fact, before) if teller else None


def from_record(record: ErrorRecord) -> Happening:
    """A failure that was there before the dashboard was."""
    return _error(Fact(-record.id, record.last_at, "error", record), None)


def _slot(fact: Fact, before: SlotState | None) -> Happening | None:
    slot: SlotView = fact.data
    if slot.state == before or (before in AT_WORK and slot.state in AT_WORK):
        return None
    text = slot.state if before is None else f"{before} to {slot.state}"
    if slot.state == "error" and slot.error is not None:
        text += f": {slot.error.code}"
    elif slot.state in AT_WORK and slot.load_ms is not None:
        text += f", loaded in {figures.milliseconds(slot.load_ms)}"
    elif slot.remark:
        text += f", {slot.remark}"
    is_bad = slot.state == "error"
    role = STATE_ROLE[slot.state]
    return Happening(fact.id, fact.at, slot.name, text, role, slot.state, slot=slot.name, problem=is_bad)


def _removed(fact: Fact, before: SlotState | None) -> Happening:
    return Happening(fact.id, fact.at, fact.data, "removed from the configuration", "muted")


def _finished(fact: Fact, before: SlotState | None) -> Happening:
    view: RequestView = fact.data
    outcome = view.outcome or "ok"
    took = figures.stopwatch((view.finished_at or fact.at) - view.started_at)
    text = f"{view.path.removeprefix('/v1/')} {outcome} after {took}"
    if view.tokens:
        text += f", {figures.count(view.tokens)} tok"
    if view.error is not None:
        text += f": {view.error.code}"
    role = "text" if outcome == "ok" else OUTCOME_ROLE[outcome]
    subject = view.slot or view.asked or "?"
    return Happening(fact.id, fact.at, subject, text, role, outcome=outcome, slot=view.slot, request=view.id)


def _applied(fact: Fact, before: SlotState | None) -> Happening:
    config: ConfigView = fact.data
    if config.failed:
        return Happening(fact.id, fact.at, "config", config.failed, "bad", problem=True)
    return Happening(fact.id, fact.at, "config", summary(config).removeprefix("cfg "), "good")


def _rejected(fact: Fact, before: SlotState | None) -> Happening:
    config: ConfigView = fact.data
    first = config.problems[0].message if config.problems else config.path
    more = f" and {len(config.problems) - 1} more" if len(config.problems) > 1 else ""
    text = f"rejected, r{config.revision} stays: {first}{more}"
    file, line = (config.problems[0].file, config.problems[0].line) if config.problems else (config.path, None)
    return Happening(fact.id, fact.at, "config", text, "bad", problem=True, file=file, line=line)


def _error(fact: Fact, before: SlotState | None) -> Happening:
    record: ErrorRecord = fact.data
    times = f" ×{record.count}" if record.count > 1 else ""
    text = f"{record.error.code}{times}: {record.error.message}"
    subject = record.slot or "hal0"
    return Happening(
        fact.id,
        fact.at,
        subject,
        text,
        "bad",
        slot=record.slot,
        request=record.request,
        problem=True,
        group=f"{record.error.code} {record.slot}",
        count=record.count,
        first_at=record.first_at,
    )


def _pull(fact: Fact, before: SlotState | None) -> Happening | None:
    pull: PullView = fact.data
    if pull.error is not None:
        return Happening(fact.id, fact.at, pull.name, f"pull {pull.state}: {pull.error.code}", "bad")
    return Happening(fact.id, fact.at, pull.name, "pulled", "good") if pull.state == "done" else None


def _warned(fact: Fact, before: SlotState | None) -> Happening:
    warnings: tuple[str, ...] = fact.data
    text, role = ("; ".join(warnings), "warn") if warnings else ("nothing to warn of any more", "good")
    return Happening(fact.id, fact.at, "hal0", text, role, problem=bool(warnings))


def _stopping(fact: Fact, before: SlotState | None) -> Happening:
    return Happening(fact.id, fact.at, "hal0", "the daemon is stopping", "warn")


_TELLERS: dict[str, Callable[[Fact, SlotState | None], Happening | None]] = {
    "slot.transition": _slot,
    "slot.removed": _removed,
    "request.finished": _finished,
    "config.applied": _applied,
    "config.rejected": _rejected,
    "error": _error,
    "model.progress": _pull,
    "daemon.warnings": _warned,
    "daemon.stopping": _stopping,
}


def as_json(happening: Happening) -> dict[str, Any]:
    """For the clipboard: what is known, without what is empty."""
    known = {
        name: getattr(happening, name)
        for name in ("at", "subject", "text", "state", "outcome", "slot", "request", "first_at", "file", "line")
    }
    return {name: value for name, value in known.items() if value}
