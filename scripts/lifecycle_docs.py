"""Writes docs/lifecycle.md from the table: `python -m scripts.lifecycle_docs`. A test fails when it is out of date."""

from collections import defaultdict
from pathlib import Path

from hal0.daemon.slots.lifecycle import ANSWERING, CAUSE, COMING_UP, MEANING, TRANSITIONS, State, Trigger

PAGE = Path(__file__).resolve().parent.parent / "docs" / "lifecycle.md"

INTRODUCTION = """\
# The lifecycle of a slot

<!-- Drawn from hal0/daemon/slots/lifecycle.py by `python -m scripts.lifecycle_docs`; edit that, not this. -->

A slot is in one of nine states. It changes only by a row of one table; what has no row cannot happen. Each change is a
`slot.transition` event with the whole slot in it; that it works and rests is told at most ten times a second, and last
what it came to.
"""

AFTER_STATES = """\
A request goes to a slot that is {answering}. A slot that is {coming_up} holds requests until it is ready, and
an offline one is started by the first request for it; all who wait share that one start.
"""


def page() -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, _diagram(), _states(), _sentence(), _triggers(), _table()])


def _diagram() -> str:
    """Arrows between two states share one line."""
    arrows: dict[tuple[State, State], list[Trigger]] = defaultdict(list)
    for state, rows in TRANSITIONS.items():
        for trigger, target in rows.items():
            arrows[state, target].append(trigger)
    lines = [f"    {state} --> {target}: {', '.join(triggers)}" for (state, target), triggers in arrows.items()]
    return "\n".join(["```mermaid", "stateDiagram-v2", "    [*] --> offline", *lines, "```", ""])


def _states() -> str:
    rows = [f"| **{state}** | {MEANING[state]} |" for state in State]
    return "\n".join(["## States", "", "| state | means |", "|---|---|", *rows, ""])


def _sentence() -> str:
    return AFTER_STATES.format(answering=_either(ANSWERING), coming_up=_either(COMING_UP))


def _either(states: frozenset[State]) -> str:
    *names, last = (state.value for state in State if state in states)
    return f"{', '.join(names)} or {last}"


def _triggers() -> str:
    rows = [f"| **{trigger}** | {CAUSE[trigger]} |" for trigger in Trigger]
    return "\n".join(["## What moves it", "", "| trigger | happens when |", "|---|---|", *rows, ""])


def _table() -> str:
    """The table itself, states down, triggers across."""
    head = ["| | " + " | ".join(Trigger) + " |", "|---|" + "---|" * len(Trigger)]
    rows = [
        f"| **{state}** | " + " | ".join(TRANSITIONS[state].get(trigger, "·") for trigger in Trigger) + " |"
        for state in State
    ]
    return "\n".join(["## The table", "", "A dot: not possible, `slot.illegal_transition`.", "", *head, *rows, ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
