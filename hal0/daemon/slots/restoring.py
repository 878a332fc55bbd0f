"""Gives a group back: what an exclusive slot took over from runs again once that slot has been quiet for long enough.

Only what hal0 itself unloaded for its sake, and only if it fits then without unloading anybody else.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.config.units import show_seconds
from hal0.daemon.slots.run import Ending, Run

log = logging.getLogger("hal0.slots")


class Member(Protocol):
    """What is asked of a slot."""

    name: str
    config: SlotConfig
    run: Run | None
    last_used: float

    @property
    def waiting(self) -> int: ...
    def load(self, *, by: str) -> None: ...
    def unload(self, reason: str) -> asyncio.Future[Ending] | None: ...


class Restoring:
    """Who is owed their place by whom. `find` tells a slot by its name, None if it is not configured any more."""

    def __init__(
        self, find: Callable[[str], Member | None], *, start_task: Callable[[Coroutine[Any, Any, None]], object]
    ) -> None:
        self._find = find
        self._start_task = start_task
        self._owed: dict[str, list[str]] = {}  # by the slot that took over
        self._timers: dict[str, asyncio.TimerHandle] = {}

    def displaced(self, newcomer: str, name: str) -> None:
        """`name` is unloaded, as `newcomer` wants their group for itself."""
        owed = self._owed.setdefault(newcomer, [])
        if name not in owed:
            owed.append(name)

    def changed(self, name: str) -> None:
        """A slot is not what it was."""
        slot = self._find(name)
        if slot is not None and slot.run is not None and slot.run.proven:
            for owed in self._owed.values():  # it is back by itself
                if name in owed:
                    owed.remove(name)
        if name in self._owed:
            self._arm(name, slot)

    def close(self) -> None:
        """Nothing is started any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        self._owed.clear()

    def _arm(self, name: str, slot: Member | None) -> None:
        if timer := self._timers.pop(name, None):
            timer.cancel()
        if slot is None or not self._owed[name]:
            del self._owed[name]
            return
        run = slot.run if slot.run and slot.run.starts_at is None else None  # a try planned for later is none
        if not slot.config.restore_after or slot.waiting or (run and (run.in_flight or not run.proven)):
            return
        quiet_since = max(slot.last_used, run.ready_at or 0.0) if run else slot.last_used
        loop = asyncio.get_running_loop()
        due = quiet_since + slot.config.restore_after
        self._timers[name] = loop.call_at(due, lambda: self._start_task(self._restore(slot)))

    async def _restore(self, slot: Member) -> None:
        names = self._owed.pop(slot.name, [])
        if not names:
            return  # all of them are back by themselves
        quiet = show_seconds(slot.config.restore_after)
        log.info("%s gives its group back to %s", slot.name, ", ".join(names))
        if slot.run is not None and slot.run.starts_at is None:
            ended = slot.unload(f"gave its group back to {', '.join(names)} after {quiet} of quiet")
            if ended is not None:
                await asyncio.wait({ended})
        if slot.waiting:  # it is wanted again; they get their place another time
            self._owed.setdefault(slot.name, names)
            return
        for name in names:
            if (owed := self._find(name)) is not None and owed.run is None:
                owed.load(by="restore")
