"""Each revision is on trial until the slots that it starts anew are ready. When one fails, that is told with the
revision that did it and, with `auto_rollback`, the configuration goes back to the last good one.

Good is a revision whose trial has passed, and what the daemon started with. One that starts no slot is as good as the
one before. Only what a revision itself starts counts: a slot that failed before, or is started later, says nothing.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hal0.daemon.config.snapshot import Diff, Snapshot
from hal0.daemon.config.store import ConfigStore
from hal0.errors import Hal0Error
from hal0.wire import SlotEffect

BY = "hal0"

log = logging.getLogger("hal0.config")


@dataclass(frozen=True, slots=True)
class _WayBack:
    """From the revision that is current, for the sake of the one that failed."""

    verdict: Hal0Error
    base: int


class Trial:
    """Watches over the revision that was taken over last. `on_failure` hears of each verdict."""

    def __init__(self, store: ConfigStore, *, on_failure: Callable[[Hal0Error, str], None]) -> None:
        self._store = store
        self._on_failure = on_failure
        self._good = store.current.revision
        self._waiting: dict[str, int] = {}  # slot → the revision that starts it
        self._tried = 0  # the last revision that started a slot
        self._tried_by = ""
        self._has_failed = False  # since then
        self._is_going_back = False
        self._way_back: asyncio.Queue[_WayBack] = asyncio.Queue(maxsize=1)  # by `_is_going_back` there is one at most

    def begin(
        self,
        snapshot: Snapshot,
        diff: Diff,
        effects: Iterable[SlotEffect],
        *,
        is_watched: Callable[[str], bool] = lambda slot: False,
    ) -> None:
        """A revision has been taken over, with these effects. `is_watched`: somebody else looks after that slot."""
        up = self._store.running()
        self._waiting = {name: by for name, by in self._waiting.items() if name in up}  # others were called off
        for each in effects:
            if is_watched(each.name):
                self._waiting.pop(each.name, None)
            elif _is_started_by(snapshot, diff, each):
                self._waiting[each.name] = self._tried = snapshot.revision
                self._tried_by = self._store.by
            elif each.effect in ("add", "remove"):
                self._waiting.pop(each.name, None)
        if self._tried == snapshot.revision or self._store.by == BY:
            self._has_failed = False
        self._settle()

    def ready(self, slot: str) -> None:
        if self._waiting.pop(slot, None) is not None:
            self._settle()

    def failed(self, slot: str, error: Hal0Error) -> None:
        """A slot's start, or its run, has failed."""
        revision = self._waiting.pop(slot, None)
        if revision is None:
            return
        self._has_failed = True
        if self._is_going_back:
            log.error("%s failed as well; revision %d is being taken back", slot, revision)
            return
        now = self._store.current
        # Only the last edit that starts slots is taken back, with what came after it and starts none. And never a way
        # back itself: that would be going in circles.
        goes_back = now.settings.daemon.auto_rollback and revision == self._tried and self._tried_by != BY
        code, reason = "config.slot_failed", error.message
        if goes_back:
            code, reason = "config.rolled_back", reason + _gone_with_it(revision, now.revision)
        verdict = Hal0Error(code, revision=revision, good=self._good, slot=slot, reason=reason)
        if goes_back:
            self._is_going_back = True
            self._way_back.put_nowait(_WayBack(verdict, base=now.revision))
        else:
            self._tell(verdict)

    async def run(self) -> None:
        """Go back when a verdict asks for it, until cancelled."""
        while True:
            asked = await self._way_back.get()
            verdict, facts = asked.verdict, asked.verdict.details
            why = f"{facts['slot']} did not become ready: {facts['reason']}"
            try:
                # Based on what was current: whoever edits meanwhile is mending it, and has precedence.
                await self._store.rollback(facts["good"], by=BY, why=why, based_on=str(asked.base))
            except Hal0Error as error:
                log.error("revision %d stays: %s", facts["revision"], error)
                verdict = Hal0Error("config.slot_failed", **facts)
            finally:
                self._is_going_back = False
            self._tell(verdict)

    def _settle(self) -> None:
        if not self._waiting and not self._has_failed:
            self._good = self._store.current.revision

    def _tell(self, verdict: Hal0Error) -> None:
        log.error("%s", verdict)
        self._on_failure(verdict, verdict.details["slot"])
        self._store.note_failure(verdict.message)


def _gone_with_it(revision: int, last: int) -> str:
    """What is taken back besides: edits since then that started no slot."""
    if last == revision:
        return ""
    these = f"revision {last}" if last == revision + 1 else f"revisions {revision + 1} to {last}"
    return f" (what {these} changed since then went with it)"


def _is_started_by(snapshot: Snapshot, diff: Diff, effect: SlotEffect) -> bool:
    slot = snapshot.settings.slots.get(effect.name)
    if slot is None:
        return False
    begins = effect.effect == "add" or f"slots.{effect.name}.autostart" in diff.keys
    return effect.effect == "restart" or (slot.autostart and begins)
