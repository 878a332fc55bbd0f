"""One incarnation of a slot's backend, from its first try to the moment its process group is gone.

A Run never changes its slot's state: it reports triggers and, once, its ending. Waiters hold on to a particular run:
`ready` tells them what became of its start, `ended` when nothing of it is left.
"""

import asyncio
import logging
import os
import secrets
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from hal0.daemon.config.schema import Daemon as DaemonConfig
from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.http.endpoint import Endpoint
from hal0.daemon.providers.base import Launch, Loading, NotUp, Provider, Ready, SlotSpec, Unfit
from hal0.daemon.slots.bonds import Bonds
from hal0.daemon.slots.fetching import Fetching
from hal0.daemon.slots.lifecycle import Trigger
from hal0.daemon.slots.model_files import ModelFiles as ModelFiles
from hal0.daemon.slots.output import Output
from hal0.daemon.slots.ports import Ports
from hal0.daemon.slots.process import Process, describe_exit, finish
from hal0.daemon.slots.record import Record, boot_id
from hal0.errors import Hal0Error
from hal0.hardware.oom import OomKills

FIRST_POLL_SECONDS = 0.02
LONGEST_POLL_SECONDS = 0.25
OWNER_GRACE_SECONDS = 1.0
HEALTH_SECONDS = 5.0  # between health checks; a stream that moved within this time is proof enough
HEALTH_FAILURES = 2  # in a row, before a backend is taken for dead
BUSY_SECONDS = 60.0  # of failures, where a program may be too busy with a request to answer
TAIL_LINES = 200  # of output, looked through for a backend's own words

log = logging.getLogger("hal0.slots")


@dataclass(frozen=True, slots=True)
class Tools:
    """What every run of every slot is made with."""

    providers: Mapping[str, Provider]
    models: Callable[[], ModelFiles]
    ports: Ports
    start_timeout: Callable[[], float]
    environ: Mapping[str, str]
    bonds: Bonds
    defaults: Callable[[], DaemonConfig] = DaemonConfig  # what [daemon] says for slots that do not say it themselves
    health_seconds: float = HEALTH_SECONDS
    oom_kills: OomKills = field(default_factory=OomKills)
    spawn: Callable[..., Process] = Process.spawn
    take_back: Callable[..., Process] = Process.take_back

    def start_limit(self, config: SlotConfig) -> float:
        """How many seconds a start may take."""
        return config.start_timeout or max(self.start_timeout(), self.providers[config.provider].patience_seconds)

    def idle_after(self, config: SlotConfig) -> float:
        """Seconds of quiet until it is idle."""
        return self.defaults().idle_after if config.idle_after is None else config.idle_after

    def unload_after(self, config: SlotConfig) -> float:
        """Seconds of being idle until it is unloaded; 0: it is not."""
        return self.defaults().unload_after if config.unload_after is None else config.unload_after


class Line(Protocol):
    """A connection to the backend, as far as it tells that the backend lives."""

    @property
    def last_heard(self) -> float:
        """Loop time of the last bytes that came."""
        ...


