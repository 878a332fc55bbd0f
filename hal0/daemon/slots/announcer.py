"""How often a slot's changes are told. A step of its life is told at once; that it works and rests, which every short
request brings about twice, at most ten times a second.
"""

import asyncio
from collections.abc import Callable

from hal0.daemon.slots.lifecycle import State
from hal0.daemon.slots.slot import Slot

LEAST_SECONDS = 0.1  # between two tellings of the same slot while it only works and rests
IN_USE = frozenset({State.READY, State.SERVING})


class Announcer:
    """Hears of every change; `tell` is called with a slot as it is then, and always of the last one."""

    def __init__(self, tell: Callable[[Slot], object]) -> None:
        self._tell = tell
        self._told: dict[str, tuple[State, float]] = {}  # slot → its state when it was told last, and the loop time
        self._due: dict[str, asyncio.TimerHandle] = {}

    def changed(self, slot: Slot) -> None:
        state, wait = slot.state, 0.0
        if state in IN_USE:
            if slot.name in self._due:
                return
            before, at = self._told.get(slot.name, (None, 0.0))
            if before in IN_USE:
                wait = at + LEAST_SECONDS - asyncio.get_running_loop().time()
        if wait > 0:
            self._due[slot.name] = asyncio.get_running_loop().call_later(wait, self._tell_now, slot)
        else:
            self._tell_now(slot)

    def forget(self, name: str) -> None:
        """There is no such slot any more."""
        self._told.pop(name, None)
        if due := self._due.pop(name, None):
            due.cancel()

    def _tell_now(self, slot: Slot) -> None:
        if due := self._due.pop(slot.name, None):
            due.cancel()
        self._told[slot.name] = slot.state, asyncio.get_running_loop().time()
        self._tell(slot)
