"""Memory for runs: who starts now, who must go first, and who waits. The one owner of reservations.

Runs that want to start stand in line in order of arrival. Whenever something has changed that may matter, and twice a
second, the machine is looked at anew and `admission.plan` decides for the first in line; its answer is acted on in the
same step. Those behind may pass if they fit beside what those before them need. Slots in use are not interrupted: one
that has had its turn is held back, so that its requests in flight come to an end and new ones wait, until it is quiet
and can be unloaded.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.providers.base import Launch, SlotSpec
from hal0.daemon.slots.admission import (
    MEMORY,
    Amounts,
    Candidate,
    Carved,
    Evict,
    Fits,
    Holder,
    Impossible,
    Plan,
    Shortfall,
    Wait,
    in_units,
    in_words,
    lent_to,
    need_of,
    parts,
    plan,
    within,
    without,
)
from hal0.daemon.slots.appraisal import Appraised
from hal0.daemon.slots.lifecycle import State
from hal0.daemon.slots.run import Ending, Run
from hal0.errors import Hal0Error

# Starts that nobody waits for; they take only what is free.
UNASKED = frozenset({"autostart", "retry", "restore"})
LEARNED_AFTER_SECONDS = 2.5  # of being ready: by then the sampler has looked at it with its model loaded
RETRY_SECONDS = 10.0  # after which it is worth asking again for room that others use

log = logging.getLogger("hal0.slots")


@dataclass(frozen=True, slots=True)
class Look:
    """The machine at one moment."""

    free: Amounts  # by pool, as measured
    taken: Mapping[str, Amounts]  # by slot: what its processes hold of it
    reserve: int = 0  # bytes of RAM that stay free
    limit: int | None = None  # bytes of RAM for all slots together
    carved: Mapping[str, Carved] = field(default_factory=dict)  # of the GPUs that share RAM


class Machine(Protocol):
    """Where the figures come from."""

    async def appraise(self, spec: SlotSpec, launch: Launch) -> Appraised | None:
        """What it would need; None: not known."""
        ...

    async def look(self) -> Look:
        """The machine now, not a moment ago."""
        ...

    async def learn(self, slot: str, appraised: Appraised, *, group: int) -> None:
        """The run that was this process group has ended; what it took is worth remembering."""
        ...


class Tenant(Protocol):
    """What is asked of a slot."""

    @property
    def name(self) -> str: ...
    @property
    def config(self) -> SlotConfig: ...
    @property
    def state(self) -> State: ...
    @property
    def waiting(self) -> int:
        """Requests that wait for it."""
        ...

    @property
    def last_used(self) -> float:
        """Loop time at which its last request left."""
        ...

    def start_limit(self) -> float: ...
    def evict(self, cause: str, *, request: str) -> asyncio.Future[Ending] | None: ...
    def announce(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a slot keeps its room while others wait for it, in seconds."""

    least_turn: float = 5.0  # from being ready
    loads_per_turn: float = 5.0  # or so many times what its load took, so that loading stays the smaller part
    least_quiet: float = 0.5  # a gap between two requests that is no end of use
    most_quiet: float = 3.0
    settle: float = 0.5  # for which a driver may still show memory as taken whose process has ended
    pause: float = 0.05  # between two looks, however much happens
    relook: float = 0.5  # while somebody waits: others than slots may give memory back, and requests come and go


