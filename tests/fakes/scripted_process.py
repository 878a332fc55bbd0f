"""Backends that are no programs: processes whose every turn a test decides, behind the interfaces of the real ones.

They live on the loop's time, so that on a virtual loop a day of crashes passes in a moment.
"""

import asyncio
import math
import os
import signal
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hal0.daemon.http.endpoint import Endpoint
from hal0.daemon.providers.base import Launch, Loading, NotUp, Probe, Ready, SlotSpec, Unfit, Word
from hal0.daemon.slots.bonds import Bonds
from hal0.daemon.slots.ports import Ports
from hal0.daemon.slots.process import AFTER_KILL_SECONDS, Process
from hal0.daemon.slots.record import Record
from hal0.daemon.slots.run import Tools
from hal0.errors import Hal0Error
from tests.fakes.scripted import Models, ScriptedProvider

FIRST_PORT, LAST_PORT = 8081, 8099
HUNG_SECONDS = 1.0  # that a question to a hung backend takes


@dataclass(frozen=True, slots=True)
class Script:
    """What a process will do. Seconds of the loop."""

    listen_after: float = 0.0
    ready_after: float = 0.0  # once it listens
    exit_after: float = math.inf
    exit_code: int = 1
    stop_seconds: float = 0.0  # from SIGTERM to its end
    kill_seconds: float = 0.0  # from SIGKILL to its end: a process stuck in the kernel does not hear even that
    lies: bool = False  # answers, but wrongly
    spawns: bool = True  # False: there is no such program
    met_by_stranger: bool = False  # somebody else takes the port before it does


class ScriptedProcess(Process):
    """One of them; `die` is its end, however it comes."""

    def __init__(self, world: "World", slot: str, port: int, script: Script) -> None:
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._closed = False
        self.world, self.slot, self.port, self.script = world, slot, port, script
        self.pid = world.new_pid()
        self.exited = loop.create_future()
        self.listens_at = loop.time() + script.listen_after
        self.ready_at = self.listens_at + script.ready_after
        self.hung_at: float | None = None  # loop time since which it answers nobody
        self.end_began: float | None = None  # loop time at which its end was asked for
        self._after(script.exit_after, script.exit_code)

    def _after(self, seconds: float, code: int) -> None:
        if math.isfinite(seconds):
            self._loop.call_later(seconds, self.die, code)

    @property
    def is_alive(self) -> bool:
        return not self.exited.done()

    @property
    def asked_to_end(self) -> bool:
        return self.end_began is not None

    def hang(self) -> None:
        self.hung_at = self._loop.time()

    def die(self, code: int) -> None:
        if self.is_alive:
            self.exited.set_result(code)

    @property
    def started(self) -> int:
        return self.pid  # no other ever has its number

    @property
    def output(self) -> int:
        return 0

    def let_go(self) -> None:
        self._closed = True

    def taken_back(self) -> "ScriptedProcess":
        self._closed = False
        return self

    def survives(self) -> bool:
        return self.is_alive

    def probe(self) -> Probe:
        now = self._loop.time()
        if not self.is_alive or now < self.listens_at:
            return NotUp()
        if self.script.lies:
            return Unfit("it says nothing that makes sense")
        return Ready() if now >= self.ready_at else Loading()

    async def close(self, *, slot: str, stop_timeout: float) -> None:
        if self._closed:
            return
        self._closed = True
        self.end_began = self._loop.time()
        self._after(math.inf if self.hung_at is not None else self.script.stop_seconds, -signal.SIGTERM)
        await asyncio.wait({self.exited}, timeout=stop_timeout)
        if self.is_alive:
            self._after(self.script.kill_seconds, -signal.SIGKILL)
            await asyncio.wait({self.exited}, timeout=AFTER_KILL_SECONDS)
            if self.is_alive:
                raise Hal0Error("slot.stop_timeout", slot=slot, pid=self.pid)


