"""Ends that come at a bad moment, again and again, or not at all: on a virtual clock, with scripted processes."""

import dataclasses
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.slots.slot import Slot
from hal0.errors import Hal0Error
from tests.daemon.slots.town import Town
from tests.fakes.machine import GIB
from tests.fakes.scripted_process import Script

PLAIN = SlotConfig(model="m", stop_timeout=10.0, drain_timeout=2.0)
STUCK = Script(stop_seconds=float("inf"), kill_seconds=100.0)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    built = Town(tmp_path)
    yield built
    built.close()


def add(town: Town, script: Script | None = None) -> Slot:
    if script:
        town.world.scripts["s"] = script
    town.apply({"s": PLAIN}, revision=1)
    return town.supervisor.get("s")


def stopped(town: Town, slot: Slot) -> None:
    """Loaded, and asked to stop as long ago as that may take."""
    town.loop.do(lambda: slot.load(by="person"))
    town.loop.settle()
    assert slot.state == "ready"
    town.loop.do(lambda: slot.unload("by hand"))
    town.loop.sleep(20.0)


def test_a_wanted_stop_that_fails_is_no_crash_and_starts_nothing(town: Town) -> None:
    slot = add(town, STUCK)
    stopped(town, slot)
    view = town.loop.do(slot.view)
    assert (view.state, view.failures, view.retry_at) == ("error", 0, None)
    assert view.error is not None
    assert view.error.code == "slot.stop_timeout"
    town.loop.sleep(60.0)
    assert town.world.started("s") == 1


def test_what_survives_sigkill_keeps_its_slot_from_starting_another(town: Town) -> None:
    slot = add(town, STUCK)
    stopped(town, slot)
    refused = town.ask(slot)
    town.loop.settle()
    assert refused.answer == "slot.stop_timeout"
    assert town.loop.do(lambda: slot.unload("by hand")) is None
    assert slot.state == "error", "it would say that no process is left"
    town.world.scripts.clear()
    town.loop.sleep(100.0)
    served = town.ask(slot)
    town.loop.settle()
    assert served.inside
    assert town.world.most_at_once == {"s": 1}


def test_a_stop_that_comes_while_a_failed_start_is_ended_does_not_hide_what_survives(town: Town) -> None:
    slot = add(town, dataclasses.replace(STUCK, lies=True))
    town.loop.do(lambda: slot.load(by="person"))
    town.loop.sleep(5.0)  # found unfit, asked to end
    town.loop.do(lambda: slot.unload("by hand"))
    town.loop.sleep(15.0)
    view = town.loop.do(slot.view)
    assert view.error is not None
    assert (view.state, view.error.code) == ("error", "slot.stop_timeout")
    refused = town.ask(slot)
    town.loop.settle()
    assert refused.answer == "slot.stop_timeout"


def test_a_stop_that_comes_while_a_failed_run_is_ended_hides_nothing_of_its_failure(town: Town) -> None:
    slot = add(town, Script(kill_seconds=0.3))
    town.ask(slot)
    town.loop.settle()
    run = slot.run
    assert run is not None
    town.world.alive("s")[0].hang()
    while not run.failing:
        town.loop.sleep(0.1)
    town.loop.do(lambda: slot.unload("by hand", drain="now"))
    told = town.loop.run(run.failure("the connection broke", slot="s"))
    town.loop.sleep(10.0)
    (bundle,) = town.supervisor.crashes.all()
    assert (bundle.error.code, bundle.requests) == ("slot.health_failed", ["r"])
    assert (told.code, told.details["crash"]) == ("slot.health_failed", bundle.id)
    ended = [(entry.state, entry.crash) for entry in slot.journal.entries()[-3:]]
    assert ended == [("unloading", ""), ("error", bundle.id), ("offline", "")]
    assert (slot.state, town.world.started("s")) == ("offline", 1)


def test_those_who_leave_a_start_that_has_failed_do_not_keep_it_from_being_counted(town: Town) -> None:
    slot = add(town, Script(lies=True, stop_seconds=1.0))
    waiter = town.ask(slot)
    town.loop.sleep(0.5)
    assert slot.run is not None
    assert slot.run.failing
    town.leave(waiter)
    town.loop.sleep(1.0)
    assert (slot.state, town.loop.do(slot.view).failures) == ("error", 1)


def test_a_removed_slot_keeps_its_name_until_what_survives_sigkill_has_gone(town: Town) -> None:
    slot = add(town, STUCK)
    stopped(town, slot)
    town.apply({}, revision=2)
    town.loop.settle()
    assert town.supervisor.all() == [slot]
    town.loop.sleep(100.0)
    assert town.supervisor.all() == []


def test_requests_in_line_for_a_removed_slot_are_told_so_and_start_nothing(town: Town) -> None:
    slot = add(town)
    inside, in_line = town.ask(slot), town.ask(slot)
    town.loop.settle()
    town.apply({}, revision=2)
    town.loop.settle()
    town.release(inside)
    town.loop.sleep(1.0)
    assert (inside.answer, in_line.answer) == ("served", "slot.not_found")
    assert town.world.started("s") == 1


