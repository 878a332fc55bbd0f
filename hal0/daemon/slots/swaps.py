"""Another model for a slot: checked, written into the configuration, drained, stopped and started. If it does not
become ready, the old one is brought back, and the error tells both.

A swap is an edit of the slot's key `model`, on the one way of writing: it has a revision, outlives a restart of the
daemon, and can be rolled back. Whoever edits the slot while it is swapped has precedence.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal

from hal0.daemon.config.file import ConfigProblems
from hal0.daemon.config.proposals import Proposal, with_slot_keys
from hal0.daemon.config.store import ConfigStore
from hal0.daemon.providers.base import Launch, SlotSpec, spec_of
from hal0.daemon.slots.process import finish
from hal0.daemon.slots.run import ModelFiles
from hal0.daemon.slots.slot import Slot
from hal0.errors import Hal0Error
from hal0.wire import Drain, ErrorView, Kind, SwapStep, SwapView

BY = "hal0"

log = logging.getLogger("hal0.slots")


@dataclass(frozen=True, slots=True)
class Swap:
    """One swap, as far as it has come."""

    operation: str
    slot: str
    model: str
    before: str | None  # the model it had; None: none was named
    drain: Drain
    ran: bool  # whether the slot was up, or coming up, with the old model
    revision: int = 0  # that names the new model
    configured: str | None = None  # the new model as that revision has it: a path is whole there
    step: SwapStep = "under way"
    error: Hal0Error | None = None

    @property
    def is_over(self) -> bool:
        return self.step not in ("under way", "going back")

    def view(self) -> SwapView:
        error = self.error
        told = ErrorView(code=error.code, message=error.message, details=error.details) if error else None
        return SwapView(
            operation=self.operation, model=self.model, before=self.before or "", step=self.step, error=told
        )


class Swaps:
    """The last swap of each slot. `check_room` raises if the model would not fit once the old one is gone;
    `on_failure` hears of each swap that failed.
    """

    def __init__(
        self,
        config: ConfigStore,
        *,
        models: Callable[[], ModelFiles],
        check_room: Callable[[Slot, SlotSpec, Launch], Awaitable[None]],
        on_failure: Callable[[Hal0Error, str], object],
    ) -> None:
        self._config = config
        self._models = models
        self._check_room = check_room
        self._on_failure = on_failure
        self._last: dict[str, Swap] = {}
        self._checking: set[str] = set()  # slots that somebody is about to swap
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False

    def view_of(self, slot: str) -> SwapView | None:
        swap = self._last.get(slot)
        return swap.view() if swap else None

    def watches(self, slot: str) -> bool:
        """Whether what becomes of this slot's start is looked after here."""
        swap = self._last.get(slot)
        return slot in self._checking or (swap is not None and not swap.is_over)

    def forget(self, slot: str) -> None:
        """The slot is gone."""
        self._last.pop(slot, None)

    async def begin(
        self, slot: Slot, model: str, *, operation: str, drain: Drain, by: str, based_on: str | None = None
    ) -> None:
        """Check it and write it; what follows goes on by itself. Raises what stands against it: nothing has changed."""
        if self._is_closed:
            raise Hal0Error("system.shutting_down")
        if self.watches(slot.name):
            under_way = self._last.get(slot.name)
            raise Hal0Error("slot.swap_under_way", slot=slot.name, model=under_way.model if under_way else model)
        self._checking.add(slot.name)
        try:
            swap = Swap(operation, slot.name, model, slot.config.model, drain, ran=slot.run is not None)
            await self._check(slot, model)
            # Whoever asked may leave: what is being written is written, and then seen through.
            await finish(self._write(slot, swap, by=by, based_on=based_on))
        finally:
            self._checking.discard(slot.name)

    async def close(self) -> None:
        """The daemon ends, and with it every run that is waited for here. What is being written is for the next one."""
        self._is_closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # Before anything is changed -------------------------------------------------------------------------------

    async def _check(self, slot: Slot, model: str) -> None:
        judgement = await self._config.judge(_edit(slot.name, model))
        if judgement.settings is None:
            await asyncio.to_thread(self._check_kind_alone, slot, model)
            raise ConfigProblems(self._config.path, judgement.problems)
        if (config := judgement.settings.slots.get(slot.name)) is None:  # it was taken out on disk this moment
            raise Hal0Error("slot.not_found", slot=slot.name, nearest="")
        provider, models = slot.provider, self._models()

        def rendered() -> tuple[SlotSpec, Launch]:  # in a thread: headers of model files are read
            spec = spec_of(slot.name, config, provider=provider, find=models.find)
            return spec, provider.launch(spec)

        spec, launch = await asyncio.to_thread(rendered)
        _check_kind(slot, spec)
        await self._check_room(slot, spec, launch)

    def _check_kind_alone(self, slot: Slot, model: str) -> None:
        """A model of another kind is told as that, not as what else does not fit it, its context say."""
        config = slot.config.model_copy(update={"model": model})
        try:
            spec = spec_of(slot.name, config, provider=slot.provider, find=self._models().find)
        except Hal0Error:  # it is among the problems that are told
            return
        _check_kind(slot, spec)

    async def _write(self, slot: Slot, swap: Swap, *, by: str, based_on: str | None) -> None:
        why = f"{slot.name} swapped from {swap.before or 'no model'} to {swap.model}"
        view = await self._config.write(_edit(slot.name, swap.model), by=by, why=why, based_on=based_on)
        now = self._config.current.settings.slots.get(slot.name)
        if self._is_closed or now is None:
            return
        self._last[slot.name] = swap = replace(swap, revision=view.revision, configured=now.model)
        task = asyncio.get_running_loop().create_task(self._see_through(slot, swap))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    # What becomes of it ---------------------------------------------------------------------------------------

    async def _see_through(self, slot: Slot, swap: Swap) -> None:
        slot.sharpen(swap.drain)
        outcome = await _loaded(slot, by=f"the swap to {swap.model}")
        if outcome == "called off" or (outcome == "ready" and not self._is_current(swap)):
            self._tell(slot, replace(swap, step="called off"))
        elif outcome == "ready":
            self._tell(slot, replace(swap, step="done"))
        elif swap.before == swap.configured:  # there is nothing to go back to
            self._tell(slot, replace(swap, step="failed", error=outcome))
        else:
            self._tell(slot, replace(swap, step="going back"))
            then = await self._go_back(slot, swap, outcome)
            failure = Hal0Error(
                "slot.swap_failed",
                slot=slot.name,
                model=swap.model,
                reason=outcome.message,
                cause=outcome.code,
                then=then,
            )
            log.error("%s", failure)
            self._on_failure(failure, slot.name)
            self._config.note_failure(failure.message)
            self._tell(slot, replace(swap, step="failed", error=failure))

    async def _go_back(self, slot: Slot, swap: Swap, error: Hal0Error) -> str:
        """Bring the old model back; what came of that, in words."""
        if not self._is_current(swap):
            return "the slot was edited meanwhile, and that edit stays"
        try:
            await self._write_back(swap, why=f"the swap to {swap.model} failed: {error.message}")
        except Hal0Error as refusal:
            return f"the configuration could not be written back: {refusal.message}"
        before = swap.before or "no model"
        if not swap.ran:
            slot.unload(f"the swap to {swap.model} failed", drain="now")
            return f"{before} is configured again, and not started, as it was"
        outcome = await _loaded(slot, by=f"the way back from {swap.model}")
        if outcome == "ready":
            return f"{before} runs again"
        why = "it was stopped" if outcome == "called off" else outcome.message
        return f"{before} is configured again, but does not run: {why}"

    async def _write_back(self, swap: Swap, *, why: str) -> None:
        """The revision before, whole, unless there were others since: then the one key."""
        if self._config.current.revision == swap.revision and self._config.history is not None:
            try:
                await self._config.rollback(swap.revision - 1, by=BY, why=why, based_on=str(swap.revision))
            except Hal0Error as error:
                log.info("revision %d is not written again as a whole: %s", swap.revision - 1, error)
            else:
                return
        await self._config.write(_edit(swap.slot, swap.before), by=BY, why=why)

    def _is_current(self, swap: Swap) -> bool:
        """Whether the configuration still says what this swap made it say."""
        config = self._config.current.settings.slots.get(swap.slot)
        return config is not None and config.model == swap.configured

    def _tell(self, slot: Slot, swap: Swap) -> None:
        self._last[slot.name] = swap
        slot.announce()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a swap broke off; what is configured now goes on", exc_info=error)


