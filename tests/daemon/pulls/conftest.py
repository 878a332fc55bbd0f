import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hal0.daemon.config.schema import Models
from hal0.daemon.events import EventBus
from hal0.daemon.pulls.pace import Pace
from hal0.daemon.pulls.pulls import Pulls
from hal0.errors import Hal0Error
from tests.fakes.gguf_files import chat_entries, gguf
from tests.fakes.model_server import ModelServer

QUICK = Pace(
    connect_seconds=2.0,
    stall_seconds=0.3,
    first_delay_seconds=0.01,
    longest_delay_seconds=0.05,
    tries=5,
    piece_bytes=128 * 2**10,
    save_seconds=0.0,
    report_seconds=0.0,
    reserve_bytes=0,
)
MODEL = gguf(chat_entries()) + random.Random(7).randbytes(900 * 2**10)


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as running:
        yield running


class Bench:
    """A store, a bus, and pulls that run for as long as `running` lasts."""

    def __init__(self, folder: Path, server: ModelServer) -> None:
        self.folder = folder
        self.store = folder / "state" / "models"
        self.server = server
        self.settings: dict[str, Any] = {}
        self.env = {"HF_ENDPOINT": server.origin, "HOME": str(folder / "home")}
        self.taken: dict[str, str] = {}
        self.arrived: list[str] = []
        self.pace = QUICK
        self.bus = EventBus()

    def pulls(self) -> Pulls:
        return Pulls(
            self.bus,
            models=lambda: Models(**self.settings),
            state=self.folder / "state",
            env=self.env,
            taken=self.taken.get,
            refresh=self._note_arrival,
            pace=self.pace,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Pulls]:
        pulls = self.pulls()
        task = asyncio.create_task(pulls.run())
        try:
            yield pulls
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def _note_arrival(self) -> None:
        self.arrived = sorted(path.stem for path in self.store.glob("*.json") if not path.stem.endswith(".part"))

    async def pull(self, source: str, **more: Any) -> Hal0Error | None:
        """Pull to the end; why it failed, if it did."""
        async with self.running() as pulls:
            view = await pulls.start(source, **more)
            return await self.outcome(pulls, view.name)

    async def outcome(self, pulls: Pulls, name: str) -> Hal0Error | None:
        pull = pulls._pulls.get(name)
        if pull is None:
            return None
        async with asyncio.timeout(20):
            return await asyncio.shield(pull.finished)

    def bytes_of(self, name: str) -> bytes:
        return (self.store / f"{name}.gguf").read_bytes()


@pytest.fixture
def bench(tmp_path: Path, server: ModelServer) -> Bench:
    return Bench(tmp_path, server)


async def until(claim: Callable[[], bool], *, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not claim():
            await asyncio.sleep(0.005)
