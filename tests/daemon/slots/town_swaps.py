"""Swaps in the town, where the configuration that they write is a table of slots in memory."""

import asyncio
import tomllib
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from hal0.daemon.config.proposals import Proposal
from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.config.sources import Source, Sources
from hal0.daemon.config.store import ConfigStore
from hal0.daemon.slots.slot import Slot
from hal0.daemon.slots.swaps import Swaps
from hal0.errors import Hal0Error
from hal0.wire import Drain
from tests.daemon.slots.town import Town


class TownSwaps:
    """Those of one daemon. `write` makes a model that of a slot, and returns the revision."""

    def __init__(
        self, town: Town, *, slots: Callable[[], Mapping[str, SlotConfig]], write: Callable[[str, str], int]
    ) -> None:
        self._town = town
        town.loop.set_default_executor(_AtOnce(1))
        self._swaps = Swaps(
            cast(ConfigStore, _Store(slots, write)),
            models=lambda: town.models,
            check_room=_there_is_room,
            on_failure=lambda error, slot: None,
        )
        self.refusals: list[str] = []
        self.view_of, self.watches, self.close = self._swaps.view_of, self._swaps.watches, self._swaps.close

    def begin(self, slot: Slot, model: str, drain: Drain) -> None:
        async def ask() -> None:
            known = cast(Slot, _Known(self._town, slot))
            try:
                await self._swaps.begin(known, model, operation="swap", drain=drain, by="person")
            except Hal0Error as error:
                self.refusals.append(error.code)

        self._town.loop.do(lambda: asyncio.get_running_loop().create_task(ask()))


async def _there_is_room(*_: object) -> None:
    pass


class _Known:
    """A slot of whose loads the town hears, as of those by a person."""

    def __init__(self, town: Town, slot: Slot) -> None:
        self._town, self._slot = town, slot

    def load(self, *, by: str) -> None:
        self._town.forget(self._slot)
        self._slot.load(by=by)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._slot, name)


class _Store:
    """The part of a ConfigStore that swaps use. Proposals are judged on the text that they are made for."""

    history = None
    path = Path("hal0.toml")

    def __init__(self, slots: Callable[[], Mapping[str, SlotConfig]], write: Callable[[str, str], int]) -> None:
        self._slots, self._write = slots, write

    @property
    def current(self) -> Any:
        return SimpleNamespace(settings=SimpleNamespace(slots=self._slots()), revision=None)  # there is no history

    async def judge(self, proposal: Proposal) -> Any:
        await asyncio.sleep(0)
        return SimpleNamespace(settings=SimpleNamespace(slots=self._with(proposal)), problems=())

    async def write(self, proposal: Proposal, **_: object) -> Any:
        await asyncio.sleep(0)
        revision = 0
        for name, config in self._with(proposal).items():
            if config.model != self._slots()[name].model:
                revision = self._write(name, str(config.model))
        return SimpleNamespace(revision=revision)

    def note_failure(self, message: str) -> None:
        pass

    def _with(self, proposal: Proposal) -> dict[str, SlotConfig]:
        text = "".join(f'[slots.{name}]\nmodel = "{config.model}"\n' for name, config in self._slots().items())
        proposed = proposal(Sources((Source(self.path, text.encode()),), (), True), self.path)
        tables = tomllib.loads(proposed.files[0].raw.decode())["slots"]
        return {
            name: config.model_copy(update={"model": tables[name]["model"]}) for name, config in self._slots().items()
        }


class _AtOnce(ThreadPoolExecutor):
    """What is meant for a thread is done at once: a real one would take time that is not the loop's."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **more: Any) -> "Future[Any]":
        done: Future[Any] = Future()
        try:
            done.set_result(work(*args, **more))
        except BaseException as error:
            done.set_exception(error)
        return done
