"""Ends that come at a bad moment, or do not come: on a virtual clock, with scripted processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.slots.slot import Slot
from tests.daemon.slots.town import Town
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


def test_a_slot_that_is_back_at_once_can_be_started(town: Town) -> None:
    slot = add(town)
    town.apply({}, revision=2)
    town.apply({"s": PLAIN}, revision=3)
    town.loop.settle()
    served = town.ask(slot)
    town.loop.settle()
    assert served.inside


def test_a_start_that_is_called_off_at_once_spawns_nothing(town: Town) -> None:
    slot = add(town)
    town.loop.do(lambda: slot.load(by="person"))
    town.loop.do(lambda: slot.unload("by hand"))
    town.loop.settle()
    assert town.world.started("s") == 0
    assert slot.state == "offline"
