"""Slots that cannot all be there at once: who starts, who goes, who waits, and what they are told."""

import asyncio
import functools
import math
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest

from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.models.peaks import PeakKey
from hal0.daemon.slots.admission import Carved, Evict
from hal0.daemon.slots.appraisal import Appraised
from hal0.daemon.slots.room import Pace
from hal0.daemon.slots.slot import Slot
from hal0.errors import Hal0Error
from tests.daemon.slots.conftest import WAIT_SECONDS, House
from tests.fakes.scripted import Models
from tests.fakes.scripted_process import Script, World
from tests.fakes.virtual_loop import VirtualLoop

T = TypeVar("T")

MIB = 2**20
QUICK = Pace(least_turn=0.2, loads_per_turn=0.0, least_quiet=0.03, pause=0.005, relook=0.1)


class Machine:
    """A house with 10 MiB, in which each slot needs 10 unless told otherwise; a test decides on backends and clock."""

    def __init__(self, folder: Path) -> None:
        self.loop = VirtualLoop()
        asyncio.set_event_loop(self.loop)
        self.world = World()
        models = Models()
        made = self.world.tools(models, folder, start_timeout=20.0)
        self.house = self.loop.do(lambda: House(folder, made=made, pace=QUICK))
        self.house.machine.total = 10 * MIB
        self.configs: dict[str, SlotConfig] = {}
        self.tasks: list[asyncio.Task[Any]] = []

    def close(self) -> None:
        for task in self.tasks:  # a test that fails leaves some
            task.cancel()
        try:
            self.loop.run(self.house.supervisor.__aexit__())
        finally:
            asyncio.set_event_loop(None)
            self.loop.close()

    def go(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        self.tasks.append(asyncio.ensure_future(work))
        return self.tasks[-1]

    def pace(self, **seconds: float) -> None:
        self.house.supervisor.room._pace = Pace(**seconds)

    def add(self, *names: str, script: Script | None = None, **fields: Any) -> tuple[Slot, ...]:
        for name in names:
            self.world.scripts[name] = script or Script()
            keys = {"memory": 10 * MIB, "stop_timeout": 0.5, "drain_timeout": 2.0, **fields}
            self.configs[name] = SlotConfig(model="m", **keys)
        self.house.apply(self.configs)
        return tuple(self.house.supervisor.get(name) for name in names)

    def change(self, name: str, **fields: Any) -> None:
        self.configs[name] = self.configs[name].model_copy(update=fields)
        self.house.apply(self.configs)

    async def until(self, slot: Slot, *states: str) -> None:
        await self.house.until(lambda: slot.state.value in states)

    def loads(self, slot: Slot) -> int:
        return self.world.started(slot.name)

    def kill(self, slot: Slot) -> None:
        (process,) = self.world.alive(slot.name)
        process.die(-signal.SIGKILL)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    built = Machine(tmp_path)
    try:
        yield built
    finally:
        built.close()


def timeless(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run it on its machine's clock, on which time passes only when nothing else is left to do."""

    @functools.wraps(test)
    def run(machine: Machine, **values: Any) -> None:
        machine.loop.run(test(machine=machine, **values))

    return run


async def ask(slot: Slot, *, seconds: float = 0.0, request: str = "") -> int:
    """One request that holds the slot for so long; the number of its run."""
    async with asyncio.timeout(WAIT_SECONDS), slot.lease(request=request) as lease:
        await asyncio.sleep(seconds)
        return lease.run.number


async def refused(slot: Slot) -> Hal0Error:
    with pytest.raises(Hal0Error) as caught:
        await ask(slot)
    return caught.value


def causes(slot: Slot) -> list[str]:
    return [entry.cause for entry in slot.journal.entries()]


@timeless
async def test_a_request_unloads_a_quiet_slot_and_both_ledgers_tell_why(machine: Machine) -> None:
    a, b = machine.add("a", "b")
    await ask(a)
    await ask(b, request="req-1")
    assert (a.state, b.state) == ("offline", "ready")
    evicted = next(entry for entry in a.journal.entries() if entry.state == "unloading")
    assert evicted.cause == "evicted for b: needs 10 MiB, 0 MiB free"
    assert evicted.request == "req-1"
    assert "started by request; room was made by unloading a" in causes(b)
    assert machine.house.failures == []


@timeless
async def test_two_on_a_gpu_that_shares_ram_are_not_both_started_where_ram_is_for_one(machine: Machine) -> None:
    machine.house.machine.carved = {"gpu0": Carved(0)}
    machine.house.machine.appraised = Appraised(None, PeakKey("m", 1, 1, "e", "auto"), ("gpu0",))
    a, b = machine.add("a", "b")
    await ask(a)
    preview = await machine.house.supervisor.room.preview("b", machine.house.machine.appraised, b.config)
    assert preview.decision == Evict(("a",))
    assert preview.need == {"gpu0": 10 * MIB, "memory+gpu0": 10 * MIB}
    await ask(b)
    assert (a.state, b.state) == ("offline", "ready")


@timeless
async def test_two_that_fit_run_side_by_side(machine: Machine) -> None:
    machine.house.machine.total = 20 * MIB
    a, b = machine.add("a", "b")
    room = machine.house.supervisor.room
    assert room.reserved_by("a") == {}
    await asyncio.gather(ask(a), ask(b))
    assert (a.state, b.state) == ("ready", "ready")
    assert room.reserved_by("a") == room.reserved_by("b") == {"memory": 10 * MIB}
    a.unload("no longer wanted")
    await machine.until(a, "offline")
    assert (room.reserved_by("a"), room.reserved_by("b")) == ({}, {"memory": 10 * MIB})


@timeless
async def test_a_busy_slot_is_waited_for_and_never_interrupted(machine: Machine) -> None:
    a, b = machine.add("a", "b")
    async with a.lease() as lease:
        asking = machine.go(ask(b))
        await machine.house.until(lambda: "a is busy" in b.view().remark)
        await machine.house.until(lambda: a.view().remark == "held back: b waits for its memory")
        await asyncio.sleep(3 * QUICK.least_turn)
        assert a.state == "serving"
        assert not lease.run.stopping
        assert b.state == "offline"
    assert await asking == 1
    assert a.state == "offline"
    assert b.view().remark == ""


@timeless
async def test_a_slot_that_dies_while_it_is_held_back_is_short_of_nothing(machine: Machine) -> None:
    a, b = machine.add("a", "b")
    async with a.lease() as lease:
        asking = machine.go(ask(b))
        await machine.house.until(lambda: lease.run.way is not None)
        assert machine.house.supervisor.room.shortage(lease.run) is not None
        machine.kill(a)
        await lease.run.ended
        assert machine.house.supervisor.room.shortage(lease.run) is None
    assert await asking == 1


@timeless
async def test_whoever_comes_to_a_slot_that_is_held_back_is_served_after_the_other(machine: Machine) -> None:
    a, b = machine.add("a", "b")
    async with AsyncExitStack() as first:
        await first.enter_async_context(a.lease())
        other = machine.go(ask(b))
        await machine.house.until(lambda: bool(a.run and a.run.way))
        later = machine.go(ask(a))
        await machine.house.until(lambda: a.waiting == 1)
    assert await other == 1
    assert await later == 2
    assert (machine.loads(a), machine.loads(b)) == (2, 1)


@timeless
async def test_one_that_is_held_back_goes_on_when_the_other_has_left(machine: Machine) -> None:
    a, b = machine.add("a", "b", parallel=2)
    async with a.lease():
        other = machine.go(ask(b))
        await machine.house.until(lambda: bool(a.run and a.run.way))
        later = machine.go(ask(a))
        await machine.house.until(lambda: a.waiting == 1)
        other.cancel()
        assert await later == 1
    await machine.house.until(lambda: b.run is None)
    assert (a.view().remark, b.view().remark, b.view().waiting) == ("", "", 0)
    assert machine.loads(b) == 0


@timeless
async def test_a_gap_between_two_requests_is_no_end_of_use(machine: Machine) -> None:
    machine.pace(least_turn=30, least_quiet=0.3, pause=0.005, relook=0.1)
    a, b = machine.add("a", "b")
    await ask(a)
    other = machine.go(ask(b))
    for _ in range(6):
        await asyncio.sleep(0.1)
        assert await ask(a) == 1
    assert not other.done()
    await other
    assert machine.loads(a) == 1


@timeless
async def test_requests_to_a_busy_slot_are_no_reason_to_look_at_the_machine_and_its_end_is(machine: Machine) -> None:
    machine.pace(least_turn=60, least_quiet=60, most_quiet=60, pause=0.0, relook=60)
    a, b = machine.add("a", "b")
    await ask(a)
    other = machine.go(ask(b))
    await machine.house.until(lambda: "a is busy" in b.view().remark)
    before = machine.house.machine.looks
    for _ in range(50):
        await ask(a, seconds=0.001)
    # A look may have been due as it all began, and no more than that.
    assert machine.house.machine.looks <= before + 1
    a.unload("person", drain_seconds=0.0)
    assert await other == 1


@timeless
async def test_a_person_who_loads_waits_for_no_gap(machine: Machine) -> None:
    machine.pace(least_turn=60, least_quiet=60, most_quiet=60)
    a, b = machine.add("a", "b")
    await ask(a)
    b.load(by="person")
    await machine.until(b, "ready")


@timeless
async def test_a_pinned_slot_stays_and_the_answer_says_so(machine: Machine) -> None:
    a, b = machine.add("a", pinned=True) + machine.add("b")
    await ask(a)
    error = await refused(b)
    assert (error.code, error.status, error.retry_after_seconds) == ("slot.insufficient_memory", 507, None)
    assert "10 MiB of RAM needed, 10 MiB free (10 MiB of it promised to others)" in error.message
    assert "10 MiB by a, pinned" in error.message
    assert (a.state, b.state) == ("ready", "error")
    assert b.run is None  # no try is planned
    machine.change("a", pinned=False)
    await ask(b)


@timeless
async def test_the_lowest_priority_goes_then_the_one_not_used_for_longest(machine: Machine) -> None:
    machine.house.machine.total = 30 * MIB
    a, b, c = machine.add("a", priority=1) + machine.add("b", "c")
    for slot in (a, b, c, b):
        await ask(slot, seconds=0.1)
    (d, e) = machine.add("d", "e")
    await ask(d)
    assert [slot.state for slot in (a, b, c)] == ["ready", "ready", "offline"]
    await ask(e)
    assert [slot.state for slot in (a, b, d)] == ["ready", "offline", "ready"]


@timeless
async def test_only_as_many_go_as_are_needed_one_after_the_other(machine: Machine) -> None:
    machine.house.machine.total = 30 * MIB
    a, b, c = machine.add("a", "b", "c")
    for slot in (a, b, c):
        await ask(slot)
    (big,) = machine.add("big", memory=15 * MIB)
    await ask(big)
    assert [slot.state for slot in (a, b, c)] == ["offline", "offline", "ready"]
    ends = [pair for pair in machine.house.states if pair[0] in "ab" and pair[1] in ("unloading", "offline")]
    assert ends[-4:] == [("a", "unloading"), ("a", "offline"), ("b", "unloading"), ("b", "offline")]


@pytest.mark.parametrize("by", ["autostart", "retry"])
@timeless
async def test_a_start_that_nobody_waits_for_unloads_nobody_and_the_next_request_does(
    machine: Machine, by: str
) -> None:
    a, b = machine.add("a", "b")
    await ask(a)
    b.load(by=by)
    await machine.until(b, "error")
    view = b.view()
    assert view.error is not None
    assert view.error.code == "slot.insufficient_memory"
    assert "nobody waits for" in view.error.message
    assert view.retry_at is None
    assert a.state == "ready"
    await ask(b)
    assert a.state == "offline"


@timeless
async def test_a_request_makes_an_unasked_start_its_own(machine: Machine) -> None:
    a, b, c = machine.add("a", "b", "c")
    async with a.lease():
        first = machine.go(ask(c))
        await machine.house.until(lambda: c.view().remark != "")
        b.load(by="autostart")
        await machine.house.until(lambda: b.view().remark == "waiting for memory: c is first")
        joined = machine.go(ask(b))
        await machine.house.until(lambda: b.waiting == 1)
    await asyncio.gather(first, joined)
    assert b.state == "ready"


@timeless
async def test_twenty_slots_asked_at_once_are_all_served_and_never_too_many_run(machine: Machine) -> None:
    machine.house.machine.total = 35 * MIB
    slots = machine.add(*(f"s{number}" for number in range(20)))
    most = 0

    def look() -> bool:
        nonlocal most
        most = max(most, len(machine.house.supervisor.process_groups()))
        return asking.done()

    asking = asyncio.ensure_future(asyncio.gather(*(ask(slot) for slot in slots)))
    asking.add_done_callback(lambda _: machine.house._news.set())
    await machine.house.until(look)
    assert asking.result() == [1] * 20
    assert most == 3
    assert [machine.loads(slot) for slot in slots] == [1] * 20


@timeless
async def test_those_in_line_are_served_in_order(machine: Machine) -> None:
    a, b, c, d = machine.add("a", "b", "c", "d")
    served: list[str] = []

    async def go(slot: Slot) -> None:
        await ask(slot)
        served.append(slot.name)

    async with a.lease():
        tasks = []
        for slot in (c, b, d):
            tasks.append(machine.go(go(slot)))
            await machine.house.until(lambda slot=slot: slot.view().remark != "")  # type: ignore[misc]
    await asyncio.gather(*tasks)
    assert served == ["c", "b", "d"]


@timeless
async def test_a_small_one_passes_only_where_it_fits_beside_those_before_it(machine: Machine) -> None:
    machine.house.machine.total = 14 * MIB
    a, b = machine.add("a", "b")
    small, middle = machine.add("small", memory=4 * MIB) + machine.add("middle", memory=1 * MIB)
    async with a.lease():
        waits = machine.go(ask(b))
        await machine.house.until(lambda: b.view().remark != "")
        overtakes = machine.go(ask(small))
        await machine.house.until(lambda: small.view().remark == "waiting for memory: b is first")
        assert middle.state == "offline"
    await asyncio.gather(waits, overtakes)


@timeless
async def test_those_behind_unload_nobody(machine: Machine) -> None:
    machine.house.machine.total = 20 * MIB
    a, quiet, c = machine.add("a", "quiet", "c")
    (big,) = machine.add("big", memory=20 * MIB)
    await ask(quiet)
    async with a.lease():
        first = machine.go(ask(big))
        await machine.house.until(lambda: big.view().remark != "")
        second = machine.go(ask(c))
        await machine.house.until(lambda: c.view().remark == "waiting for memory: big is first")
        assert quiet.state == "ready"
    await asyncio.gather(first, second)


@timeless
async def test_whoever_leaves_the_line_leaves_nothing_behind(machine: Machine) -> None:
    a, b, c = machine.add("a", "b", "c")
    async with a.lease():
        leaving = [machine.go(ask(b)) for _ in range(5)]
        await machine.house.until(lambda: b.waiting == 5)
        staying = machine.go(ask(c))
        await machine.house.until(lambda: c.waiting == 1)
        for task in leaving:
            task.cancel()
        await asyncio.wait(leaving)
        await machine.house.until(lambda: b.run is None)
    await staying
    assert machine.loads(b) == 0
    assert (b.state, b.view().remark) == ("offline", "")


@timeless
async def test_one_in_line_can_be_unloaded_or_removed(machine: Machine) -> None:
    a, b, c = machine.add("a", "b", "c")
    async with a.lease():
        asking = [machine.go(refused(slot)) for slot in (b, c)]
        await machine.house.until(lambda: c.waiting == b.waiting == 1)
        b.unload("by a person")
        del machine.configs["c"]
        machine.house.apply(machine.configs)
        assert [error.code for error in await asyncio.gather(*asking)] == ["slot.not_ready", "slot.not_ready"]
        await machine.house.until(lambda: b.run is None and "c" in machine.house.removed)
    assert await ask(a) == 1


@timeless
async def test_whoever_waits_for_longer_than_a_start_may_take_is_told_the_sum(machine: Machine) -> None:
    a, b = machine.add("a", parallel=2) + machine.add("b", start_timeout=0.5)
    async with a.lease():
        error = await refused(b)
        assert error.code == "slot.insufficient_memory"
        assert error.retry_after_seconds
        assert "10 MiB of RAM needed" in error.message
        assert "waited for a" in error.message
        await machine.until(b, "error")
        assert await ask(a) == 1  # it is not held back for nobody
    machine.change("b", start_timeout=None)
    await ask(b)


@timeless
async def test_a_person_who_loads_is_told_after_that_time_too(machine: Machine) -> None:
    a, b = machine.add("a") + machine.add("b", start_timeout=0.4)
    async with a.lease():
        b.load(by="person")
        await machine.until(b, "error")
    assert machine.house.failures == ["slot.insufficient_memory"]


@timeless
async def test_memory_that_strangers_give_back_is_noticed(machine: Machine) -> None:
    a, b = machine.add("a", "b")
    async with a.lease():
        asking = machine.go(ask(b))
        await machine.house.until(lambda: b.view().remark != "")
        machine.house.machine.total = 20 * MIB
        await asking
        assert a.state == "serving"


@timeless
async def test_a_crash_of_the_busy_one_makes_room(machine: Machine) -> None:
    a, b = machine.add("a", "b")
    async with a.lease():
        asking = machine.go(ask(b))
        await machine.house.until(lambda: b.view().remark != "")
        machine.kill(a)
        await asking
    a.load(by="retry")
    await machine.house.until(lambda: a.view().error is not None and a.view().error.code == "slot.insufficient_memory")
    assert b.state == "ready"


@timeless
async def test_one_that_dies_or_hangs_while_it_is_unloaded_makes_room_all_the_same(machine: Machine) -> None:
    a, b = machine.add("a", script=Script(stop_seconds=math.inf)) + machine.add("b")
    await ask(a)
    asking = machine.go(ask(b))
    await machine.until(a, "unloading")
    machine.kill(a)
    await asking
    await ask(a)
    await ask(b)
    assert machine.house.failures == []


@timeless
async def test_a_slot_without_reservation_starts_whatever_is_free(machine: Machine) -> None:
    a, b = machine.add("a") + machine.add("b", memory=0)
    async with a.lease():
        await ask(b)
    assert (a.state, b.state) == ("ready", "ready")


@timeless
async def test_another_memory_counts_at_once(machine: Machine) -> None:
    machine.house.machine.total = 20 * MIB
    a, b, c = machine.add("a", "b", "c")
    await ask(a)
    await ask(b)
    machine.change("a", memory=1 * MIB)
    machine.change("c", memory=9 * MIB)
    await ask(c)
    assert (a.state, b.state, c.state) == ("ready", "ready", "ready")


@timeless
async def test_two_slots_that_are_asked_for_a_minute_share_one_place(machine: Machine) -> None:
    """Nobody is refused or interrupted, both get on alike, and loads are few: at most one a turn."""
    machine.pace()
    load, stop, answer = 1.5, 0.5, 0.2  # seconds
    turn = 5 * load
    a, b = machine.add("a", "b", parallel=2, script=Script(ready_after=load, stop_seconds=stop), stop_timeout=10.0)
    served: dict[str, list[float]] = {"a": [], "b": []}  # seconds that each had to wait
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def client(slot: Slot) -> None:
        while loop.time() < began + 60:
            asked = loop.time()
            async with slot.lease() as lease:
                served[slot.name].append(loop.time() - asked)
                await asyncio.sleep(answer)
                assert not lease.run.stopping, "evicted under a request"

    await asyncio.gather(*(client(slot) for slot in (a, b) for _ in range(4)))
    lasted = loop.time() - began
    loads = machine.loads(a), machine.loads(b)
    assert abs(loads[0] - loads[1]) <= 1
    assert 4 <= sum(loads) <= lasted / turn + 1
    assert max(map(max, served.values())) <= turn + 2 * (stop + load) + 2.0, "more than a turn of the other"
    assert 0.7 <= len(served["a"]) / len(served["b"]) <= 1.4
    most = 2 * lasted / answer  # if nothing were ever loaded
    assert len(served["a"]) + len(served["b"]) >= 0.7 * most, "they do little but load"
    assert machine.house.failures == []


@timeless
async def test_slots_of_an_exclusive_group_take_turns_where_there_is_room_for_both(machine: Machine) -> None:
    machine.house.machine.total = 90 * MIB
    llm, beside = machine.add("llm", group="gpu0") + machine.add("beside")
    (pictures,) = machine.add("pictures", group="gpu0", exclusive=True)
    await ask(llm)
    await ask(beside)
    async with llm.lease():
        asking = machine.go(ask(pictures))
        await machine.house.until(lambda: pictures.view().remark != "")
        assert llm.state == "serving"
    await asking
    assert (llm.state, beside.state, pictures.state) == ("offline", "ready", "ready")
    assert "evicted for pictures: they take turns in the group gpu0" in causes(llm)


@timeless
async def test_what_was_there_comes_back_after_a_time_of_quiet(machine: Machine) -> None:
    machine.house.machine.total = 90 * MIB
    llm, other = machine.add("llm", "other", group="gpu0")
    (pictures,) = machine.add("pictures", group="gpu0", exclusive=True, restore_after=0.3)
    await ask(llm)
    async with pictures.lease():
        assert llm.state == "offline"
        await asyncio.sleep(0.4)
        assert pictures.state == "serving"
    await machine.until(llm, "ready")
    assert (pictures.state, other.state) == ("offline", "offline")
    assert "gave its group back to llm after 0.3s of quiet" in causes(pictures)
    assert "started by restore" in causes(llm)


@timeless
async def test_a_group_is_not_given_back_to_nobody(machine: Machine) -> None:
    machine.house.machine.total = 90 * MIB
    (llm,) = machine.add("llm", group="gpu0")
    (pictures,) = machine.add("pictures", group="gpu0", exclusive=True, restore_after=0.3)
    await ask(llm)
    await ask(pictures)
    assert llm.state == "offline"
    machine.change("llm", group=None)
    await ask(llm)
    await asyncio.sleep(0.6)  # twice as long as it would take to be given back
    assert (llm.state, pictures.state) == ("ready", "ready")


@timeless
async def test_nothing_comes_back_that_does_not_fit_or_came_back_by_itself(machine: Machine) -> None:
    machine.house.machine.total = 90 * MIB
    (llm,) = machine.add("llm", group="gpu0")
    (pictures,) = machine.add("pictures", group="gpu0", exclusive=True, restore_after=1.0)
    await ask(llm)
    await ask(pictures)
    await ask(llm)
    assert machine.loads(llm) == 2
    llm.unload("by a person")
    await machine.until(llm, "offline")
    await asyncio.sleep(1.3)
    assert llm.state == "offline"
    assert machine.loads(llm) == 2
