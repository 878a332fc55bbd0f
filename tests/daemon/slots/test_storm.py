"""Users who come and go, crashes, stops and edits in random order: one process, no hang, every user answered."""

import asyncio
import os
import random
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from hal0.daemon.http.client import BrokenAnswer, fetch
from hal0.daemon.slots import restart
from hal0.daemon.slots.slot import Slot
from hal0.errors import Hal0Error
from tests.daemon.slots.conftest import House
from tests.fakes.scripted import slot_config

USERS = 8
STEPS = 12
LIMIT_SECONDS = 60.0


class Storm:
    def __init__(self, house: House, slot: Slot, seed: int) -> None:
        self.house = house
        self.slot = slot
        self.random = random.Random(seed)
        self.answered = 0
        self.refused = 0

    async def user(self) -> None:
        for _ in range(STEPS):
            await asyncio.sleep(self.random.random() * 0.05)
            await self.random.choices([self.ask, self.leave, self.disturb], weights=[6, 2, 2])[0]()

    async def ask(self) -> None:
        try:
            async with self.slot.lease() as lease:
                assert self.slot.in_flight >= 1 or lease.run.stopping
                await fetch(lease.endpoint, "POST", "/ask", b"x", timeout_seconds=30.0)
            self.answered += 1
        except (Hal0Error, BrokenAnswer, OSError):  # refused, or its backend was killed under it
            self.refused += 1

    async def leave(self) -> None:
        asking = asyncio.create_task(self.ask())
        await asyncio.sleep(self.random.random() * 0.05)
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking

    async def disturb(self) -> None:
        deed = self.random.choice(["kill", "unload", "restart", "load", "edit"])
        if deed == "kill" and (pid := self.slot.process_group):
            os.kill(pid, signal.SIGKILL)
        elif deed == "unload":
            self.slot.unload("storm", drain_seconds=self.random.choice([0.0, 0.2]))
        elif deed == "restart":
            self.slot.restart(by="storm")
        elif deed == "load":
            self.slot.load(by="storm")
        elif deed == "edit":
            say = self.random.choice(["a", "b"])
            config = slot_config({"say": say, "log": str(self.house.folder / "s.pids")}, drain_timeout=0.2, parallel=2)
            self.house.apply({"s": config}, revision=self.random.randrange(9))


def alive(pids: list[int]) -> int:
    count = 0
    for pid in pids:
        with suppress(OSError):
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            count += state not in "ZX"
    return count


@pytest.mark.parametrize("seed", range(4))
async def test_a_storm_of_users_and_faults(house: House, seed: int) -> None:
    slot = house.add(drain_timeout=0.2, parallel=2)
    storm = Storm(house, slot, seed)
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, alive(house.started()))
            await asyncio.sleep(0.005)

    watching = asyncio.create_task(watch())
    async with asyncio.timeout(LIMIT_SECONDS):
        await asyncio.gather(*(storm.user() for _ in range(USERS)))
    watching.cancel()
    assert most == 1, "two processes of one slot at a time"
    assert storm.answered + storm.refused > 0
    assert slot.in_flight == 0
    assert slot.view().waiting == 0
    # Whatever happened, the slot can still be used. (The last kill may only be noticed by the first of these.)
    answered = storm.answered
    async with asyncio.timeout(LIMIT_SECONDS):
        while storm.answered == answered:
            slot.load(by="person")
            await storm.ask()
    assert slot.view().failures < restart.PARKED_AFTER
