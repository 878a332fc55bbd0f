"""The configuration that runs: its revision, by whom and why, what it changed, and what that did to each slot.

Pure: from the configuration and the slots to lines.
"""

from collections.abc import Iterator, Mapping

from hal0.tui import figures
from hal0.tui.effects import words_for
from hal0.tui.lines import EMPTY, Line, line, span, spread
from hal0.tui.look import STATE_ROLE, Glyphs
from hal0.tui.problems import labelled
from hal0.tui.text import fit, harmless, wrap
from hal0.wire import ConfigView, Effect, SlotEffect, SlotView

COMMAND = "hal0 config show"
WAYS_BACK = "hal0 config history, hal0 config rollback"
ROLES: Mapping[Effect, str] = {"keep": "muted", "live": "good", "restart": "warn", "add": "good", "remove": "warn"}
NAME_CELLS = 14
EFFECT_CELLS = 36
NARROW_COLUMNS = 76  # below this the state of a slot has a line of its own


def page(config: ConfigView, slots: Mapping[str, SlotView], width: int, glyphs: Glyphs) -> list[Line]:
    """The page of the configuration."""
    when = line(span(f"taken over {figures.clock(config.applied_at)}", "muted"), " ")
    lines: list[Line] = [spread(line(" ", *_verdict(config, glyphs)), when, width)]
    where = config.path if config.exists else f"{config.path} is not there: the embedded default runs"
    lines += [line(span("   " + piece, "strong")) for piece in wrap(harmless(where), width - 4)]
    lines += _loud(config, width)
    lines.append(EMPTY)
    lines += labelled("by", config.by or "not told", width)
    lines += labelled("why", config.why, width)
    for number, change in enumerate(config.changes or ["nothing"]):
        lines += labelled("" if number else "changed", change, width)
    for number, key in enumerate(config.needs_restart):
        lines += labelled("" if number else "waits for hal0", f"{key}: from the next restart of the daemon", width)
    lines += labelled("equivalent CLI", COMMAND, width)
    lines += labelled("the way back", WAYS_BACK, width)
    lines += [EMPTY, glyphs.plain.rule(width, line(span(f"what r{config.revision} did to each slot")), ())]
    for effect in config.effects:
        lines += _slot(effect, slots.get(effect.name), config.revision, width, glyphs)
    if not config.effects:
        told = "It is what hal0 started with: every slot began with it."
        lines += [line(span("   " + piece, "muted")) for piece in wrap(told, width - 4)]
    return lines


def _verdict(config: ConfigView, glyphs: Glyphs) -> Line:
    if config.rejected_at is not None or config.problems:
        return line(span(f" cfg r{config.revision} runs, an edit is REJECTED ", "alarm"))
    if config.failed:
        return line(span(f" cfg r{config.revision} EDIT FAILED ", "alarm"))
    return line(span(f"{glyphs.states['ready']} cfg r{config.revision} ok", "good"))


def _loud(config: ConfigView, width: int) -> Iterator[Line]:
    """What went wrong with the last edits."""
    if config.rejected_at is not None or config.problems:
        many = f"{len(config.problems)} problem{'s' if len(config.problems) != 1 else ''}"
        since = f" since {figures.clock(config.rejected_at)}" if config.rejected_at is not None else ""
        told = f"The file on disk is refused{since}: {many}; e shows them. Nothing of it is in force."
        yield from (line(span("   " + piece, "bad")) for piece in wrap(told, width - 4))
    if config.failed:
        yield from (line(span("   " + piece, "bad")) for piece in wrap(harmless(config.failed), width - 4))


def _slot(effect: SlotEffect, slot: SlotView | None, revision: int, width: int, glyphs: Glyphs) -> Iterator[Line]:
    """A slot: what becomes of it, how far that is, and the reason."""
    head = line("   ", span(fit(effect.name, NAME_CELLS), "strong"), " ")
    now = _now(effect, slot, revision, glyphs) if slot is not None else ()
    told, role = words_for(effect), ROLES[effect.effect]
    if width < NARROW_COLUMNS:
        yield (*head, *now)
        yield from (line(span("     " + piece, role)) for piece in wrap(told, width - 6))
    else:
        yield (*head, span(fit(told, EFFECT_CELLS), role), span(" "), *now)
    for text, role in (*((change, "muted") for change in effect.changes), (effect.problem, "bad")):
        if text:
            yield from (line(span("     " + piece, role)) for piece in wrap(harmless(text), width - 6))


def _now(effect: SlotEffect, slot: SlotView, revision: int, glyphs: Glyphs) -> Line:
    """The slot's state; while it waits for its restart also the revision that it still runs with."""
    role = STATE_ROLE[slot.state]
    still = effect.effect == "restart" and slot.pid is not None and slot.revision < revision
    waits = (span(f", still r{slot.revision}", "warn"),) if still else ()
    return (span(f"{glyphs.states[slot.state]} {slot.state}", role), *waits)
