"""Each revision is on trial until the slots that it starts anew are ready. When one fails, that is told with the
revision that did it and, with `auto_rollback`, the configuration goes back to the one before.

Only what the revision itself starts counts: a slot that failed before, or is started later, says nothing about it.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable

from hal0.daemon.config.snapshot import Diff, Snapshot
from hal0.daemon.config.store import ConfigStore
from hal0.errors import Hal0Error
from hal0.wire import SlotEffect

BY = "hal0"

log = logging.getLogger("hal0.config")


class Trial:
    """Watches over the revision that was taken over last. `on_failure` hears of each verdict."""

    def __init__(self, store: ConfigStore, *, on_failure: Callable[[Hal0Error, str], None]) -> None:
        self._store = store
        self._on_failure = on_failure
        self._waiting: dict[str, int] = {}  # slot → the revision that starts it
        self._way_back: asyncio.Queue[Hal0Error] = asyncio.Queue(maxsize=1)  # of one revision there is one at most

    def begin(
        self,
        snapshot: Snapshot,
        diff: Diff,
        effects: Iterable[SlotEffect],
        *,
        is_watched: Callable[[str], bool] = lambda slot: False,
    ) -> None:
        """A revision has been taken over, with these effects. `is_watched`: somebody else looks after that slot."""
        for each in effects:
            if is_watched(each.name):
                self._waiting.pop(each.name, None)
            elif _is_started_by(snapshot, diff, each):
                self._waiting[each.name] = snapshot.revision
            elif each.effect in ("add", "remove"):
                self._waiting.pop(each.name, None)

    def ready(self, slot: str) -> None:
        self._waiting.pop(slot, None)

    def failed(self, slot: str, error: Hal0Error) -> None:
        """A slot's start, or its run, has failed."""
        revision = self._waiting.pop(slot, None)
        if revision is None:
            return
        now = self._store.current
        # Only the last edit is taken back, and never a way back itself: that would be going in circles.
        goes_back = now.settings.daemon.auto_rollback and now.revision == revision and self._store.by != BY
        verdict = Hal0Error(
            "config.rolled_back" if goes_back else "config.slot_failed",
            revision=revision,
            good=revision - 1,
            slot=slot,
            reason=error.message,
        )
        if goes_back and not self._way_back.full():
            self._way_back.put_nowait(verdict)
        else:
            self._tell(verdict)

    async def run(self) -> None:
        """Go back when a verdict asks for it, until cancelled."""
        while True:
            verdict = await self._way_back.get()
            facts = verdict.details
            why = f"{facts['slot']} did not become ready: {facts['reason']}"
            try:
                # Based on the failed revision: whoever edits meanwhile is mending it, and has precedence.
                await self._store.rollback(facts["good"], by=BY, why=why, based_on=str(facts["revision"]))
            except Hal0Error as error:
                log.error("revision %d stays: %s", facts["revision"], error)
                verdict = Hal0Error("config.slot_failed", **facts)
            self._tell(verdict)

    def _tell(self, verdict: Hal0Error) -> None:
        log.error("%s", verdict)
        self._on_failure(verdict, verdict.details["slot"])
        self._store.note_failure(verdict.message)


def _is_started_by(snapshot: Snapshot, diff: Diff, effect: SlotEffect) -> bool:
    slot = snapshot.settings.slots.get(effect.name)
    if slot is None:
        return False
    begins = effect.effect == "add" or f"slots.{effect.name}.autostart" in diff.keys
    return effect.effect == "restart" or (slot.autostart and begins)
