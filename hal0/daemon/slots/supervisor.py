"""Which slots exist, and the tasks of all their runs.

Slots come and go by `apply` alone, from a checked configuration. What a slot does with itself is the slot's business.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.slots.crashes import Crashes
from hal0.daemon.slots.effects import rendered
from hal0.daemon.slots.journal import Journal
from hal0.daemon.slots.ledger import SUFFIX, Ledger, forget_gone
from hal0.daemon.slots.output import Output
from hal0.daemon.slots.process import finish
from hal0.daemon.slots.record import Record
from hal0.daemon.slots.restoring import Restoring
from hal0.daemon.slots.room import Machine, Pace, Room
from hal0.daemon.slots.run import ModelFiles, Tools
from hal0.daemon.slots.slot import Slot
from hal0.daemon.slots.writer import Work, at_once
from hal0.errors import Hal0Error, did_you_mean
from hal0.wire import SlotEffect

STUCK_SECONDS = 1.0  # between looks at a process that does not end

log = logging.getLogger("hal0.slots")


class Supervisor:
    """The slots by name. Use as `async with`: leaving it ends every backend."""

    def __init__(
        self,
        *,
        tools: Tools,
        logs: Path,
        state: Path,
        machine: Machine,
        memory_of: Callable[[str], list[int]],
        on_change: Callable[[Slot], object],
        on_removed: Callable[[str], object],
        on_failure: Callable[[Slot, Hal0Error], object],
        pace: Pace | None = None,
        write_output: Callable[[Work], object] = at_once,
        write_history: Callable[[Work], bool] = at_once,
    ) -> None:
        """`write_output` has what backends print written down, `write_history` what became of slots."""
        self._tools = tools
        self._write_output, self._write_history = write_output, write_history
        self.crashes = Crashes(state / "crashes", write=write_history)
        self._logs = logs
        self._ledgers = state / "ledger"
        self._memory_of = memory_of
        self._on_change = on_change
        self._on_removed = on_removed
        self._on_failure = on_failure
        self._slots: dict[str, Slot] = {}
        self._leaving: dict[str, Slot] = {}  # removed from the configuration, not yet ended
        self._survivors: dict[str, Record] = {}  # to be taken back
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending = asyncio.Event()
        self._restoring = Restoring(self.find, start_task=self._start_task)
        self.room = Room(machine, start_task=self._start_task, on_displaced=self._restoring.displaced, pace=pace)

    async def __aenter__(self) -> "Supervisor":
        return self

    async def __aexit__(self, *_: object) -> None:
        await finish(self._end())

    async def _end(self) -> None:
        self._ending.set()
        for slot in self.all():
            slot.shut(Hal0Error("system.shutting_down"))
        stay = [slot.name for slot in self._slots.values() if slot.let_go()]
        if stay:
            log.info("these backends stay, for the next daemon to take back: %s", ", ".join(stay))
        await self._stop([slot for slot in self.all() if slot.name not in stay], drain_seconds=0.0)
        await self._tools.bonds.close()

    def hurry(self) -> None:
        """The daemon is to end at once: no backend is given time to end by itself."""
        for slot in self.all():
            slot.hurry()

    def __iter__(self) -> Iterator[Slot]:
        return iter(self._slots.values())

    def all(self) -> list[Slot]:
        """Every slot that may have a process: those configured, and those that are on their way out."""
        return [*self._slots.values(), *self._leaving.values()]

    def find(self, name: str) -> Slot | None:
        return self._slots.get(name)

    def get(self, name: str) -> Slot:
        """The slot of this name; raises `slot.not_found`."""
        if slot := self._slots.get(name):
            return slot
        raise Hal0Error("slot.not_found", slot=name, nearest=did_you_mean(name, self._slots))

    def effects(self, slots: Mapping[str, SlotConfig], models: ModelFiles) -> list[SlotEffect]:
        """What `apply` would do now, slot by slot. Changes nothing."""
        found = [slot.effect_of(slots[slot.name], models) for slot in self if slot.name in slots]
        for slot in self:
            if slot.name not in slots:
                found.append(SlotEffect(name=slot.name, effect="remove", running=slot.process_group is not None))
        for name, config in slots.items():
            if name not in self._slots:
                _, problem = rendered(name, config, models=models, providers=self._tools.providers)
                found.append(SlotEffect(name=name, effect="add", problem=problem))
        return found

    def begin(self, slots: Mapping[str, SlotConfig], *, revision: int, survivors: Mapping[str, Record]) -> None:
        """Make the first slots; those with a backend of an earlier daemon take it back, before anything is started.

        Whatever else an earlier daemon has left is ended meanwhile; starts wait for that.
        """
        taken = {name: record for name, record in survivors.items() if name in slots}
        for name in survivors.keys() - taken.keys():
            self._tools.bonds.records.drop(name)
        self._survivors = taken
        self._tools.bonds.end_strays(taken.values())
        forget_gone(self._ledgers, slots=slots, now=time.time())
        self.apply(slots, revision=revision)

    def apply(self, slots: Mapping[str, SlotConfig], *, revision: int, models_changed: bool = False) -> None:
        """Make the slots what the configuration says; those that are the same notice nothing.

        A slot that comes with `autostart`, or is given it, starts. A defect met on one slot is raised in the end: the
        others have theirs by then.
        """
        defects: list[Exception] = []
        for name in [name for name in self._slots if name not in slots]:
            self._leaving[name] = slot = self._slots.pop(name)
            slot.shut(Hal0Error("slot.not_found", slot=name, nearest=""))
            slot.unload("removed from the configuration")
            self._start_task(self._remove(slot))
        for name, config in slots.items():
            try:
                self._apply(name, config, revision, models_changed)
            except Exception as error:  # else the slots after this one would keep what they had
                defects.append(error)
        if defects:
            raise ExceptionGroup("slots that could not be changed", defects)

    def _apply(self, name: str, config: SlotConfig, revision: int, models_changed: bool) -> None:
        if name not in self._slots and name in self._leaving:
            self._slots[name] = back = self._leaving.pop(name)  # it came back before it was gone
            back.reopen()
        slot = self._slots.get(name)
        was_autostarted = slot is not None and slot.config.autostart
        if slot is None:
            slot = self._add(name, config, revision)
        elif models_changed or slot.config != config:
            slot.reconfigure(config, revision=revision)
        else:
            slot.rearm()  # the defaults of [daemon] may be others
        if found := self._survivors.pop(name, None):
            slot.take_back(found)
        elif config.autostart and not was_autostarted:
            slot.load(by="autostart")

    def process_groups(self) -> dict[str, int]:
        """The process group of every slot that has a process."""
        return {slot.name: pid for slot in self.all() if (pid := slot.process_group) is not None}

    async def _stop(self, slots: Iterable[Slot], *, drain_seconds: float) -> None:
        """End their runs, each when its requests are done or after `drain_seconds`; returns when no task is left."""
        self._restoring.close()
        for slot in slots:
            slot.unload("the daemon stops", drain_seconds=drain_seconds)
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _add(self, name: str, config: SlotConfig, revision: int) -> Slot:
        slot = Slot(
            name,
            config,
            revision=revision,
            tools=self._tools,
            output=Output(self._logs / f"{name}.log", write=self._write_output),
            journal=Journal(
                name,
                ledger=Ledger(self._ledgers / f"{name}{SUFFIX}", write=self._write_history),
                crashes=self.crashes,
                memory_of=self._memory_of,
            ),
            room=self.room,
            start_task=self._start_task,
            on_change=self._changed,
            on_failure=self._on_failure,
        )
        self._slots[name] = slot
        self._on_change(slot)
        return slot

    def _changed(self, slot: Slot) -> None:
        if slot is not self._slots.get(slot.name) and slot is not self._leaving.get(slot.name):
            return  # it was told to be removed; those who waited for it leave only now
        self._on_change(slot)
        self.room.changed()
        self._restoring.changed(slot.name)

    async def _remove(self, slot: Slot) -> None:
        if slot.run is not None:
            await asyncio.wait({slot.run.ended})
        while self._leaving.get(slot.name) is slot and not slot.is_gone and not self._ending.is_set():
            with suppress(TimeoutError):  # what does not end, even when it is killed, still bears the slot's name
                async with asyncio.timeout(STUCK_SECONDS):
                    await self._ending.wait()
        if self._leaving.get(slot.name) is slot:  # else it came back meanwhile
            del self._leaving[slot.name]
            self._on_removed(slot.name)

    def _start_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a slot's task failed", exc_info=error)  # a defect of ours; the other slots go on
