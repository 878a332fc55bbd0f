"""Slots over scripted processes on a virtual clock, the clients that use them, and what must be true of all of it.

`Town` lets things happen; `check` compares what the slots show with the rules of their life, kept here a second time
and by other means: from the states that were announced and from the processes that there are.
"""

import asyncio
import dataclasses
import logging
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

from hal0.daemon.config.schema import Daemon as DaemonConfig
from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.slots.lifecycle import ANSWERING, COMING_UP, TRANSITIONS, State
from hal0.daemon.slots.process import AFTER_KILL_SECONDS
from hal0.daemon.slots.slot import Slot
from hal0.daemon.slots.supervisor import Supervisor
from hal0.errors import Hal0Error
from tests.fakes.machine import GIB, FakeMachine
from tests.fakes.scripted import Models
from tests.fakes.scripted_process import World
from tests.fakes.virtual_loop import VirtualLoop

START_TIMEOUT = 20.0
STOP_TIMEOUT = 10.0
HANG_SECONDS = 20.0  # until a backend that answers nobody is ended: two questions every five seconds, a second each
REST_SECONDS = 600.0  # after which everybody has his answer who does not hold back another
SLACK = 0.5
HEALTHY_SECONDS = 60.0
PARKED_AFTER = 5
MEMORY = 10 * GIB


@dataclass
class Client:
    """One request: it waits, is inside until it is released, and leaves; `answer` is how that went."""

    slot: Slot
    is_heard: bool  # its answer keeps moving, whatever the backend's health says
    may_leave: asyncio.Event = field(default_factory=asyncio.Event)
    inside: bool = False
    run: object = None
    answer: str = ""
    task: "asyncio.Task[None] | None" = None

    async def ask(self) -> None:
        try:
            async with self.slot.lease(request="r") as lease:
                self.inside, self.run = True, lease.run
                if self.is_heard:
                    lease.carried_by(self)
                try:
                    assert not lease.run.stopping, "let into a run that is stopped"
                    assert self.slot.in_flight <= self.slot.most_in_flight, "more inside than there is room for"
                    await self.may_leave.wait()
                finally:
                    self.inside = False
            self.answer = "served"
        except Hal0Error as error:
            self.answer = error.code
        except asyncio.CancelledError:
            self.answer = "left"
        except AssertionError as error:
            self.answer = f"defect: {error}"

    @property
    def last_heard(self) -> float:
        return asyncio.get_running_loop().time()


@dataclass
class Record:
    """What was seen of one slot."""

    state: State = State.OFFLINE
    since: float = 0.0  # virtual time of its state
    ready_since: float | None = None
    failures: int = 0
    starts_seen: int = 0  # processes started until it last came to an end
    counted: bool = False  # its last failure was a crash
    was_wanted: bool = False  # it came to its state from `unloading`
    unloading_since: float = -math.inf  # virtual time
    stop_by: float = math.inf  # virtual time at which its requests are no longer waited for


