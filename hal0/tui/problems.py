"""Everything that is wrong, one after the other: what happened, why, what hal0 did, and what a person can do.

Pure: from the store to values, and from a value to lines.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hal0.errors import CATALOGUE, fill
from hal0.tui import figures, retries
from hal0.tui.lines import EMPTY, Frame, Line, line, span, spread
from hal0.tui.look import Glyphs
from hal0.tui.store import Store
from hal0.tui.text import cells, cut, harmless, uncoloured, wrap
from hal0.wire import ErrorRecord, ErrorView, Problem, SlotView

LABEL_CELLS = 16


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The place in a file that a problem is about."""

    file: str
    line: int
    column: int | None
    text: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """One problem, ready to be shown."""

    key: str  # stays the same while the problem lasts
    code: str
    subject: str
    message: str
    when: str = ""
    did: str = ""
    cause: str = ""
    remedy: str = ""
    facts: tuple[tuple[str, str], ...] = ()
    excerpt: Excerpt | None = None
    log: tuple[str, ...] = ()
    command: str = ""
    slot: str = ""
    file: str = ""  # of the configuration, where it is to be corrected


def troubles(store: Store) -> list[Trouble]:
    """Rejected configuration first, then warnings, slots in error, and the other errors, newest first."""
    found = [*_of_config(store), *_of_failed_edit(store), *_of_warnings(store)]
    found += [_of_slot(slot, store) for slot in store.slots.values() if slot.state == "error"]
    told = {(trouble.slot, trouble.code) for trouble in found}
    records = sorted(store.errors.values(), key=lambda record: record.last_at, reverse=True)
    found += [_of_record(record, store) for record in records if (record.slot, record.error.code) not in told]
    return found


def has_troubles(store: Store) -> bool:
    config = store.config
    return bool(
        store.errors
        or store.warnings
        or (config and (config.problems or config.failed or config.rejected_at is not None))
        or any(slot.state == "error" for slot in store.slots.values())
    )


def key_of_slot(name: str) -> str:
    return f"slot {name}"


def _of_config(store: Store) -> Iterator[Trouble]:
    config = store.config
    if config is None:
        return
    for number, problem in enumerate(config.problems):
        at = f"at {figures.clock(config.rejected_at)}" if config.rejected_at else ""
        cause, _ = _advice(problem.code, {})
        yield Trouble(
            key=f"config {number}",
            code=problem.code,
            subject="configuration",
            message=problem.message,
            when=f"rejected {at}" if at else "",
            did=f"kept revision {config.revision}: what runs is what ran before, nothing of the edit is in force",
            cause=cause,
            remedy="Correct the place named and save: hal0 takes the file over by itself.",
            facts=tuple((name, value) for name, value in (("hint", problem.hint), ("key", problem.key)) if value),
            excerpt=_excerpt(problem),
            command="hal0 config check",
            file=problem.file,
        )
    if config.rejected_at is not None and not config.problems:
        yield Trouble(
            key="config",
            code="config.invalid",
            subject="configuration",
            message=f"the file {config.path} was rejected",
            did=f"kept revision {config.revision}",
            command="hal0 config check",
            file=config.path,
        )


def _of_failed_edit(store: Store) -> Iterator[Trouble]:
    """A revision that is live and did not work out; the error log has it too, as long as it is remembered there."""
    config = store.config
    if config is None or not config.failed:
        return
    record = next((each for each in store.errors.values() if each.error.message == config.failed), None)
    if record is not None:
        yield _of_record(record, store)
        return
    yield Trouble(
        key="config failed",
        code="config.slot_failed",
        subject="configuration",
        message=config.failed,
        did=f"went on with revision {config.revision}",
        command="hal0 config show",
    )


def _excerpt(problem: Problem) -> Excerpt | None:
    return Excerpt(problem.file, problem.line, problem.column, problem.source) if problem.line else None


def _of_warnings(store: Store) -> Iterator[Trouble]:
    for number, warning in enumerate(store.warnings):
        yield Trouble(
            key=f"warning {number}",
            code="warning",
            subject=store.host,
            message=warning,
            did="it goes on as it is configured",
            command="hal0 status",
        )


def _of_slot(slot: SlotView, store: Store) -> Trouble:
    code = slot.error.code if slot.error else "slot.crashed"
    details = {"slot": slot.name, **(slot.error.details if slot.error else {})}
    cause, remedy = _advice(code, details)
    did = retries.in_words(slot, store.now)
    if slot.failures:
        did = f"failure {slot.failures}{'' if slot.parked else ' of 5'} in a row: {did}"
    did += f" ({figures.clock(slot.retry_at)})" if slot.retry_at else "; it is started when someone asks for it"
    return Trouble(
        key=key_of_slot(slot.name),
        code=code,
        subject=f"slot {slot.name}",
        message=slot.error.message if slot.error else f"{slot.name} is in error",
        when=f"since {figures.clock(slot.since)}",
        did=did,
        cause=cause,
        remedy=remedy,
        facts=(
            ("model", slot.model),
            ("engine", slot.engine or slot.provider),
            ("revision", f"r{slot.revision}"),
            ("crash bundle", crash_of(slot.error)),
            ("how it came", f"`hal0 why {slot.name}`"),
        ),
        log=tuple(slot.log_tail),
        command=f"hal0 slot logs {slot.name}",
        slot=slot.name,
    )