def _edit(slot: str, model: str | None) -> Proposal:
    return with_slot_keys(slot, {"model": model})


def _check_kind(slot: Slot, spec: SlotSpec) -> None:
    kinds = _kinds_of(slot)
    if kinds and spec.model.kind not in kinds:
        raise Hal0Error(
            "model.wrong_kind", model=spec.model.id, kind=spec.model.kind, slot=slot.name, slot_kind=slot.kind
        )


def _kinds_of(slot: Slot) -> set[Kind]:
    """What a model of this slot may be for; nothing if neither the slot nor its model tells."""
    try:
        return {slot.kind, slot.plan().model.kind}
    except Hal0Error:  # its model is away, so that its kind may be a guess
        return {slot.config.kind} if slot.config.kind else set()


async def _loaded(slot: Slot, *, by: str) -> Hal0Error | Literal["ready", "called off"]:
    """What becomes of the start that is asked for here, or comes once the run before has ended."""
    try:
        slot.load(by=by)
    except Hal0Error:  # it was taken out of the configuration this moment
        return "called off"
    slot.announce()
    while True:
        run = slot.run
        if run is None:
            return "called off"  # somebody stopped it
        if run.stopping or run.failing:
            await asyncio.wait({run.ended})
            continue
        await asyncio.wait({run.ready})
        outcome = run.ready.result()
        if isinstance(outcome, Hal0Error):
            return "called off" if run.stopping else outcome
        if outcome is not None and run is slot.run and run.is_leasable:
            return "ready"