class Town:
    """A supervisor and all that is around it."""

    def __init__(self, folder: Path) -> None:
        self.loop = VirtualLoop()
        asyncio.set_event_loop(self.loop)
        self.world = World()
        self.models = Models()
        self.clients: list[Client] = []
        self.records: dict[Slot, Record] = {}
        self.defects: list[str] = []
        self.defaults = DaemonConfig()
        self.left_at = self.loop.now  # when a client last left
        self.wall = 1_000_000.0  # what the wall clock is ahead of the loop's
        self._clock = patch("time.time", lambda: self.wall + self.loop.now)
        self._clock.start()
        self._log = _Log(self.defects)
        logging.getLogger("hal0.slots").addHandler(self._log)
        self.loop.set_exception_handler(lambda _, context: self.defects.append(str(context)))
        (folder / "ledger").mkdir(exist_ok=True)
        self.folder = folder
        self.era = 0
        self.close_swaps: Callable[[], Awaitable[None]] = nothing
        self.supervisor = self.loop.do(self._make_supervisor)

    def _make_supervisor(self) -> Supervisor:
        tools = self.world.tools(self.models, self.folder, start_timeout=START_TIMEOUT)
        self.bonds = tools.bonds
        self.era += 1  # of this daemon: timers of the one before, which has gone, ring for nobody
        era = self.era
        return Supervisor(
            tools=dataclasses.replace(tools, defaults=lambda: self.defaults),
            logs=self.folder,
            state=self.folder,
            machine=FakeMachine(MEMORY),
            memory_of=lambda name: [],
            on_change=lambda slot: self._on_change(slot) if era == self.era else None,
            on_removed=lambda name: None,
            on_failure=lambda slot, error: self._on_failure(slot, error) if era == self.era else None,
        )

    def close(self) -> None:
        """The last daemon's end: nothing is left but what another could take back, and that is ended."""
        try:
            self._end_daemon()
            self.loop.do(lambda: self.bonds.end_strays([]))
            self.world_is_empty()
            left = asyncio.all_tasks(self.loop)
            assert not left, f"tasks are left: {left}"
            assert not self.defects, self.defects
        finally:
            logging.getLogger("hal0.slots").removeHandler(self._log)
            self._clock.stop()
            for task in asyncio.all_tasks(self.loop):  # only after a defect
                task.cancel()
            self.loop.sleep(REST_SECONDS)
            asyncio.set_event_loop(None)
            self.loop.close()

    def _end_daemon(self) -> None:
        """Clients are sent away; backends are stopped, or let go."""

        async def end() -> None:
            await self.close_swaps()
            for client in self.clients:
                assert client.task is not None
                client.task.cancel()
            await self.supervisor.__aexit__()

        ending = self.loop.create_task(end())
        self.loop.sleep(120.0)
        assert ending.done(), "the end of the daemon does not come"
        ending.result()
        self.left_at = self.loop.now
        alive = [process for process in self.world.processes if process.is_alive]
        on_record = {record.pid for record in self.bonds.records.all()}  # some may have died since the daemon left them
        for process in alive:
            assert process.asked_to_end != (process.pid in on_record), f"kept, and not on record, or else: {process}"

    def restart(self, meanwhile: Callable[[], dict[str, SlotConfig]], *, revision: int) -> None:
        """The daemon ends without its backends, something happens, and another takes them back, with these slots."""
        self._end_daemon()
        self.check()
        slots = meanwhile()
        self.records.clear()
        self.supervisor = self.loop.do(self._make_supervisor)
        survivors = self.bonds.survivors()
        self.loop.do(lambda: self.supervisor.begin(slots, revision=revision, survivors=survivors))
        for slot in self.supervisor:
            if slot.name in survivors:
                self.record(slot).starts_seen -= 1  # its process was started by the daemon before

    def world_is_empty(self) -> None:
        stuck = [p for p in self.world.processes if p.is_alive and p.script.kill_seconds <= AFTER_KILL_SECONDS]
        assert not stuck, f"backends outlive the daemon: {stuck}"

    # What happens ---------------------------------------------------------------------------------------------------

    def ask(self, slot: Slot, *, is_heard: bool = False) -> Client:
        def come() -> Client:
            client = Client(slot, is_heard)
            client.task = asyncio.get_running_loop().create_task(client.ask())
            return client

        self.clients.append(client := self.loop.do(come))
        return client

    def apply(self, slots: dict[str, SlotConfig], *, revision: int) -> None:
        before = {slot: slot.config for slot in self.supervisor.all()}
        self.loop.do(lambda: self.supervisor.apply(slots, revision=revision))
        for slot in self.supervisor:
            if slot.config is not before.get(slot, slot.config) or (slot not in before and slot.config.autostart):
                self.record(slot).failures = 0

    def forget(self, slot: Slot) -> None:
        """A load or a restart by a person forgets what failed before."""
        self.record(slot).failures = 0

    def stop(self, slot: Slot, deed: Callable[[], object], *, patience: float | None) -> None:
        """`deed` ends its run after these seconds at most; None: when its requests are done."""
        self.loop.do(deed)
        if patience is not None and slot.state is State.UNLOADING:
            record = self.record(slot)
            record.stop_by = min(record.stop_by, self.loop.now + patience)

    def release(self, client: Client) -> None:
        self.left_at = self.loop.now
        self.loop.do(client.may_leave.set)

    def leave(self, client: Client) -> None:
        self.left_at = self.loop.now
        assert client.task is not None
        self.loop.do(client.task.cancel)

    # What is seen ---------------------------------------------------------------------------------------------------

    def record(self, slot: Slot) -> Record:
        started = self.world.started(slot.name)
        return self.records.setdefault(slot, Record(since=self.loop.now, starts_seen=started))

    def _on_change(self, slot: Slot) -> None:
        record = self.record(slot)
        before, state, now = record.state, slot.state, self.loop.now
        if slot not in self.supervisor.all():
            self.defects.append(f"{slot.name}: told of after its end")
        self._look(slot)
        if state is before:
            return
        if state not in TRANSITIONS[before].values():
            self.defects.append(f"{slot.name}: from {before} to {state}")
        record.state, record.since = state, now
        if state is State.UNLOADING:
            record.unloading_since = now
        if before is State.UNLOADING:
            record.stop_by = math.inf
        if state is State.READY and before is State.WARMING:
            record.ready_since = now
        if state is State.OFFLINE:
            if before is State.ERROR:
                record.failures = 0
            self._ended(slot)
        record.was_wanted = before is State.UNLOADING

    def _ended(self, slot: Slot) -> bool:
        """A run is over; tells whether it had come to a process."""
        record = self.record(slot)
        if record.ready_since is not None and self.loop.now - record.ready_since >= HEALTHY_SECONDS:
            record.failures = 0
        record.ready_since = None
        started, record.starts_seen = self.world.started(slot.name) - record.starts_seen, self.world.started(slot.name)
        return started > 0

    def _on_failure(self, slot: Slot, error: Hal0Error) -> None:
        record = self.record(slot)
        if error.code in ("slot.illegal_transition", "system.internal"):
            self.defects.append(f"{slot.name}: {error}")
        if record.was_wanted and error.code != "slot.stop_timeout" and not self._failed_before(slot, record):
            self.defects.append(f"{slot.name}: a wanted stop counts as {error.code}")
        record.was_wanted = False
        record.counted = self._ended(slot) and error.code != "slot.stop_timeout"
        record.failures += record.counted
        run = slot.run
        if not record.counted:
            if run is not None:
                self.defects.append(f"{slot.name}: tried again after {error.code}, which was no crash")
        elif run is not None and run.starts_at is not None:
            seconds = run.starts_at - self.loop.now
            meant = 600.0 if record.failures >= PARKED_AFTER else min(2.0 ** (record.failures - 1), 60.0)
            if not 0.89 * meant <= seconds <= 1.11 * meant:
                self.defects.append(f"{slot.name}: {seconds} s after {record.failures} failures")

    def _failed_before(self, slot: Slot, record: Record) -> bool:
        """Whether its last process was being ended already when the slot was asked to stop."""
        last = next(process for process in reversed(self.world.processes) if process.slot == slot.name)
        return last.end_began is not None and last.end_began <= record.unloading_since

    def _look(self, slot: Slot) -> None:
        """What a dashboard is shown at any moment."""
        view = slot.view()
        wrong = self.defects.append
        if view.in_flight < 0 or view.waiting < 0:
            wrong(f"{view.name}: {view.in_flight} in flight, {view.waiting} waiting")
        if (view.state == "serving") != (view.in_flight > 0) and view.state in ("ready", "serving", "idle"):
            wrong(f"{view.name}: {view.state} with {view.in_flight} in flight")
        if view.state == "offline" and view.pid is not None:
            wrong(f"{view.name}: offline, and has a process")
        if view.state == "error" and view.error is None:
            wrong(f"{view.name}: failed, and does not say why")
        if view.pid is not None and view.port is None:
            wrong(f"{view.name}: a process without a port")
        if view.retry_at is not None:
            run = slot.run
            if view.state != "error" or run is None or run.starts_at is None:
                wrong(f"{view.name}: {view.state}, and a next try is told")
            elif abs((view.retry_at - time.time()) - (run.starts_at - self.loop.now)) > 0.01:
                wrong(f"{view.name}: its next try moves with the wall clock")
        if view.parked and view.failures < PARKED_AFTER:
            wrong(f"{view.name}: parked after {view.failures} failures")

    # What must be true ----------------------------------------------------------------------------------------------

    def check(self) -> None:
        """At any moment."""
        for slot in self.supervisor.all():
            self.loop.do(lambda slot=slot: self._look(slot))  # type: ignore[misc]
        for client in self.clients:
            if client.answer.startswith(("defect", "slot.illegal", "system.")):
                self.defects.append(client.answer)
            if client.answer == "slot.not_found" and self.supervisor.find(client.slot.name) is client.slot:
                self.defects.append(f"{client.slot.name} is there, and is said not to be")
        for name, most in self.world.most_at_once.items():
            if most > 1:
                self.defects.append(f"{name}: {most} processes at a time")
        if self.world.told_strangers:
            self.defects.append(f"a stranger was told a key: {self.world.told_strangers}")
        assert not self.defects, self.defects
        self.clients = [client for client in self.clients if client.task and not client.task.done()]

    def check_at_rest(self) -> None:
        """When nothing is left to do but to let time pass."""
        for slot in self.supervisor.all():
            self.loop.do(lambda slot=slot: self._check(slot))  # type: ignore[misc]

    def _check(self, slot: Slot) -> None:
        self._check_counts(slot)
        self._check_process(slot)
        self._check_times(slot)

    def _check_counts(self, slot: Slot) -> None:
        mine = [client for client in self.clients if client.slot is slot]
        inside = [client for client in mine if client.inside and client.run is slot.run]
        assert slot.in_flight == len(inside), f"{slot.in_flight} in flight, {len(inside)} hold"
        waiting = [client for client in mine if not client.inside]
        assert slot.view().waiting == len(waiting), f"{slot.view().waiting} waiting, {len(waiting)} wait"
        if slot.state in ANSWERING and slot.run and slot.run.is_leasable and waiting:
            assert slot.in_flight >= slot.most_in_flight, "they wait although there is room"
        record = self.record(slot)
        healthy = record.ready_since is not None and self.loop.now - record.ready_since >= HEALTHY_SECONDS
        expected = 0 if healthy else record.failures
        assert slot.view().failures == expected, f"{slot.view().failures} failures, not {expected}"

    def _check_process(self, slot: Slot) -> None:
        alive = self.world.alive(slot.name)
        run, view = slot.run, slot.view()
        leaving = run is not None and (run.stopping or run.failing)
        if slot.state in ANSWERING | COMING_UP and not leaving and not is_in_line(slot):
            assert run is not None
            assert [p.pid for p in alive] == [view.pid], f"{slot.state}, but its process is {alive}"
            assert view.port == alive[0].port
        if slot.state is State.OFFLINE:
            assert not alive, "offline, and a process is left"
            assert run is None or is_in_line(slot), "offline, and it runs"
        if slot.state is State.ERROR and not (leaving or self.is_stuck(slot)):
            assert not alive, "failed, and a process is left"
            if self.record(slot).counted:
                assert run is not None, "nobody tries it again"
        if slot.state is State.UNLOADING:
            assert leaving
        if slot.state in COMING_UP and not leaving and run is not None and run.by == "request" and not run.is_found:
            assert view.waiting, "it starts, and nobody waits for it"

    def is_stuck(self, slot: Slot) -> bool:
        return any(p.asked_to_end for p in self.world.alive(slot.name))

    def _check_times(self, slot: Slot) -> None:
        record, run, now = self.record(slot), slot.run, self.loop.now
        lasted = now - record.since
        ending = STOP_TIMEOUT + AFTER_KILL_SECONDS + SLACK
        limit = math.inf
        if slot.state in COMING_UP and not is_in_line(slot):
            limit = START_TIMEOUT + ending
        elif slot.state is State.UNLOADING:
            over = record.stop_by if slot.in_flight else max(record.since, self.left_at)
            lasted, limit = now - over, ending
        elif slot.state is State.READY and run and run.is_leasable:
            limit = own_or(slot.config.idle_after, self.defaults.idle_after) + SLACK
        elif slot.state is State.IDLE and (seconds := own_or(slot.config.unload_after, self.defaults.unload_after)):
            limit = seconds + SLACK
        assert lasted <= limit, f"{slot.name} is {slot.state} for {lasted} s"
        if run is not None and run.starts_at is not None:
            assert run.starts_at >= now - SLACK, "its next try is over and has not begun"
        heard = any(client.inside and client.is_heard for client in self.clients if client.slot is slot)
        for process in self.world.alive(slot.name):
            if slot.state in ANSWERING and process.hung_at is not None and not heard:
                assert now - max(process.hung_at, self.left_at) <= HANG_SECONDS + ending, "nobody notices that it hangs"


async def nothing() -> None:
    pass


def own_or(seconds: float | None, default: float) -> float:
    return default if seconds is None else seconds


def is_in_line(slot: Slot) -> bool:
    """Whether its start waits for memory."""
    return slot.run is not None and not slot.run.has_room.done()


class _Log(logging.Handler):
    """A defect that hal0 caught and only logged is a defect all the same."""

    def __init__(self, defects: list[str]) -> None:
        super().__init__(logging.ERROR)
        self._defects = defects

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self._defects.append(f"{record.getMessage()}: {record.exc_info[1]!r}")
