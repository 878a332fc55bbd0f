import asyncio
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.slots.room import Pace
from hal0.daemon.slots.run import Tools
from hal0.daemon.slots.slot import Slot
from hal0.daemon.slots.supervisor import Supervisor
from hal0.errors import Hal0Error
from hal0.marks import marked
from tests.fakes.machine import FakeMachine
from tests.fakes.scripted import Models, slot_config, tools

WAIT_SECONDS = 15.0


class House:
    """A supervisor over scripted backends, and everything it told."""

    def __init__(self, folder: Path, *, made: Tools | None = None, pace: Pace | None = None, **settings: Any) -> None:
        self.folder = folder
        self.machine = FakeMachine()
        self.models = Models()
        self.states: list[tuple[str, str]] = []
        self.failures: list[str] = []
        self.removed: list[str] = []
        self.listener: Callable[[Slot], object] = lambda slot: None
        self._news = asyncio.Event()
        (folder / "ledger").mkdir()
        made = made or tools(self.models, **settings)
        self.bonds = made.bonds
        self.supervisor = Supervisor(
            tools=made,
            logs=folder,
            state=folder,
            machine=self.machine,
            pace=pace,
            memory_of=lambda name: [1, 2, 3],
            on_change=self._on_change,
            on_removed=self._on_removed,
            on_failure=self._on_failure,
        )

    def _on_change(self, slot: Slot) -> None:
        if not self.states or self.states[-1] != (slot.name, slot.state.value):
            self.states.append((slot.name, slot.state.value))
        self.listener(slot)
        self._news.set()

    def _on_removed(self, name: str) -> None:
        self.removed.append(name)
        self._news.set()

    def _on_failure(self, slot: Slot, error: Hal0Error) -> None:
        self.failures.append(error.code)

    def add(self, script: dict[str, Any] | None = None, *, name: str = "s", **fields: Any) -> Slot:
        script = {"log": str(self.folder / f"{name}.pids"), **(script or {})}
        self.apply({name: slot_config(script, **fields)})
        return self.supervisor.get(name)

    def apply(self, slots: dict[str, SlotConfig], revision: int = 1) -> None:
        self.supervisor.apply(slots, revision=revision)

    def started(self, name: str = "s") -> list[int]:
        """The pids of all processes ever started for a slot."""
        path = self.folder / f"{name}.pids"
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    def family(self) -> set[int]:
        """The pids of all that backends of this supervisor are and have started."""
        return set(marked(self.bonds.state_mark))

    async def until(self, what: Callable[[], bool]) -> None:
        """Wait for a claim about the slots to become true; every change wakes it."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not what():
                self._news.clear()
                await self._news.wait()


def is_gone(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    built = House(tmp_path)
    async with built.supervisor:
        yield built
    assert built.family() == set(), "something that a backend had started outlived its supervisor"
    for name in {name for name, _ in built.states}:
        assert all(is_gone(pid) for pid in built.started(name)), "a backend outlived its supervisor"


@pytest.fixture(autouse=True)
def no_zombies() -> Any:
    yield
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