class World:
    """All the processes there are, and what the next one of each slot will do."""

    def __init__(self) -> None:
        self.scripts: dict[str, Script] = {}
        self.processes: list[ScriptedProcess] = []  # all that ever were
        self.strangers: set[int] = set()  # ports on which somebody else listens
        self.told_strangers: list[int] = []  # those that were asked something, with a backend's key
        self.most_at_once: dict[str, int] = {}
        self._pids = 2**22  # above what the kernel gives

    def new_pid(self) -> int:
        self._pids += 1
        return self._pids

    def spawn(self, argv: Sequence[str], *, slot: str, **_: object) -> ScriptedProcess:
        script = self.scripts.get(slot, Script())
        if not script.spawns:
            raise Hal0Error("slot.spawn_failed", slot=slot, reason="no such program")
        process = ScriptedProcess(self, slot, int(argv[-1]), script)
        self.processes.append(process)
        if script.met_by_stranger:
            self.strangers.add(process.port)
        self.most_at_once[slot] = max(self.most_at_once.get(slot, 0), len(self.alive(slot)))
        return process

    def take_back(self, pid: int, **_: object) -> ScriptedProcess:
        return next(process for process in self.processes if process.pid == pid).taken_back()

    def alive(self, slot: str) -> list[ScriptedProcess]:
        return [process for process in self.processes if process.slot == slot and process.is_alive]

    def started(self, slot: str) -> int:
        return sum(process.slot == slot for process in self.processes)

    def at(self, port: int) -> ScriptedProcess | None:
        return next((process for process in self.processes if process.is_alive and process.port == port), None)

    def tools(self, models: Models, folder: Path, *, start_timeout: float) -> Tools:
        return Tools(
            providers={"llama": _Provider(self)},
            models=lambda: models,
            ports=_Ports(self),
            start_timeout=lambda: start_timeout,
            environ=dict(os.environ),
            bonds=_Bonds(self, folder),
            spawn=self.spawn,
            take_back=self.take_back,
        )


class _Bonds(Bonds):
    """Of a daemon whose backends outlive it."""

    def __init__(self, world: World, folder: Path) -> None:
        super().__init__(folder, keep=True)
        self._world = world

    def survivors(self) -> dict[str, Record]:
        alive = {process.pid for process in self._world.processes if process.is_alive}
        found = {}
        for record in self.records.all():
            if record.pid in alive:
                found[record.slot] = record
            else:
                self.records.drop(record.slot)
        return found

    def end_strays(self, taken: Iterable[Record]) -> None:
        spared = {record.pid for record in taken}
        for process in self._world.processes:
            if process.is_alive and process.pid not in spared:
                process.die(-signal.SIGKILL)


class _Ports(Ports):
    def __init__(self, world: World) -> None:
        super().__init__(lambda: (FIRST_PORT, LAST_PORT))
        self._world = world

    def is_free(self, port: int) -> bool:
        return port not in self._world.strangers and self._world.at(port) is None

    async def is_served(self, port: int, *, group: int) -> bool | None:
        await asyncio.sleep(0)
        if port in self._world.strangers:
            return False
        process = self._world.at(port)
        if process is None or asyncio.get_running_loop().time() < process.listens_at:
            return None
        return process.pid == group


class _Provider(ScriptedProvider):
    """Asks the process itself where the real ones ask its port."""

    def __init__(self, world: World) -> None:
        self._world = world

    def launch(self, spec: SlotSpec) -> Launch:
        words = ["backend", spec.model.id, *spec.config.args, "{port}"]
        return Launch(tuple(Word(text, "provider scripted") for text in words), parallel=spec.config.parallel)

    async def probe(self, spec: SlotSpec, endpoint: Endpoint) -> Probe:
        return await self._answer(endpoint, lambda process: process.probe()) or NotUp()

    async def is_alive(self, endpoint: Endpoint) -> bool:
        return bool(await self._answer(endpoint, lambda process: process.is_alive))

    async def _answer(self, endpoint: Endpoint, ask: Callable[[ScriptedProcess], Any]) -> Any:
        await asyncio.sleep(0)
        if endpoint.port in self._world.strangers:
            self._world.told_strangers.append(endpoint.port)
            return Ready()
        process = self._world.at(endpoint.port)
        if process is None:
            return None
        if process.hung_at is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(HUNG_SECONDS):
                    await asyncio.wait({process.exited})
            return None
        return ask(process)
