"""Waiting for the outcome of a verb: the daemon says 202 at once, and the slot tells how it went.

What the slot looked like before the verb is kept, so that an old failure is not taken for a new one.
"""

import time
from collections.abc import Callable

from hal0.cli.connection import Daemon, part
from hal0.errors import CATALOGUE, Hal0Error
from hal0.wire import SlotView

POLL_SECONDS = 0.1
OFFLINE_SECONDS = 3.0  # a slot that is to come up and stays offline longer than this was stopped by someone else


def await_outcome(daemon: Daemon, verb: str, before: SlotView, on_progress: Callable[[SlotView], None]) -> SlotView:
    """The slot once `verb` is done; raises the failure that the slot met instead."""
    offline_since: float | None = None
    while True:
        slot = daemon.get(f"/api/slots/{part(before.name)}", SlotView)
        on_progress(slot)
        if is_done(verb, before, slot):
            return slot
        if slot.state == "error" and slot.since != before.since:
            raise failure_of(slot)
        if slot.state == "offline" and not slot.remark:  # else it waits for room in memory
            offline_since = offline_since or time.monotonic()
            if time.monotonic() - offline_since > OFFLINE_SECONDS:
                raise Hal0Error("slot.not_ready", slot=slot.name, state=slot.state)
        else:
            offline_since = None
        time.sleep(POLL_SECONDS)


def is_done(verb: str, before: SlotView, slot: SlotView) -> bool:
    """Whether the slot is where the verb was to bring it."""
    if verb == "unload":
        return slot.state == "offline"
    # A restart of a slot that is up ends in another run; a failed slot may have its next run waiting already.
    return slot.is_up and (verb == "load" or not before.is_up or slot.run > before.run)


def failure_of(slot: SlotView) -> Hal0Error:
    """Why a slot is in error, with the code it has there."""
    if slot.error is None:
        return Hal0Error("slot.crashed", slot=slot.name, reason="no reason is known")
    if slot.error.code not in CATALOGUE:
        return Hal0Error("slot.crashed", slot=slot.name, reason=f"{slot.error.code}: {slot.error.message}")
    return Hal0Error(slot.error.code, **slot.error.details)