@dataclass(eq=False, slots=True)
class Claim:
    """One run's claim: in line until it is granted, then its reservation until the run is over."""

    tenant: Tenant
    run: Run
    appraised: Appraised | None
    since: float  # loop time
    answer: asyncio.Future[Hal0Error | None]
    decision: Plan | None = None  # the last one
    leaving: asyncio.Future[Ending] | None = None  # the run that was asked to go for it
    made_by: list[str] = field(default_factory=list)  # slots that were unloaded for it

    @property
    def name(self) -> str:
        return self.tenant.name

    @property
    def need(self) -> dict[str, int]:
        """By the configuration as it is now."""
        return amounts(self.appraised, self.tenant.config)

    @property
    def standing(self) -> tuple[object, ...]:
        """What may change a decision at once. Requests that come and go in a slot that is not held back do not."""
        run, tenant = self.run, self.tenant
        is_held_back = run.way is not None
        return (
            self,
            tenant.config,
            tenant.state is State.IDLE,
            tenant.waiting > 0 and not run.has_room.done(),
            run.ready_at is not None,
            run.stopping or run.failing,
            is_held_back,
            is_held_back and self.is_busy,
        )

    @property
    def is_asked_for(self) -> bool:
        return self.run.by not in UNASKED or self.tenant.waiting > 0

    @property
    def is_busy(self) -> bool:
        return self.run.in_flight > 0 or (self.tenant.waiting > 0 and self.run.way is None)


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be decided for a slot if it were to start now."""

    decision: Plan
    need: Amounts
    free: Amounts
    reserved: Amounts  # of the free ones, promised to others


def amounts(appraised: Appraised | None, config: SlotConfig) -> dict[str, int]:
    """What is to be reserved, by pool."""
    if appraised is None:
        return {MEMORY: config.memory} if config.memory else {}
    return need_of(appraised.needs, appraised.gpus, wanted=config.memory)


class Room:
    """The machine's memory, given out."""

    def __init__(
        self,
        machine: Machine,
        *,
        start_task: Callable[[Coroutine[Any, Any, None]], object],
        on_displaced: Callable[[str, str], object],
        pace: Pace | None = None,
    ) -> None:
        self._machine = machine
        self._start_task = start_task
        self._on_displaced = on_displaced
        self._pace = pace or Pace()
        self._line: list[Claim] = []
        self._granted: list[Claim] = []
        self._wake = asyncio.Event()
        self._decided: list[tuple[object, ...]] = []  # how all stood when it was decided last
        self._is_served = False
        self._releases = 0
        self._settled_at = 0.0  # loop time

    # What runs and people ask ---------------------------------------------------------------------------------

    @asynccontextmanager
    async def held_by(self, tenant: Tenant, run: Run) -> AsyncIterator[None]:
        """Memory for the backend of a run, waited for if need be; raises `slot.insufficient_memory`."""
        loop = asyncio.get_running_loop()
        appraised = await self._machine.appraise(run.spec, run.launch) if run.spec and run.launch else None
        claim = Claim(tenant, run, appraised, loop.time(), loop.create_future())
        try:
            if run.is_found:  # it has its memory
                self._grant(claim)
                self._start_task(self._appraise(claim))
            elif claim.need or tenant.config.group:
                self._line.append(claim)
                self.changed()
                if (error := await claim.answer) is not None:
                    raise error
            else:
                self._grant(claim)
            yield
        finally:
            self._leave(claim)

    def changed(self) -> None:
        """Something of a slot is not what it was: decide anew if that may matter."""
        if (standing := self._standing()) != self._decided:
            self._decided = standing
            self._wake.set()
        if self._line and not self._is_served:
            self._is_served = True
            self._start_task(self._serve())

    def reserved_by(self, name: str) -> dict[str, int]:
        """What a slot's run was promised of RAM and of GPUs, in bytes."""
        return next((claim.need for claim in reversed(self._granted) if claim.name == name), {})

    def shortage(self, run: Run) -> Hal0Error | None:
        """What a request is told that has waited for too long; None if it was not for want of room."""
        for claim in self._line:
            if claim.run is run:
                return self._too_late(claim)
        for claim in self._granted:  # it may have left already, if its backend dies this moment
            if claim.run is run and run.way is not None:
                text = f"its memory goes to {run.way_to}, which has waited for it"
                return Hal0Error(
                    "slot.insufficient_memory", retry_after_seconds=RETRY_SECONDS, slot=claim.name, sum=text, sums=[]
                )
        return None

    async def preview(self, name: str, appraised: Appraised | None, config: SlotConfig) -> Preview:
        """What would be decided for a slot that a person starts; what runs under its name is taken for gone."""
        look = await self._machine.look()
        now = asyncio.get_running_loop().time()
        holders = [self._holder(claim, look, now, for_person=True) for claim in self._granted]
        others = [holder for holder in [*holders, *map(_promised, self._line)] if holder.name != name]
        free, carved = dict(look.free), look.carved
        for holder in holders:
            if holder.name == name:
                free = {pool: size + holder.taken.get(pool, 0) for pool, size in free.items()}
                if MEMORY in free:
                    free[MEMORY] += holder.lent
                carved = without(carved, holder.taken)
        free = within(free, others, reserve=look.reserve, limit=look.limit, carved=carved)
        need = amounts(appraised, config)
        candidate = Candidate(name, need, group=config.group, exclusive=config.exclusive)
        together = {pool: size for pool in free if len(parts(pool)) > 1 and (size := candidate.needs(pool))}
        need = {**need, **together}
        reserved = {pool: sum(holder.outstanding(pool) for holder in others) for pool in need}
        return Preview(plan(candidate, free, others), need, free, reserved)

    # The line -------------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        """Decide, each time anything may have changed, until nobody is in line."""
        try:
            while self._line:
                self._wake.clear()
                releases = self._releases
                look = await self._machine.look()
                if releases != self._releases:
                    continue  # the figures are from before
                due = self._decide(look)
                self._decided = self._standing()
                if not self._line:
                    break
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(due):
                        await self._wake.wait()
                        await asyncio.sleep(self._pace.pause)
        finally:
            self._is_served = False
            for claim in list(self._line):  # only if this has failed
                self._refuse(claim, Hal0Error("system.internal", reason="room in memory could not be decided"))

    def _standing(self) -> list[tuple[object, ...]]:
        """Of everyone while somebody is in line; else nobody asks."""
        return [claim.standing for claim in (*self._line, *self._granted)] if self._line else []

    def _decide(self, look: Look) -> float:
        """For everyone in line; returns the loop time at which to look again."""
        now = asyncio.get_running_loop().time()
        due = now + self._pace.relook
        before: list[Claim] = []
        for claim in list(self._line):
            decision = self._plan(claim, look, now, before)
            if isinstance(decision, Fits):
                self._grant(claim)
                continue
            claim.decision = decision if not before else Wait((before[0].name,))
            if now >= claim.since + claim.tenant.start_limit() and not claim.tenant.waiting:
                self._refuse(claim, self._too_late(claim))
                continue
            if not before:
                due = min(due, self._make_room(claim, decision, now))
            self._tell(claim)
            if claim in self._line:
                before.append(claim)
        return due

    def _plan(self, claim: Claim, look: Look, now: float, before: Sequence[Claim]) -> Plan:
        """Beside the needs of those before, which count as promised."""
        config = claim.tenant.config
        holders = [self._holder(each, look, now, of=claim) for each in self._granted]
        free = within(look.free, holders, reserve=look.reserve, limit=look.limit, carved=look.carved)
        candidate = Candidate(claim.name, claim.need, claim.is_asked_for, config.group, config.exclusive)
        return plan(candidate, free, [*holders, *map(_promised, before)])

    def _make_room(self, claim: Claim, decision: Plan, now: float) -> float:
        """Act for the first in line; returns the loop time at which there may be more to do."""
        if now < self._settled_at:
            return self._settled_at
        if claim.leaving is not None and not claim.leaving.done():
            return float("inf")  # one at a time: after each the figures are others
        due = float("inf")
        match decision:
            case Impossible():
                self._refuse(claim, decision.error(claim.name))
            case Evict(order):
                self._go_on(claim, but=order)
                self._evict(order[0], claim, decision.sums)
            case Wait(on):
                self._go_on(claim, but=on)
                due = min(
                    (self._ask_for_way(each, claim, now) for each in self._granted if each.name in on), default=due
                )
        return due

    def _ask_for_way(self, host: Claim, claim: Claim, now: float) -> float:
        """Hold a slot in use back once it has had its turn; returns when that will be."""
        run = host.run
        if run.ready_at is None or run.stopping or run.way is not None:
            return float("inf")
        end = run.ready_at + self._turn(host, claim)
        if not host.is_busy:
            return min(max(end, claim.since + self._quiet(host)), self._fresh_until(host))
        if now < end:
            return end
        log.info("%s is held back: %s waits for its memory", host.name, claim.name)
        run.give_way(claim.name)
        host.tenant.announce()
        return float("inf")

    def _evict(self, name: str, claim: Claim, sums: Sequence[Shortfall]) -> None:
        host = next(each for each in self._granted if each.name == name)
        config = claim.tenant.config
        is_rival = config.group is not None and config.group == host.tenant.config.group
        if sums:
            words = ", ".join(
                f"needs {in_units(each.need)}{_of(each.pool)}, {in_units(max(0, each.free - each.reserved))} free"
                for each in sums
            )
            cause = f"evicted for {claim.name}: {words}"
        else:
            cause = f"evicted for {claim.name}: they take turns in the group {config.group}"
        claim.made_by.append(name)
        claim.leaving = host.tenant.evict(cause, request=claim.run.request)
        if is_rival:
            self._on_displaced(claim.name, name)

    def _grant(self, claim: Claim) -> None:
        if claim in self._line:
            self._line.remove(claim)
        self._granted.append(claim)
        claim.run.room_made_by = tuple(claim.made_by)
        claim.run.has_room.set_result(None)
        self._answer(claim, None)

    def _refuse(self, claim: Claim, error: Hal0Error) -> None:
        self._line.remove(claim)
        self._answer(claim, error)

    def _answer(self, claim: Claim, error: Hal0Error | None) -> None:
        claim.run.remark = ""
        self._go_on(claim)
        if not claim.answer.done():
            claim.answer.set_result(error)

    def _leave(self, claim: Claim) -> None:
        """It needs its room no longer, or wants it no longer."""
        claim.run.remark = ""
        if claim in self._line:
            self._line.remove(claim)
            self._go_on(claim)
        elif claim in self._granted:
            self._granted.remove(claim)
            self._releases += 1
            now = asyncio.get_running_loop().time()
            if any(pool != MEMORY for pool in claim.need):
                self._settled_at = now + self._pace.settle
            process, ready_at = claim.run.process, claim.run.ready_at
            if claim.appraised and process and ready_at is not None and now - ready_at >= LEARNED_AFTER_SECONDS:
                self._start_task(self._machine.learn(claim.name, claim.appraised, group=process.pid))
        self.changed()

    def _go_on(self, claim: Claim, *, but: Iterable[str] = ()) -> None:
        """Those that were held back for this claim need not be, any more."""
        for host in self._granted:
            if host.run.way_to == claim.name and host.name not in but:
                host.run.resume()
                host.tenant.announce()

    async def _appraise(self, claim: Claim) -> None:
        """What a backend may still take that an earlier daemon has started; its settings are known once it is ready."""
        run = claim.run
        await asyncio.wait({run.ready})
        if run.spec and run.launch:
            claim.appraised = await self._machine.appraise(run.spec, run.launch)

    # What it knows --------------------------------------------------------------------------------------------

    def _holder(
        self, claim: Claim, look: Look, now: float, *, of: Claim | None = None, for_person: bool = False
    ) -> Holder:
        run, config = claim.run, claim.tenant.config
        is_up = run.ready_at is not None and not run.stopping
        is_fresh = is_up and not claim.is_busy and run.way is None and not for_person
        if is_fresh and of is not None:
            # Who was used last is known once a gap would be over; until then a slot that just serves looks quiet.
            its_turn_is_over = now >= max((run.ready_at or 0.0) + self._turn(claim, of), of.since + self._quiet(claim))
            is_fresh = of.run.by == "request" and not its_turn_is_over
        taken = look.taken.get(claim.name, {}) if run.process else {}
        return Holder(
            name=claim.name,
            reserved=claim.need,
            taken=taken,
            lent=lent_to(taken, look.carved),
            is_busy=is_up and claim.is_busy,
            is_starting=not is_up and not run.stopping,
            is_leaving=run.stopping or run.failing,
            is_fresh=is_fresh and claim.tenant.state is not State.IDLE and now < self._fresh_until(claim),
            is_idle=claim.tenant.state is State.IDLE,
            pinned=config.pinned,
            priority=config.priority,
            last_used=max(claim.tenant.last_used, run.ready_at or 0.0),
            ready_since=run.ready_at or 0.0,
            group=config.group,
            exclusive=config.exclusive,
        )

    def _turn(self, host: Claim, claim: Claim) -> float:
        """Seconds that a slot in use keeps its room from being ready; no more than half of what the other may wait."""
        load = (host.run.load_ms or 0.0) / 1000
        turn = max(self._pace.least_turn, self._pace.loads_per_turn * load)
        return min(turn, claim.tenant.start_limit() / 2)

    def _quiet(self, host: Claim) -> float:
        """Seconds without a request after which a slot counts as no longer used: longer for what is slow to load."""
        load = (host.run.load_ms or 0.0) / 1000
        return min(max(self._pace.least_quiet, load / 10), self._pace.most_quiet)

    def _fresh_until(self, host: Claim) -> float:
        return max(host.tenant.last_used, host.run.ready_at or 0.0) + self._quiet(host)

    def _too_late(self, claim: Claim) -> Hal0Error:
        decision = claim.decision
        if isinstance(decision, Impossible):
            return decision.error(claim.name)
        if isinstance(decision, Evict):
            decision = Wait(decision.order, decision.sums)
        on = decision if isinstance(decision, Wait) else Wait(("its turn",))
        return on.error(claim.name, retry_after_seconds=RETRY_SECONDS)

    def _tell(self, claim: Claim) -> None:
        """What people see while it waits."""
        remark = ""
        match claim.decision:
            case Evict(order):
                remark = f"waiting for memory: {order[0]} makes room"
            case Wait(on):
                remark = f"waiting for memory: {', '.join(map(self._doing, on))}"
        if remark and remark != claim.run.remark and claim in self._line:
            claim.run.remark = remark
            claim.tenant.announce()

    def _doing(self, name: str) -> str:
        for claim in self._granted:
            if claim.name == name:
                run = claim.run
                if run.stopping or run.failing:
                    return f"{name} makes room"
                return f"{name} is {'busy' if run.ready_at is not None else 'starting'}"
        return f"{name} is first"


def _promised(claim: Claim) -> Holder:
    """What one in line is to have, for those behind."""
    config = claim.tenant.config
    return Holder(claim.name, claim.need, is_starting=True, group=config.group, exclusive=config.exclusive)


def _of(pool: str) -> str:
    return "" if pool == MEMORY else f" of {in_words(pool)}"
