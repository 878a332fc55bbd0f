"""When a slot in error is started again, in the same words everywhere.

Parked is a slot that failed so often in a row that it is tried only once in a while.
"""

import math

from hal0.tui import figures
from hal0.wire import SlotView


def note(slot: SlotView, now: float) -> str:
    """For a table: `retry 12s`, `parked 9m58`, `no retry`."""
    if slot.retry_at is None:
        return "parked" if slot.parked else "no retry"
    return f"{'parked' if slot.parked else 'retry'} {_wait(slot.retry_at, now)}"


def in_words(slot: SlotView, now: float) -> str:
    """For a sentence: `next try in 12s`, `parked, next try in 9m58`, `no retry by itself`."""
    if slot.retry_at is None:
        return "parked" if slot.parked else "no retry by itself"
    wait = _wait(slot.retry_at, now)
    when = wait if wait == "now" else f"in {wait}"
    return f"{'parked, ' if slot.parked else ''}next try {when}"


def _wait(at: float, now: float) -> str:
    return figures.span(math.ceil(at - now)) if at > now else "now"
