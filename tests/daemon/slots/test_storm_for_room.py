"""Three slots and memory for one or two, while users come and go, backends die, and people pin, edit and unload."""

import asyncio
import os
import random
import signal
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.http.client import BrokenAnswer, fetch
from hal0.daemon.slots.admission import Fits
from hal0.daemon.slots.room import Pace
from hal0.daemon.slots.slot import Slot
from hal0.errors import Hal0Error
from tests.daemon.slots.conftest import House
from tests.daemon.slots.test_storm import alive
from tests.fakes.scripted import slot_config

USERS = 6
STEPS = 8
LIMIT_SECONDS = 60.0
MIB = 2**20
NEEDS = {"a": 10 * MIB, "b": 10 * MIB, "c": 5 * MIB}
QUICK = Pace(least_turn=0.05, loads_per_turn=0.0, least_quiet=0.01, pause=0.002, relook=0.05)


class Storm(House):
    """`defects` are sentences on what must not be; `answers` counts what users were told."""

    def __init__(self, folder: Path, *, total: int, seed: int) -> None:
        super().__init__(folder, pace=QUICK)
        self.machine.total = total
        self.random = random.Random(seed)
        self.configs = {name: self.config(name) for name in NEEDS}
        self.apply(self.configs)
        self.slots = list(self.supervisor)
        self.answers: Counter[str] = Counter()
        self.evictions = 0
        self.defects: list[str] = []

    def config(self, name: str, **script: Any) -> SlotConfig:
        log = str(self.folder / f"{name}.pids")
        return slot_config({"log": log, **script}, memory=NEEDS[name], drain_timeout=0.2, parallel=2)

    def _on_change(self, slot: Slot) -> None:
        is_news = (slot.name, slot.state.value) not in self.states[-1:]
        super()._on_change(slot)
        if is_news and slot.state == "unloading" and slot.journal.entries()[-1].cause.startswith("evicted for"):
            self.evictions += 1
            if slot.in_flight:
                self.defects.append(f"{slot.name} was evicted with {slot.in_flight} in flight")
            if slot.config.pinned:
                self.defects.append(f"{slot.name} was evicted and is pinned")

    async def watch(self) -> None:
        while True:
            taken = sum(NEEDS[name] * alive(self.started(name)) for name in NEEDS)
            if taken > self.machine.total:
                self.defects.append(f"backends take {taken} of {self.machine.total} bytes")
            await asyncio.sleep(0.005)

    async def user(self) -> None:
        for _ in range(STEPS):
            await asyncio.sleep(self.random.random() * 0.03)
            await self.random.choices([self.ask, self.leave, self.disturb], weights=[6, 1, 3])[0]()

    async def ask(self, slot: Slot | None = None) -> str:
        slot = slot or self.random.choice(self.slots)
        try:
            async with slot.lease() as lease:
                await asyncio.sleep(self.random.random() * 0.02)
                await fetch(lease.endpoint, "POST", "/ask", b"x", timeout_seconds=30.0)
            answer = "served"
        except Hal0Error as error:
            answer = error.code
        except (BrokenAnswer, OSError):  # its backend was killed under it
            answer = "broken"
        self.answers[answer] += 1
        return answer

    async def leave(self) -> None:
        asking = asyncio.create_task(self.ask())
        await asyncio.sleep(self.random.random() * 0.05)
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking

    async def disturb(self) -> None:
        slot = self.random.choice(self.slots)
        deed = self.random.choice(["kill", "unload", "restart", "load", "edit", "pin", "pin", "pin", "unpin", "unpin"])
        if deed == "kill" and (pid := slot.process_group):
            os.kill(pid, signal.SIGKILL)
        elif deed == "unload":
            slot.unload("storm", drain_seconds=self.random.choice([0.0, 0.2]))
        elif deed == "restart":
            slot.restart(by="storm")
        elif deed == "load":
            slot.load(by=self.random.choice(["person", "autostart"]))
        elif deed == "edit":
            pinned = self.configs[slot.name].pinned
            edited = self.config(slot.name, say=self.random.choice(["x", "y"]))
            self.change(slot.name, edited.model_copy(update={"pinned": pinned}))
        elif deed in ("pin", "unpin"):
            self.change(slot.name, self.configs[slot.name].model_copy(update={"pinned": deed == "pin"}))

    def change(self, name: str, config: SlotConfig) -> None:
        self.configs[name] = config
        self.apply(self.configs, revision=self.random.randrange(9))


@pytest.mark.parametrize(("seed", "total"), [(0, 10), (1, 15)])
async def test_a_storm_over_memory_that_is_not_there_for_all(tmp_path: Path, seed: int, total: int) -> None:
    storm = Storm(tmp_path, total=total * MIB, seed=seed)
    async with storm.supervisor, asyncio.timeout(LIMIT_SECONDS):
        watching = asyncio.create_task(storm.watch())
        await asyncio.gather(*(storm.user() for _ in range(USERS)))
        for slot in storm.slots:
            assert (slot.in_flight, slot.view().waiting) == (0, 0)
        # Whatever happened, each can still be used. (The last kill may only be noticed by the first who asks.)
        for slot in storm.slots:
            storm.change(slot.name, storm.config(slot.name))
        for slot in storm.slots:
            slot.load(by="person")
            while await storm.ask(slot) != "served":
                slot.load(by="person")
        watching.cancel()
        for slot in storm.slots:
            slot.unload("storm")
        await storm.until(lambda: all(slot.run is None for slot in storm.slots))
        nobody = slot_config({}, memory=total * MIB)
        preview = await storm.supervisor.room.preview("nobody", None, nobody)
        assert (preview.decision, preview.reserved) == (Fits(), {"memory": 0})
    assert storm.defects == []
    assert storm.evictions > 0
    strange = storm.answers.keys() & {"system.internal", "slot.illegal_transition", "slot.start_timeout"}
    assert not strange, storm.answers
    assert storm.family() == set()