def _of_record(record: ErrorRecord, store: Store) -> Trouble:
    is_slot = record.slot in store.slots  # else it is a remote, or has gone
    details = {**({"slot": record.slot} if record.slot else {}), **record.error.details}
    cause, remedy = _advice(record.error.code, details)
    first = f"first {figures.clock(record.first_at)}, " if record.count > 1 else ""
    times = f"  ×{record.count}" if record.count > 1 else ""
    facts = (
        ("request", record.request),
        ("crash bundle", crash_of(record.error)),
        ("how it came", f"`hal0 why {record.slot}`" if is_slot else ""),
    )
    return Trouble(
        key=f"error {record.id}",
        code=record.error.code,
        subject=f"slot {record.slot}" if is_slot else record.slot or "hal0",
        message=record.error.message,
        when=f"{first}last {figures.clock(record.last_at)}{times}" if first else figures.clock(record.last_at),
        did="answered the request with this error" if record.request else "",
        cause=cause,
        remedy=remedy,
        facts=facts,
        command=f"hal0 slot logs {record.slot}" if is_slot else f"hal0 explain {record.error.code}",
        slot=record.slot,
    )


def crash_of(error: ErrorView | None) -> str:
    """Where all is kept that was known when a backend failed; empty if nothing is."""
    id = error.details.get("crash") if error is not None else None
    return f"{id}: `hal0 crash show {id}`" if id else ""


def _advice(code: str, details: Mapping[str, Any]) -> tuple[str, str]:
    spec = CATALOGUE.get(code)
    return (fill(spec.cause, details), fill(spec.remedy, details)) if spec else ("", "")


def page(trouble: Trouble, width: int, glyphs: Glyphs, log: Sequence[str] | None) -> list[Line]:
    """A problem as lines. `log` is what was fetched; None: not yet, then what came with the problem."""
    sign, role = (glyphs.warning, "warn") if trouble.code == "warning" else (glyphs.states["error"], "bad")
    lines: list[Line] = [
        spread(line(" ", span(f"{sign} {trouble.code}", role)), line(span(trouble.when, "muted"), " "), width)
    ]
    lines += [line(span("   " + piece, "strong")) for piece in wrap(harmless(trouble.message), width - 4)]
    lines.append(EMPTY)
    for label, text in (
        ("what hal0 did", trouble.did),
        ("likely cause", trouble.cause),
        ("what to do", trouble.remedy),
        *trouble.facts,
    ):
        lines += labelled(label, text.replace("`", ""), width)
    if trouble.command:
        lines += labelled("equivalent CLI", trouble.command, width)
    if trouble.excerpt:
        lines += _excerpt_lines(trouble.excerpt, width, glyphs)
    kept = trouble.log if log is None else log
    if kept:
        lines += [EMPTY, glyphs.plain.rule(width, line(span(f"end of the log of {trouble.slot}")), ())]
        for text in kept:
            lines += [line(span("   " + piece, "muted")) for piece in wrap(harmless(uncoloured(text)), width - 4)]
    return lines


def labelled(label: str, text: str, width: int) -> list[Line]:
    """A text with its label beside it, or above it where columns are few; nothing if there is no text."""
    if not text:
        return []
    if width < 60:
        return [
            *([line(span(f"   {label}", "muted"))] if label else []),
            *(line(span("   " + piece)) for piece in wrap(harmless(text), width - 4)),
        ]
    pieces = wrap(harmless(text), width - LABEL_CELLS - 4)
    head = line(span(f"   {label:<{LABEL_CELLS}}", "muted"), span(pieces[0]))
    return [head, *(line(span(" " * (LABEL_CELLS + 3) + piece)) for piece in pieces[1:])]


def _excerpt_lines(excerpt: Excerpt, width: int, glyphs: Glyphs) -> list[Line]:
    frame: Frame = glyphs.plain
    where = f"{excerpt.file}:{excerpt.line}" + (f":{excerpt.column}" if excerpt.column else "")
    number = f" {glyphs.states['error']} {excerpt.line:>4} "
    source = harmless(excerpt.text)
    lines = [
        EMPTY,
        frame.rule(width, line(span(where)), ()),
        line(span(number, "bad"), span(frame.vertical, "rule"), span(" " + cut(source, width - len(number) - 3))),
    ]
    if excerpt.column:
        indent = cells(harmless(excerpt.text[: excerpt.column - 1]))
        if indent < width - len(number) - 4:
            lines.append(
                line(span(" " * len(number)), span(frame.vertical, "rule"), span(" " * (indent + 1) + "^", "bad"))
            )
    return lines
