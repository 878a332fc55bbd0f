"""How requests come into a slot: they wait for a ready run, then for a turn, and hold the run until they leave.

Any number of callers share one start. Those who leave while they wait cost nothing; when the last of them has left,
a start that only requests wanted is dropped.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.http.endpoint import Endpoint
from hal0.daemon.providers.base import SlotSpec
from hal0.daemon.slots.run import Hold, Line, Run
from hal0.daemon.slots.turns import Turns
from hal0.errors import Hal0Error


@dataclass(frozen=True, slots=True)
class Lease:
    """A request's hold on a ready run: the run is not stopped under it while draining allows."""

    endpoint: Endpoint
    spec: SlotSpec
    queue_ms: float
    load_ms: float
    run: Run
    hold: Hold
    is_remote: ClassVar[bool] = False
    terms: ClassVar[None] = None

    @property
    def engine(self) -> str:
        """What computes the answer, for people; a program by its name alone."""
        return self.run.launch.engine_name if self.run.launch else ""

    @property
    def context(self) -> int | None:
        """The tokens that there are for one request."""
        return self.run.launch.context if self.run.launch else None

    def carried_by(self, line: Line) -> None:
        """The answer comes over this connection: while it moves, the backend needs no other proof of life."""
        self.hold.line = line

    async def failure(self, reason: str) -> Hal0Error:
        """Why the backend broke off: its own end if it has one, else `reason`."""
        return await self.run.failure(reason, slot=self.spec.name)


class House(Protocol):
    """What the entrance asks of its slot."""

    @property
    def name(self) -> str: ...
    @property
    def config(self) -> SlotConfig: ...
    @property
    def run(self) -> Run | None:
        """The current run, which may not be ready yet."""
        ...

    @property
    def most_in_flight(self) -> int: ...
    def start_limit(self) -> float:
        """Seconds that a start may take."""
        ...

    def start_for(self, request: str) -> Run:
        """A run, as there is none."""
        ...

    def overdue(self, limit: float) -> Hal0Error:
        """What to tell a request that has waited for its start as long as that may take."""
        ...

    def refusal(self, run: Run) -> Hal0Error | None:
        """Why it is not worth waiting for this run's start, if it is not."""
        ...

    def nobody_waits(self) -> None:
        """The last of those who waited for a start has left."""
        ...

    def entered(self) -> None: ...
    def left(self, run: Run) -> None: ...
    def announce(self) -> None:
        """Counts have changed."""
        ...


class Visit:
    """One caller's: in by the door, with a lease while inside, and out again."""

    __slots__ = ("_background", "_entrance", "_hold", "_house", "_request", "_run", "_since")

    def __init__(self, entrance: "Entrance", house: House, request: str, background: bool) -> None:
        self._entrance = entrance
        self._house = house
        self._request = request
        self._background = background

    async def __aenter__(self) -> Lease:
        asked = time.monotonic()
        run, hold, load_seconds = await self._entrance.enter(self._request, self._background)
        self._run, self._hold, self._since = run, hold, time.monotonic()
        self._house.entered()
        assert run.endpoint is not None
        assert run.spec is not None
        queue_seconds = self._since - asked - load_seconds
        return Lease(
            run.endpoint, run.spec, queue_ms=queue_seconds * 1000, load_ms=load_seconds * 1000, run=run, hold=hold
        )

    async def __aexit__(self, *_: object) -> None:
        self._entrance.left(self._run, self._hold, seconds=time.monotonic() - self._since)


class Entrance:
    """The door of one slot."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._outside = 0  # callers who have not come in yet
        self._for_run = 0  # of them, those who wait for a run to become ready
        self._turns = Turns(house.name)  # for room in it

    @property
    def waiting(self) -> int:
        return self._outside

    def lease(self, *, request: str = "", background: bool = False) -> "Visit":
        """Hold a ready run; `request` is the id that the ledger names if this caller's coming starts the slot.

        `background`: no person waits for it, so that others may go first.
        """
        return Visit(self, self._house, request, background)

    def left(self, run: Run, hold: Hold, *, seconds: float) -> None:
        """A caller who held the run for so long is out."""
        run.leave(hold)
        self._turns.held_for(seconds)
        self.grant()
        self._house.left(run)

    def grant(self) -> None:
        """Let in as many as there is room for; called whenever there may be more room."""
        if not self._turns.in_line:
            return
        run = self._house.run
        self._turns.grant(run.in_flight if run else 0, most=self._house.most_in_flight)

    async def enter(self, request: str, background: bool) -> tuple[Run, Hold, float]:
        """Wait for a ready run and for a turn, and be counted by the run; also the seconds spent on its start.

        Who comes in leaves by `left`.
        """
        house = self._house
        load_seconds = 0.0
        has_turn = False
        self._outside += 1
        try:
            while True:
                began = time.monotonic()
                run = await self._ready_run(request)
                load_seconds += time.monotonic() - began
                if has_turn or self._turns.is_free(run.in_flight, most=house.most_in_flight):
                    # In the same step as the checks that it is ready and has room.
                    return run, run.enter(request), load_seconds
                house.announce()
                await self._turns.wait(
                    most_waiting=house.config.queue_limit, at_once=house.most_in_flight, background=background
                )
                has_turn = True
        finally:
            self._outside -= 1
            if has_turn:
                self._turns.taken()
            self.grant()

    async def _ready_run(self, request: str) -> Run:
        house = self._house
        if (run := house.run) and run.is_leasable:
            return run
        self._for_run += 1
        limit = house.start_limit()
        try:
            async with asyncio.timeout(limit) as patience:
                return await self._wait_for_run(request, patience)
        except TimeoutError:  # the run has a limit of its own, and will say what became of it
            if (run := house.run) and run.fetching.done_bytes is not None:
                raise Hal0Error("slot.not_ready", slot=house.name, state="pulling") from None
            raise house.overdue(limit) from None
        except asyncio.CancelledError:
            if self._for_run == 1:
                house.nobody_waits()
            raise
        finally:
            self._for_run -= 1
            house.announce()

    async def _wait_for_run(self, request: str, patience: asyncio.Timeout) -> Run:
        """The limit of `patience` is for room in memory, and once more for the start itself."""
        house = self._house
        while True:
            run = house.run or house.start_for(request)
            if run.stopping or run.failing:
                await asyncio.wait({run.ended})
                continue
            if run.way is not None:
                house.announce()
                ways: set[asyncio.Future[Any]] = {run.way, run.ended}
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                continue
            if refusal := house.refusal(run):
                raise refusal
            house.announce()
            if not run.has_room.done():  # wait() leaves the futures alone when this waiter is cancelled
                either: set[asyncio.Future[Any]] = {run.has_room, run.ready}
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                patience.reschedule(asyncio.get_running_loop().time() + house.start_limit())
            await asyncio.wait({run.ready})
            outcome = run.ready.result()
            if isinstance(outcome, Hal0Error):
                raise outcome.again()
            if outcome is not None and run is house.run and run.is_leasable:
                return run
