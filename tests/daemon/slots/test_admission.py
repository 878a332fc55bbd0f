"""Who must go so that a slot fits."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal0.daemon.models.memory import Needs, SlotNeeds
from hal0.daemon.slots.admission import (
    Candidate,
    Carved,
    Evict,
    Fits,
    Holder,
    Impossible,
    Plan,
    Wait,
    carved_of,
    free_of,
    lent_to,
    need_of,
    plan,
    within,
    without,
)
from hal0.wire import DeviceView

GIB = 2**30


def slot(name: str, size: int = 4, *, taken: int | None = None, **more: object) -> Holder:
    """One that holds so many GiB of RAM."""
    held = size if taken is None else taken
    return Holder(name, {"memory": size * GIB}, {"memory": held * GIB}, **more)  # type: ignore[arg-type]


def decide(need: int, free: int, *holders: Holder) -> Plan:
    return plan(Candidate("new", {"memory": need * GIB}), {"memory": free * GIB}, holders)


def test_it_fits_where_there_is_room() -> None:
    assert decide(4, 4, slot("a")) == Fits()


def test_the_least_recently_used_goes_first() -> None:
    assert decide(4, 0, slot("a", last_used=2), slot("b", last_used=1)) == Evict(("b",))


def test_a_low_priority_goes_before_an_old_one() -> None:
    assert decide(4, 0, slot("a", last_used=1, priority=1), slot("b", last_used=2)) == Evict(("b",))


def test_an_idle_one_goes_before_one_that_was_just_used() -> None:
    assert decide(4, 0, slot("a", last_used=1), slot("b", last_used=2, priority=9, is_idle=True)) == Evict(("b",))


@pytest.mark.parametrize("why", ["is_busy", "is_starting"])
def test_one_in_use_is_never_asked_and_waited_for(why: str) -> None:
    assert decide(4, 0, slot("a", **{why: True})) == Wait(("a",))
    assert decide(4, 0, slot("a", **{why: True}), slot("b")) == Evict(("b",))


def test_one_used_a_moment_ago_keeps_its_place_in_the_order_and_is_waited_for() -> None:
    assert decide(4, 0, slot("a", is_fresh=True, last_used=2), slot("b", last_used=1)) == Evict(("b",))
    assert decide(4, 0, slot("a", is_fresh=True), slot("b", priority=1)) == Wait(("a",))


def test_of_those_in_use_whoever_had_its_turn_for_longest_is_waited_for() -> None:
    holders = (slot("a", is_busy=True, ready_since=2), slot("b", is_busy=True, ready_since=1))
    assert decide(4, 0, *holders) == Wait(("b",))
    assert decide(4, 0, *holders, slot("c", is_starting=True)) == Wait(("b",))


def test_nobody_goes_while_others_must_be_waited_for() -> None:
    assert decide(8, 0, slot("a"), slot("b", is_busy=True)) == Wait(("b",))


def test_a_pinned_one_is_never_asked_and_named_in_the_sum() -> None:
    decision = decide(4, 0, slot("a", pinned=True), slot("b", 1))
    assert isinstance(decision, Impossible)
    error = decision.error("new")
    assert (error.code, error.status, error.retry_after_seconds) == ("slot.insufficient_memory", 507, None)
    assert "4.0 GiB of RAM needed, 0 MiB free, 1.0 GiB held by slots that could go" in error.message
    assert "4.0 GiB by a, pinned" in error.message
    assert error.details["sums"][0] == {
        "device": "memory",
        "need_bytes": 4 * GIB,
        "free_bytes": 0,
        "reserved_bytes": 0,
        "evictable_bytes": GIB,
        "held_bytes": 4 * GIB,
        "held_by": ["a"],
    }


def test_whoever_has_waited_for_long_enough_is_told_the_sum_and_when_to_ask_again() -> None:
    decision = decide(4, 1, slot("a", is_busy=True))
    assert isinstance(decision, Wait)
    error = decision.error("new", retry_after_seconds=5)
    assert (error.code, error.retry_after_seconds) == ("slot.insufficient_memory", 5)
    assert "4.0 GiB of RAM needed, 1.0 GiB free" in error.message
    assert "waited for a" in error.message


def unasked(need: int, free: int, *holders: Holder, group: str | None = None) -> Plan:
    """Of a start that nobody waits for."""
    candidate = Candidate("new", {"memory": need * GIB}, may_evict=False, group=group, exclusive=group is not None)
    return plan(candidate, {"memory": free * GIB}, holders)


def test_a_start_that_nobody_waits_for_takes_only_what_is_free_or_comes_back() -> None:
    assert unasked(4, 4, slot("a")) == Fits()
    assert unasked(4, 0, slot("a", is_leaving=True)) == Wait(("a",))
    for holder in (slot("a"), slot("a", is_busy=True)):
        decision = unasked(4, 0, holder)
        assert isinstance(decision, Impossible)
        assert "nobody waits for" in decision.error("new").message
    blocked = unasked(1, 9, slot("a", group="g"), group="g")
    assert isinstance(blocked, Impossible)
    assert "a of its exclusive group is running" in blocked.error("new").message


def test_nobody_goes_when_it_would_not_be_enough() -> None:
    assert isinstance(decide(9, 0, slot("a"), slot("b")), Impossible)


def test_what_a_starting_slot_will_take_is_not_free() -> None:
    assert decide(4, 6, slot("a", 4, taken=1, is_starting=True)) == Wait(("a",))
    assert decide(3, 6, slot("a", 4, taken=1, is_starting=True)) == Fits()


def test_one_that_took_more_than_it_was_promised_gives_all_of_it_back() -> None:
    assert decide(6, 0, slot("a", 4, taken=6)) == Evict(("a",))


def test_room_that_comes_back_by_itself_is_waited_for() -> None:
    assert decide(4, 0, slot("a", is_leaving=True), slot("b")) == Wait(("a",))


def test_a_slot_does_not_stand_in_its_own_way() -> None:
    assert decide(4, 4, slot("new", 4, taken=0, is_starting=True)) == Fits()


def test_who_holds_nothing_of_the_device_that_is_short_stays() -> None:
    holders = (
        Holder("a", {"memory": 4, "gpu0": 0}, {"memory": 4}, last_used=1),
        Holder("b", {"gpu0": 8}, {"gpu0": 8}, last_used=2),
    )
    assert plan(Candidate("new", {"memory": 1, "gpu0": 8}), {"memory": 2, "gpu0": 0}, holders) == Evict(("b",))


def test_a_device_that_does_not_tell_limits_nothing() -> None:
    assert plan(Candidate("new", {"memory": 1, "gpu0": 8}), {"memory": 2}, ()) == Fits()


def in_group(name: str, **more: object) -> Holder:
    return slot(name, 1, group="g", **more)  # type: ignore[arg-type]


def of_group(need: int, free: int, *holders: Holder, exclusive: bool = True) -> Plan:
    candidate = Candidate("new", {"memory": need * GIB}, group="g", exclusive=exclusive)
    return plan(candidate, {"memory": free * GIB}, holders)


def test_an_exclusive_slot_takes_turns_with_its_group_even_where_there_is_room() -> None:
    assert of_group(1, 9, in_group("a"), slot("b")) == Evict(("a",))
    assert of_group(1, 9, in_group("a", exclusive=True), exclusive=False) == Evict(("a",))


def test_slots_of_a_group_without_an_exclusive_one_run_side_by_side() -> None:
    assert of_group(1, 9, in_group("a"), exclusive=False) == Fits()


def test_a_busy_one_of_the_group_is_waited_for_and_a_pinned_one_is_not() -> None:
    assert of_group(1, 9, in_group("a", is_busy=True)) == Wait(("a",))
    decision = of_group(1, 9, in_group("a", pinned=True))
    assert isinstance(decision, Impossible)
    assert "a of its exclusive group is pinned" in decision.error("new").message


holders = st.builds(
    Holder,
    name=st.just(""),
    reserved=st.fixed_dictionaries({"memory": st.integers(0, 20)}),
    taken=st.fixed_dictionaries({"memory": st.integers(0, 20)}),
    is_busy=st.booleans(),
    is_starting=st.booleans(),
    is_leaving=st.booleans(),
    is_fresh=st.booleans(),
    is_idle=st.booleans(),
    pinned=st.booleans(),
    priority=st.integers(-2, 2),
    last_used=st.floats(0, 5),
    ready_since=st.floats(0, 5),
    group=st.sampled_from([None, "g", "h"]),
    exclusive=st.booleans(),
)
candidates = st.builds(
    Candidate,
    name=st.just("new"),
    need=st.fixed_dictionaries({"memory": st.integers(0, 60)}),
    may_evict=st.booleans(),
    group=st.sampled_from([None, "g", "h"]),
    exclusive=st.booleans(),
)
machines = st.lists(holders, max_size=6).map(
    lambda found: [replace(holder, name=f"s{index}") for index, holder in enumerate(found)]
)


def left_after(free: int, everyone: list[Holder], gone: Mapping[str, Holder]) -> int:
    """What is really free once these have gone and everybody else has taken what was promised."""
    back = sum(holder.taken["memory"] for holder in gone.values())
    promised = sum(max(0, h.reserved["memory"] - h.taken["memory"]) for h in everyone if h.name not in gone)
    return free + back - promised


@settings(max_examples=400)
@given(candidates, st.integers(0, 40), machines)
def test_whatever_comes_nobody_goes_in_vain_and_nobody_who_must_stay(
    candidate: Candidate, free: int, everyone: list[Holder]
) -> None:
    decision = plan(candidate, {"memory": free}, everyone)
    need = candidate.need["memory"]
    leaving = {h.name: h for h in everyone if h.is_leaving}
    by_name = {h.name: h for h in everyone}
    rivals = {
        h.name: h
        for h in everyone
        if candidate.group and h.group == candidate.group and (candidate.exclusive or h.exclusive)
    }
    # One that took more than it was promised gives back what it took; one that took less frees its promise.
    if isinstance(decision, Fits):
        assert left_after(free, everyone, {}) >= need or need == 0
        assert not rivals
    elif isinstance(decision, Evict):
        assert candidate.may_evict
        gone = {name: by_name[name] for name in decision.order}
        assert all(h.may_go for h in gone.values())
        assert rivals.keys() <= gone.keys()
        assert left_after(free, everyone, gone | leaving) >= need
        chosen = [name for name in decision.order if name not in rivals]
        if chosen:  # one less would not do
            fewer = {name: holder for name, holder in gone.items() if name != chosen[-1]}
            assert left_after(free, everyone, fewer | leaving) < need
        keys = [(not by_name[n].is_idle, by_name[n].priority, by_name[n].last_used) for n in chosen]
        assert keys == sorted(keys)
    elif isinstance(decision, Wait):
        assert decision.on
        assert all(not by_name[name].may_go and (name in leaving or not by_name[name].pinned) for name in decision.on)
        assert candidate.may_evict or set(decision.on) <= leaving.keys()
    elif not decision.blocked_by:
        able = {h.name: h for h in everyone if not h.pinned} if candidate.may_evict else {}
        assert left_after(free, everyone, able | leaving) < need
    else:
        assert all(by_name[name].pinned or not candidate.may_evict for name in decision.blocked_by)


def test_needs_are_spread_over_the_gpus_with_a_margin() -> None:
    needs = SlotNeeds(Needs(weights_bytes=100, uncertainty=0.1), Needs(weights_bytes=1000, uncertainty=0.2))
    assert need_of(needs, ("gpu0", "gpu1")) == {"memory": 105, "gpu0": 550, "gpu1": 550}
    assert need_of(needs, ()) == {"memory": 105}


def test_what_a_person_says_wins_over_the_estimate() -> None:
    needs = SlotNeeds(Needs(weights_bytes=100), Needs(weights_bytes=1000))
    assert need_of(needs, ("gpu0", "gpu1"), wanted=7) == {"memory": 100, "gpu0": 4, "gpu1": 4}
    assert need_of(SlotNeeds(Needs(weights_bytes=100)), ("gpu0",), wanted=7) == {"memory": 7}
    assert need_of(needs, ("gpu0",), wanted=0) == {}
    assert need_of(None, ("gpu0",), wanted=7) == {"gpu0": 7}
    assert need_of(None, (), wanted=7) == {"memory": 7}
    assert need_of(None, ("gpu0",)) == {}


def test_some_memory_stays_free_and_slots_together_take_no_more_than_their_limit() -> None:
    holders = (slot("a", 4, taken=1), slot("b", 2))
    free = {"memory": 9 * GIB, "gpu0": 5}
    assert within(free, holders, reserve=GIB, limit=None) == {"memory": 8 * GIB, "gpu0": 5}
    assert within(free, holders, reserve=0, limit=7 * GIB) == {"memory": 4 * GIB, "gpu0": 5}
    assert within({}, holders, reserve=GIB, limit=GIB) == {"memory": 0}
    assert within({}, holders, reserve=GIB, limit=None) == {}


MIB = 2**20
SMALL = {"gpu0": Carved(512 * MIB)}  # a Strix Halo that lends its GPU up to 96 GiB
LARGE = {"gpu0": Carved(96 * GIB)}  # one whose GPU has 96 GiB of 128 for itself
INTEL = {"gpu0": Carved(0)}


def sharing(
    carved: Mapping[str, Carved], need: Mapping[str, int], *holders: Holder, ram: float, gpu: float | None
) -> Plan:
    """`need` and what is free in GiB."""
    free = {"memory": int(ram * GIB)} | ({} if gpu is None else {"gpu0": int(gpu * GIB)})
    left = within(free, holders, reserve=0, limit=None, carved=carved)
    return plan(Candidate("new", {pool: size * GIB for pool, size in need.items()}), left, holders)


@pytest.mark.parametrize(
    ("carved", "need", "promised", "ram", "gpu", "fits"),
    [
        (SMALL, {"gpu0": 60}, 50, 100, 96.5, False),  # each has room, and both have not
        (SMALL, {"gpu0": 60}, 40, 100, 96.5, True),
        (SMALL, {"gpu0": 60, "memory": 1}, 40, 100, 96.5, False),
        (SMALL, {"memory": 60}, 0, 100, 96.5, True),
        (SMALL, {"gpu0": 97}, 0, 120, 96.5, False),  # it may not have all of RAM
        (LARGE, {"gpu0": 90}, 28, 28, 112, True),  # what it has for itself is no RAM
        (LARGE, {"gpu0": 100}, 24, 28, 112, True),
        (LARGE, {"gpu0": 100}, 25, 28, 112, False),
        (LARGE, {"memory": 40}, 0, 28, 112, False),  # and the processor cannot have it
        (INTEL, {"gpu0": 6}, 4, 10, None, True),
        (INTEL, {"gpu0": 7}, 4, 10, None, False),
        ({}, {"gpu0": 24}, 50, 50, 24, True),  # a card with memory of its own
    ],
)
def test_what_a_gpu_that_shares_ram_takes_beyond_its_own_is_taken_from_ram(
    carved: Mapping[str, Carved], need: Mapping[str, int], promised: int, ram: float, gpu: float | None, fits: bool
) -> None:
    pinned = slot("a", promised, taken=0, pinned=True)
    decision = sharing(carved, need, pinned, ram=ram, gpu=gpu)
    assert isinstance(decision, Fits if fits else Impossible)


def test_two_models_on_such_a_gpu_promise_its_own_memory_once() -> None:
    first = Holder("a", {"gpu0": 60 * GIB}, is_starting=True)
    assert sharing(LARGE, {"gpu0": 46}, first, ram=10, gpu=112) == Fits()
    assert sharing(LARGE, {"gpu0": 47}, first, ram=10, gpu=112) == Wait(("a",))


def test_a_slot_of_such_a_gpu_goes_for_one_of_the_processor_if_it_gives_back_ram() -> None:
    taken = {"gpu0": 90 * GIB}

    def holder(carved: Mapping[str, Carved]) -> Holder:
        return Holder("a", taken, taken, lent=lent_to(taken, carved))

    small, large = {"gpu0": Carved(512 * MIB, 200 * MIB)}, {"gpu0": Carved(96 * GIB, 90 * GIB)}
    assert sharing(small, {"memory": 60}, holder(small), ram=10, gpu=6) == Evict(("a",))
    assert isinstance(sharing(large, {"memory": 40}, holder(large), ram=28, gpu=22), Impossible)
    assert without(large, taken) == LARGE
    assert without(small, taken) == SMALL


def test_the_sum_names_both_and_the_limit_of_slots_counts_what_a_gpu_took_of_ram() -> None:
    decision = sharing(SMALL, {"gpu0": 60}, slot("a", 50, taken=0, pinned=True), ram=100, gpu=96.5)
    assert isinstance(decision, Impossible)
    assert "60.0 GiB of RAM and gpu0 together needed, 100.5 GiB free" in decision.error("new").message
    holder = Holder("a", {}, {"gpu0": 8 * GIB}, lent=8 * GIB)
    assert within({"memory": 90 * GIB}, [holder], reserve=0, limit=10 * GIB)["memory"] == 2 * GIB


def test_devices_tell_what_was_carved_out_for_those_that_share() -> None:
    apu = DeviceView(id="gpu0", kind="gpu", name="APU", unified=True, carved_total_bytes=512 * MIB)
    unknown = DeviceView(id="gpu2", kind="gpu", name="APU", unified=True)
    card = DeviceView(id="gpu1", kind="gpu", name="Card", memory_total_bytes=GIB)
    assert carved_of([apu, card, unknown]) == SMALL
    assert carved_of([apu.model_copy(update={"carved_used_bytes": 5})]) == {"gpu0": Carved(512 * MIB, 5)}


def test_what_is_free_is_what_devices_say_and_a_better_figure_for_ram_wins() -> None:
    devices = [
        DeviceView(id="cpu", kind="cpu", name="CPU"),
        DeviceView(id="memory", kind="memory", name="RAM", memory_used_bytes=6, memory_total_bytes=16),
        DeviceView(id="gpu0", kind="gpu", name="GPU", memory_used_bytes=1, memory_total_bytes=24),
        DeviceView(id="gpu1", kind="gpu", name="lost"),
    ]
    assert free_of(devices) == {"memory": 10, "gpu0": 23}
    assert free_of(devices, memory_bytes=4) == {"memory": 4, "gpu0": 23}