@dataclass(eq=False, slots=True)
class Hold:
    """One request's hold on a run."""

    request: str  # its id
    line: Line | None = None  # what carries its answer, once that is opened


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended."""

    error: Hal0Error | None
    had_process: bool  # a failure before there was a process will not mend itself by trying again
    wanted: bool = False  # it was asked to end; an error is what it had failed of before


class Run:
    """A process, the promise of its readiness, and the requests it holds."""

    def __init__(
        self,
        number: int,
        *,
        by: str,
        request: str,
        plan: Callable[[], SlotSpec],
        tools: Tools,
        output: Output,
        admit: Callable[["Run"], AbstractAsyncContextManager[None]],
        on_trigger: Callable[["Run", Trigger], None],
        on_progress: Callable[[], None],
        delay_seconds: float = 0.0,
        found: Record | None = None,
    ) -> None:
        """`found`: it goes on with a backend that an earlier daemon has started."""
        loop = asyncio.get_running_loop()
        self.number = number
        self.by = by
        self.request = request  # id of the request that asked for it, if one did
        self.spec: SlotSpec | None = None
        self.launch: Launch | None = None
        self.endpoint: Endpoint | None = None
        self.process: Process | None = None
        self.progress: float | None = None
        self.holds: list[Hold] = []
        self.failing = False  # its end is certain; only its process is not gone yet
        self.stopping = False
        self.proven = False
        self.spawned_at: float | None = None  # monotonic
        self.load_ms: float | None = None
        self.starts_at = loop.time() + delay_seconds if delay_seconds else None  # loop time; None: begun
        # An endpoint; a failure; or None, when the run gave way to another: ask the slot again.
        self.ready: asyncio.Future[Endpoint | Hal0Error | None] = loop.create_future()
        self.ended: asyncio.Future[Ending] = loop.create_future()
        self._found = self._record = found
        self._is_let_go = False
        self.has_room: asyncio.Future[None] = loop.create_future()  # memory was given to it
        self.room_made_by: tuple[str, ...] = ()  # slots that were unloaded for that
        self.remark = ""  # what it waits for, in words
        self.ready_at: float | None = None  # loop time
        self.way: asyncio.Future[None] | None = None  # while it is held back: done when it may go on
        self.way_to = ""
        self._plan = plan
        self._tools = tools
        self._output = output
        self._admit = admit
        self._on_trigger = on_trigger
        self.fetching = Fetching(on_begin=lambda: on_trigger(self, Trigger.FETCH), on_progress=on_progress)
        self._hasten = asyncio.Event()
        self._stop_wanted = asyncio.Event()
        self._stop_reason = ""
        self._error: Hal0Error | None = None  # what its process failed of, before anyone wanted it stopped
        self._drain_until: float | None = None  # loop time; None while stopping: as long as it takes
        self._changed = asyncio.Event()  # in-flight count or drain limit changed

    # What the slot asks of it ---------------------------------------------------------------------------------

    def hasten(self) -> None:
        """Begin now instead of at `starts_at`."""
        self._hasten.set()

    def stop(self, reason: str, *, drain_seconds: float | None) -> None:
        """End when the requests in flight are done, or after `drain_seconds` (None: no limit). May be sharpened."""
        if drain_seconds is not None:
            until = asyncio.get_running_loop().time() + drain_seconds
            if not self.stopping or self._drain_until is None or until < self._drain_until:
                self._drain_until = until
        self._forget()  # should the daemon be killed now: what was to end is not taken back
        self.stopping = True
        self._stop_reason = self._stop_reason or reason
        self._stop_wanted.set()
        self._changed.set()

    def let_go(self) -> bool:
        """End without the backend, which goes on for the next daemon; whether it can."""
        self._is_let_go = self._record is not None and not self.stopping and not self.failing
        if self._is_let_go:
            self.stopping = True
            self._drain_until = 0.0
            self._stop_wanted.set()
        return self._is_let_go

    @property
    def is_found(self) -> bool:
        """Its backend runs already."""
        return self._found is not None

    @property
    def was_ready(self) -> bool:
        """An earlier daemon had proven it."""
        return self._found is not None and self._found.load_ms is not None

    @property
    def ready_before_seconds(self) -> float:
        """How long ago it became ready under an earlier daemon; 0 if it was none's."""
        if self._found is None or self._found.load_ms is None:
            return 0.0
        return max(0.0, time.monotonic() - self._found.spawned_at - self._found.load_ms / 1000)

    def give_way(self, to: str) -> None:
        """Let nobody in until `resume`: another slot waits for its memory."""
        self.way = asyncio.get_running_loop().create_future()
        self.way_to = to
        self.remark = f"held back: {to} waits for its memory"

    def resume(self) -> None:
        if self.way is not None:
            self.way.set_result(None)
            self.way, self.way_to, self.remark = None, "", ""

    @property
    def in_flight(self) -> int:
        return len(self.holds)

    @property
    def is_leasable(self) -> bool:
        return self.proven and not (self.stopping or self.failing or self.way)

    def enter(self, request: str) -> Hold:
        hold = Hold(request)
        self.holds.append(hold)
        return hold

    def leave(self, hold: Hold) -> None:
        self.holds.remove(hold)
        self._changed.set()

    async def failure(self, reason: str, *, slot: str) -> Hal0Error:
        """Why the connection to it broke: its own end if that comes within a moment, else `reason`."""
        await asyncio.wait({self.ended}, timeout=0.5)
        if (error := self.ended.result().error if self.ended.done() else self._error) is not None:
            return error.again()
        if self.stopping:
            reason = self._stop_reason
        return Hal0Error("dispatch.stream_broken", slot=slot, reason=reason)

    # Its life -------------------------------------------------------------------------------------------------

    async def drive(self, name: str) -> Ending:
        """Live. Returns how it ended, with the process group gone and the port free; raises only cancellation."""
        ending = Ending(Hal0Error("slot.not_ready", slot=name, state="unloading"), had_process=True)
        try:
            await self._until_stopped(name)
            ending = Ending(self._error, had_process=self.process is not None, wanted=True)
        except Hal0Error as error:
            wanted = self.stopping and error.code != "slot.stop_timeout"
            told = self._error if wanted else error
            ending = Ending(told, had_process=self.process is not None, wanted=wanted)
        except Exception as error:  # a defect of ours costs this run, not the daemon
            log.exception("%s: run %d failed", name, self.number)
            ending = Ending(Hal0Error("system.internal", reason=repr(error)), had_process=self.process is not None)
        finally:
            if not self.ready.done():
                self.ready.set_result(ending.error)
            self.ended.set_result(ending)
        return ending

    async def _until_stopped(self, name: str) -> None:
        work = asyncio.ensure_future(self._work(name))
        stop = asyncio.ensure_future(self._stop_due())
        try:
            await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await finish(_end(work, stop))
        if not work.cancelled():
            work.result()

    async def _stop_due(self) -> None:
        await self._stop_wanted.wait()
        loop = asyncio.get_running_loop()
        while self.in_flight:
            self._changed.clear()
            limit = None if self._drain_until is None else max(0.0, self._drain_until - loop.time())
            if limit == 0.0:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(limit):
                    await self._changed.wait()

    async def _work(self, name: str) -> None:
        await (self._start(name) if self._found is None else self._go_on(name, self._found))

    async def _start(self, name: str) -> None:
        await self._wait_for_turn()
        self.spec = spec = await self.fetching.planned(self._plan, self._tools.models)
        self.launch = launch = self._tools.providers[spec.config.provider].launch(spec)
        await self.fetching.verified(spec.model, self._tools.models())
        await self._tools.bonds.strays_ended()  # one of them may be this slot's, have its port, or its memory
        async with self._admit(self):
            if not self.stopping:  # what is no longer wanted is not spawned only to be ended
                await self._with_memory(name, spec, launch)

    async def _with_memory(self, name: str, spec: SlotSpec, launch: Launch) -> None:
        bonds = self._tools.bonds
        with self._tools.ports.claim(name, fixed=spec.config.port) as port:
            endpoint = launch.endpoint(port, secrets.token_urlsafe(24))
            self._output.begin_run(self.number, port=port, command=" ".join(launch.argv(port)))
            self.spawned_at = time.monotonic()
            mark = bonds.mark(name)
            bonds.tighten()
            self._tools.oom_kills.begin()
            process = self._tools.spawn(
                launch.argv(port, key=endpoint.key),
                slot=name,
                env={**self._environment(launch, endpoint), **mark.env},
                mark=mark.run,
                bound_to=bonds.bound_to,
                cwd=launch.cwd,
                on_output=self._output.feed,
            )
            await self._tend(name, process, endpoint, trigger=Trigger.SPAWN, mark=mark.run)

    async def _go_on(self, name: str, found: Record) -> None:
        self.launch = found.launch
        async with self._admit(self):
            await self._with_found(name, found)

    async def _with_found(self, name: str, found: Record) -> None:
        with self._tools.ports.held(found.port):
            self.spawned_at = found.spawned_at
            self._tools.oom_kills.begin()
            self._output.recall()
            self._output.note(f"run {self.number}, pid {found.pid}, is taken back by a new daemon")
            process = self._tools.take_back(
                found.pid, mark=found.mark, output=found.output, is_it=found.is_alive, on_output=self._output.feed
            )
            if not process.output:
                self._output.note("what it prints cannot be read any more")
            await self._tend(name, process, found.endpoint, trigger=Trigger.ADOPT)

    async def _tend(
        self, name: str, process: Process, endpoint: Endpoint, *, trigger: Trigger, mark: str | None = None
    ) -> None:
        """Prove and watch the process until it ends or shall end; then nothing of it is left, unless it is let go.

        `mark`: of a process that is new, so that it is yet to be recorded.
        """
        self.process, self.endpoint = process, endpoint
        stop_timeout = 0.0
        try:
            self.spec = self.spec or self._plan()
            stop_timeout = self.spec.config.stop_timeout
            if mark is not None:
                self._remember(name, process, endpoint, self.spec, mark)
            self._on_trigger(self, trigger)
            provider = self._tools.providers[self.spec.config.provider]
            await self._while_alive(name, provider, self.spec, endpoint, process)
        except Hal0Error as error:
            self.failing = True
            self._error = None if self.stopping else error
            # What hangs does not hear SIGTERM; those who wait for the next run need not wait for it.
            stop_timeout = 0.0 if error.code == "slot.health_failed" else stop_timeout
            raise
        finally:
            if self._is_let_go and not process.exited.done():
                process.let_go()
            else:
                self._forget()
                await finish(process.close(slot=name, stop_timeout=stop_timeout))
            self._output.end()

    def _remember(self, name: str, process: Process, endpoint: Endpoint, spec: SlotSpec, mark: str) -> None:
        bonds, launch = self._tools.bonds, self.launch
        if not bonds.keep or (started := process.started) is None or self.spawned_at is None or launch is None:
            return
        record = Record(
            slot=name,
            boot=boot_id(),
            pid=process.pid,
            started=started,
            mark=mark,
            output=process.output,
            port=endpoint.port,
            key=endpoint.key,
            launch=launch,
            model=spec.model,
            run=self.number,
            by=self.by,
            spawned_at=self.spawned_at,
        )
        self._record = record if bonds.records.write(record) else None

    def _remember_proof(self) -> None:
        if self._found is not None and self.was_ready:
            self.load_ms = self._found.load_ms  # the time it took to load, which is not the time to find it loaded
        if self._record is not None:
            record = self._record.model_copy(update={"load_ms": self.load_ms})
            self._record = record if self._tools.bonds.records.write(record) else None

    def _forget(self) -> None:
        if self._record is not None:
            self._tools.bonds.records.drop(self._record.slot)
            self._record = None

    async def _wait_for_turn(self) -> None:
        if self.starts_at is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(self.starts_at):
                    await self._hasten.wait()
            self.starts_at = None

    def _environment(self, launch: Launch, endpoint: Endpoint) -> dict[str, str]:
        env = {**self._tools.environ, **launch.environment(endpoint.port, endpoint.key)}
        env["PYTHONUNBUFFERED"] = "1"  # last words must be out before a crash
        return env

    async def _while_alive(
        self, name: str, provider: Provider, spec: SlotSpec, endpoint: Endpoint, process: Process
    ) -> None:
        watch = asyncio.ensure_future(self._prove_and_watch(name, provider, spec, endpoint, process))
        either: set[asyncio.Future[Any]] = {watch, process.exited}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await finish(_end(watch))
        if process.exited.done():
            raise self._death(name, provider, process.exited.result())
        watch.result()

    def _death(self, name: str, provider: Provider, code: int | None) -> Hal0Error:
        self._output.end()
        out_of_memory = code in (-signal.SIGKILL, None) and self._tools.oom_kills.lately()
        reason = describe_exit(code, out_of_memory=out_of_memory)
        if words := provider.failure_reason(self._output.tail_of_run(TAIL_LINES)):
            reason = f"{words} ({reason})"
        facts: dict[str, Any] = {"slot": name, "reason": reason, "exit": code, "run": self.number}
        if out_of_memory:
            facts["out_of_memory"] = True
        return Hal0Error("slot.crashed" if self.proven else "slot.load_failed", **facts)

    async def _prove_and_watch(
        self, name: str, provider: Provider, spec: SlotSpec, endpoint: Endpoint, process: Process
    ) -> None:
        limit = self._tools.start_limit(spec.config)
        if self.was_ready:
            limit = min(limit, BUSY_SECONDS)
        try:
            async with asyncio.timeout(limit):
                await self._prove(name, provider, spec, endpoint, process)
        except TimeoutError:
            raise Hal0Error("slot.start_timeout", slot=name, seconds=limit) from None
        self.proven = True
        self._remember_proof()
        self.ready_at = asyncio.get_running_loop().time()
        self._on_trigger(self, Trigger.PROVE)
        self.ready.set_result(endpoint)
        await self._watch(name, provider, endpoint)

    async def _prove(self, name: str, provider: Provider, spec: SlotSpec, endpoint: Endpoint, process: Process) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        pause = FIRST_POLL_SECONDS
        listening = False
        while True:
            self._tools.oom_kills.look()
            if not listening and await self._listens(name, endpoint, process):
                listening = True
                self._on_trigger(self, Trigger.LISTEN)
            match await provider.probe(spec, endpoint) if listening else NotUp():
                case Ready():
                    self.load_ms = (loop.time() - began) * 1000
                    return
                case Unfit(reason, error):
                    raise error or Hal0Error("slot.bad_response", slot=name, reason=reason)
                case Loading(progress):
                    self.progress = progress
                case NotUp():
                    pass
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_POLL_SECONDS)

    async def _listens(self, name: str, endpoint: Endpoint, process: Process) -> bool:
        """Whether the process we started listens on its port: a stranger is told neither the key nor anything else."""
        is_ours = await self._tools.ports.is_served(endpoint.port, group=process.pid)
        if is_ours is not False:
            return bool(is_ours)
        # It may be dying this moment; then its death is the news. Or its socket was just on its way to another of it.
        await asyncio.wait({process.exited}, timeout=OWNER_GRACE_SECONDS)
        if process.exited.done():
            await asyncio.Future()
        if (is_ours := await self._tools.ports.is_served(endpoint.port, group=process.pid)) is False:
            raise Hal0Error("slot.port_in_use", slot=name, port=endpoint.port)
        return bool(is_ours)

    async def _watch(self, name: str, provider: Provider, endpoint: Endpoint) -> None:
        """Ask the backend now and then whether it lives, unless an answer of its is moving."""
        loop = asyncio.get_running_loop()
        failures, since = 0, 0.0
        while True:
            await asyncio.sleep(self._tools.health_seconds)
            self._tools.oom_kills.look()
            began = loop.time()
            if self._is_moving(began) or await provider.is_alive(endpoint):
                failures = 0
                continue
            failures += 1
            since = since if failures > 1 else began
            seconds = loop.time() - since
            may_be_busy = self.in_flight > 0 and not provider.answers_while_busy
            if failures >= HEALTH_FAILURES and (seconds >= BUSY_SECONDS or not may_be_busy):
                raise Hal0Error("slot.health_failed", slot=name, reason=f"no answer for {seconds:.0f} s")

    def _is_moving(self, now: float) -> bool:
        return any(
            hold.line is not None and now - hold.line.last_heard < self._tools.health_seconds for hold in self.holds
        )


async def _end(*tasks: asyncio.Task[None]) -> None:
    """Cancel what still runs and wait until it is over; results stay in the tasks."""
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.exception()  # looked at: whoever wants it takes it from the task


def base_environment() -> dict[str, str]:
    """The daemon's environment without what is meant for the daemon alone."""
    own = {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID"}
    return {name: value for name, value in os.environ.items() if name not in own}