def test_a_removed_slot_that_still_ends_is_not_started_again(town: Town) -> None:
    slot = add(town)
    inside = town.ask(slot)
    town.loop.settle()
    town.apply({}, revision=2)
    for deed in (slot.load, slot.restart):
        with pytest.raises(Hal0Error) as caught:
            town.loop.do(lambda deed=deed: deed(by="a swap that was just written"))  # type: ignore[misc]
        assert caught.value.code == "slot.not_found"
    in_line = town.ask(slot)
    town.release(inside)
    town.loop.settle()
    assert (in_line.answer, town.world.started("s")) == ("slot.not_found", 1)


def test_a_slot_that_is_back_at_once_can_be_started(town: Town) -> None:
    slot = add(town)
    town.apply({}, revision=2)
    town.apply({"s": PLAIN}, revision=3)
    town.loop.settle()
    served = town.ask(slot)
    town.loop.settle()
    assert served.inside


@pytest.mark.parametrize("memory", [None, 6 * GIB])
def test_a_start_that_is_called_off_at_any_moment_spawns_nothing_from_then_on(town: Town, memory: int | None) -> None:
    for turns in range(15):
        town.apply({f"s{turns}": PLAIN.model_copy(update={"memory": memory})}, revision=turns)
        slot = town.supervisor.get(f"s{turns}")
        town.loop.do(lambda slot=slot: slot.load(by="person"))  # type: ignore[misc]
        for _ in range(turns):
            town.loop.turn()
        started = town.world.started(slot.name)
        town.loop.do(lambda slot=slot: slot.unload("by hand"))  # type: ignore[misc]
        town.loop.sleep(1.0)
        assert town.world.started(slot.name) == started, f"after {turns} turns of the loop"
        assert slot.state == "offline"
    assert started == 1, "it was never let come so far"


def test_a_backend_that_dies_after_two_seconds_for_ever_is_parked_and_costs_next_to_nothing(town: Town) -> None:
    slot = add(town, Script(exit_after=2.0))
    town.loop.do(lambda: slot.load(by="person"))
    town.loop.sleep(60.0)  # 1 + 2 + 4 + 8 seconds of pauses, and five times the two
    view = town.loop.do(slot.view)
    assert (view.state, view.failures, view.parked) == ("error", 5, True)
    assert town.world.started("s") == 5
    refused = town.ask(slot)
    town.loop.settle()
    assert refused.answer == "slot.crash_looping"
    turns = town.loop.turns
    town.loop.sleep(500.0)
    assert town.loop.turns - turns < 10, "a parked slot keeps the loop busy"
    town.loop.sleep(3600.0)
    assert town.world.started("s") == 5 + 6  # one try in ten minutes
    town.loop.do(lambda: slot.load(by="person"))
    town.loop.settle()
    assert slot.state == "ready"


def test_an_edit_resets_a_parked_slot(town: Town) -> None:
    slot = add(town, Script(exit_after=0.0))
    town.loop.do(lambda: slot.load(by="person"))
    town.loop.sleep(60.0)
    assert town.loop.do(slot.view).parked
    town.world.scripts.clear()
    town.apply({"s": PLAIN.model_copy(update={"args": ("better",)})}, revision=2)
    town.loop.settle()
    assert (slot.state, town.loop.do(slot.view).failures) == ("ready", 0)


def test_a_kill_before_it_is_ready_is_a_crash_like_any_other(town: Town) -> None:
    slot = add(town, Script(listen_after=1.0, ready_after=5.0))
    for seconds, state in ((0.5, "starting"), (3.0, "warming")):
        waiter = town.ask(slot)
        town.loop.sleep(seconds)
        assert slot.state == state
        town.loop.do(lambda: town.world.alive("s")[0].die(-signal.SIGKILL))
        town.loop.settle()
        assert waiter.answer == "slot.load_failed"
        assert slot.state == "error"
        town.loop.do(lambda: slot.unload("by hand"))
        town.loop.settle()


def test_a_backend_whose_answer_moves_is_not_asked_for_its_health(town: Town) -> None:
    slot = add(town)
    client = town.ask(slot, is_heard=True)
    town.loop.settle()
    town.world.alive("s")[0].hang()
    town.loop.sleep(600.0)
    assert (slot.state, client.inside) == ("serving", True)
    town.release(client)
    town.loop.sleep(20.0)
    assert client.answer == "served"
    view = town.loop.do(slot.view)
    assert view.run == 2
    (bundle,) = town.supervisor.crashes.all()
    assert bundle.error.code == "slot.health_failed"


def test_a_clock_that_is_set_neither_unloads_nor_retries_anything(town: Town) -> None:
    slot = add(town)
    town.apply({"s": PLAIN.model_copy(update={"idle_after": 10.0, "unload_after": 100.0})}, revision=2)
    town.loop.do(lambda: slot.load(by="person"))
    town.loop.sleep(20.0)
    for seconds in (1e7, -2e7):
        town.wall += seconds
        town.loop.sleep(20.0)
        view = town.loop.do(slot.view)
        assert view.state == "idle"
        assert view.unload_at is not None
        assert 0 < view.unload_at - (town.wall + town.loop.now) < 100
    town.loop.sleep(60.0)
    assert slot.state == "offline"
    town.world.scripts["s"] = Script(exit_after=0.0)
    town.loop.do(lambda: slot.load(by="person"))
    town.loop.sleep(10.0)  # after 1, 2 and 4 seconds; the next try comes 8 later
    started = town.world.started("s")
    town.wall += 1e7
    town.loop.sleep(1.0)
    assert town.world.started("s") == started
    town.wall -= 2e7
    town.loop.sleep(8.0)
    assert town.world.started("s") == started + 1
