"""Anything may happen to slots, in any order and at any moment: their rules hold after every step.

A long run by hand: pytest tests/daemon/slots/test_properties.py --hypothesis-profile=long
"""

import math
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hal0.daemon.config.schema import Daemon
from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.slots.lifecycle import ANSWERING
from hal0.daemon.slots.slot import Slot
from tests.daemon.slots.town import REST_SECONDS, STOP_TIMEOUT, Client, Town
from tests.daemon.slots.town_swaps import TownSwaps
from tests.fakes.machine import GIB
from tests.fakes.scripted_process import Script, ScriptedProcess

NAMES = ("a", "b")

# How far the loop gets before the next thing happens: some turns, or all that is due.
TURNS = st.sampled_from([None, None, None, 0, 1, 2, 3, 4])
WHICH = st.integers(0, 9)
SLOTS = st.sampled_from(NAMES)
DRAINS = st.sampled_from(["wait", "grace", "now"])
PAUSES = st.sampled_from([0.01, 0.3, 1.0, 2.5, 6.0, 13.0, 31.0, 65.0, 305.0, 601.0])
SCRIPTS = st.builds(
    Script,
    listen_after=st.sampled_from([0.0, 0.0, 0.5, 60.0]),
    ready_after=st.sampled_from([0.0, 0.0, 0.5, 5.0, 60.0]),
    exit_after=st.sampled_from([float("inf")] * 4 + [0.0, 0.2, 2.0, 70.0]),
    exit_code=st.sampled_from([0, 1, -9]),
    stop_seconds=st.sampled_from([0.0, 1.0, float("inf")]),
    kill_seconds=st.sampled_from([0.0, 1.0, 30.0]),
    lies=st.sampled_from([False] * 5 + [True]),
    spawns=st.sampled_from([True] * 7 + [False]),
    met_by_stranger=st.sampled_from([False] * 7 + [True]),
)


PLAIN = SlotConfig(model="m", stop_timeout=STOP_TIMEOUT, drain_timeout=2.0, args=("x",))


class Slots(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.town = Town(Path(self.folder.name))
        self.configs: dict[str, SlotConfig] = {}
        self.revision = 0
        self.at_rest = True
        self.room_for_one = False
        self.recreated: set[str] = set()  # slots that do not have the model that a swap has left them with

    @initialize(
        scripts=st.fixed_dictionaries({name: st.one_of(st.just(Script()), SCRIPTS) for name in NAMES}),
        memory=st.sampled_from([None, 6 * GIB]),
    )
    def begin(self, scripts: dict[str, Script], memory: int | None) -> None:
        self.town.world.scripts.update(scripts)
        self.room_for_one = memory is not None
        self.configs = {name: PLAIN.model_copy(update={"memory": memory}) for name in NAMES}
        self.open_swaps()
        self.edit("a", {"parallel": 2, "queue_limit": 3}, None)
        self.edit("b", {"idle_after": 30.0, "unload_after": 60.0}, None)

    def teardown(self) -> None:
        try:
            self.town.close()
        finally:
            self.folder.cleanup()

    def open_swaps(self) -> None:
        self.swaps = TownSwaps(self.town, slots=lambda: self.configs, write=self._write_model)
        self.town.close_swaps = self.swaps.close

    def _write_model(self, name: str, model: str) -> int:
        self.configs[name] = self.configs[name].model_copy(update={"model": model})
        self._apply(0)
        return self.revision

    def go_on(self, turns: int | None) -> None:
        loop = self.town.loop
        self.at_rest = turns is None
        if turns is None:
            loop.settle()
        for _ in range(turns or 0):
            loop.turn()

    def slot(self, name: str) -> Slot | None:
        return self.town.supervisor.find(name)

    def clients(self, *, inside: bool) -> list[Client]:
        return [c for c in self.town.clients if c.inside is inside and not c.may_leave.is_set()]

    def one(self, which: int, *, inside: bool) -> Client:
        clients = self.clients(inside=inside)
        return clients[which % len(clients)]

    # Clients --------------------------------------------------------------------------------------------------------

    @rule(name=SLOTS, count=st.sampled_from([1, 1, 2, 6]), is_heard=st.booleans(), turns=TURNS)
    def ask(self, name: str, count: int, is_heard: bool, turns: int | None) -> None:
        if slot := self.slot(name):
            for _ in range(count):
                self.town.ask(slot, is_heard=is_heard)
            self.go_on(turns)

    @precondition(lambda self: self.clients(inside=True))
    @rule(which=WHICH, turns=TURNS)
    def release(self, which: int, turns: int | None) -> None:
        self.town.release(self.one(which, inside=True))
        self.go_on(turns)

    @precondition(lambda self: self.clients(inside=False))
    @rule(which=WHICH, turns=TURNS)
    def leave_while_waiting(self, which: int, turns: int | None) -> None:
        self.town.leave(self.one(which, inside=False))
        self.go_on(turns)

    @precondition(lambda self: self.clients(inside=True))
    @rule(which=WHICH, turns=TURNS)
    def cancel(self, which: int, turns: int | None) -> None:
        self.town.leave(self.one(which, inside=True))
        self.go_on(turns)

    @rule(name=SLOTS, turns=TURNS)
    def all_who_wait_leave(self, name: str, turns: int | None) -> None:
        for client in self.clients(inside=False):
            if client.slot.name == name:
                self.town.leave(client)
        self.go_on(turns)

    @rule(name=SLOTS, count=st.integers(2, 8), leaving=st.sampled_from([0.0, 0.5, 1.0, 1.0]), turns=TURNS)
    def many_meet_a_cold_slot(self, name: str, count: int, leaving: float, turns: int | None) -> None:
        slot = self.slot(name)
        if slot is None or slot.run is not None:
            return
        started = self.town.world.started(name)
        clients = [self.town.ask(slot) for _ in range(count)]
        self.go_on(turns)
        for client in clients[: int(count * leaving)]:
            self.town.leave(client)
        self.go_on(None)
        assert self.town.world.started(name) <= started + 1

    @precondition(lambda self: self.clients(inside=True) and self.clients(inside=False))
    @rule(which=WHICH, turns=st.integers(0, 3), others=TURNS)
    def one_leaves_as_his_turn_comes(self, which: int, turns: int, others: int | None) -> None:
        inside = self.one(which, inside=True)
        waiting = [client for client in self.clients(inside=False) if client.slot is inside.slot]
        self.town.release(inside)
        self.go_on(turns)
        if waiting:
            self.town.leave(waiting[0])
        self.town.ask(inside.slot)
        self.go_on(others)

    # People ---------------------------------------------------------------------------------------------------------

    @rule(name=SLOTS, turns=TURNS)
    def load(self, name: str, turns: int | None) -> None:
        if slot := self.slot(name):
            self.town.forget(slot)
            self.town.loop.do(lambda: slot.load(by="person"))
            self.go_on(turns)

    @rule(name=SLOTS, drain=DRAINS, turns=TURNS)
    def unload(self, name: str, drain: Any, turns: int | None) -> None:
        if slot := self.slot(name):
            self.town.stop(slot, lambda: slot.unload("by hand", drain=drain), patience=patience(slot, drain))
            self.go_on(turns)

    @rule(name=SLOTS, drain=DRAINS, turns=TURNS)
    def restart(self, name: str, drain: Any, turns: int | None) -> None:
        if slot := self.slot(name):
            self.town.forget(slot)
            self.town.stop(slot, lambda: slot.restart(by="person", drain=drain), patience=patience(slot, drain))
            self.go_on(turns)

    @rule(name=SLOTS, model=st.sampled_from(["m", "n"]), drain=DRAINS, turns=TURNS)
    def swap(self, name: str, model: str, drain: Any, turns: int | None) -> None:
        if slot := self.slot(name):
            self.recreated.discard(name)
            self.swaps.begin(slot, model, drain)
            self.go_on(turns)

    # Configuration --------------------------------------------------------------------------------------------------

    @rule(
        name=SLOTS,
        change=st.sampled_from(
            [
                {"idle_after": 2.0, "unload_after": 5.0},
                {"idle_after": 300.0, "unload_after": 0.0},
                {"idle_after": None, "unload_after": None},
                {"max_in_flight": 1},
                {"max_in_flight": 4},
                {"queue_limit": 0},
                {"queue_limit": 100},
                {"drain_timeout": 0.0},
                {"drain_timeout": 50.0},
                {"parallel": 3},
                {"memory": 6 * GIB},
                {"memory": 11 * GIB},
                {"memory": None},
                {"pinned": True},
                {"pinned": False},
                {"args": ("x",)},
                {"args": ("y",)},
                {"autostart": True},
                {"autostart": False},
                {"port": 8081},
                {"port": 8090},
                {"port": None},
            ]
        ),
        turns=TURNS,
    )
    def edit(self, name: str, change: dict[str, Any], turns: int | None) -> None:
        self.room_for_one &= "memory" not in change
        self.configs[name] = self.configs.get(name, PLAIN).model_copy(update=change)
        self._apply(turns)

    @rule(idle=st.sampled_from([2.0, 300.0]), unload=st.sampled_from([0.0, 0.0, 5.0]), turns=TURNS)
    def edit_defaults(self, idle: float, unload: float, turns: int | None) -> None:
        self.town.defaults = Daemon(idle_after=idle, unload_after=unload)
        self._apply(turns)

    @rule(name=SLOTS, turns=TURNS)
    def remove(self, name: str, turns: int | None) -> None:
        self.configs.pop(name, None)
        self.recreated.add(name)
        self.room_for_one = False  # it would come back without its need
        self._apply(turns)

    @rule(name=SLOTS, gone=TURNS, turns=TURNS)
    def remove_and_add_back(self, name: str, gone: int | None, turns: int | None) -> None:
        before = self.configs.pop(name, PLAIN)
        self._apply(gone)
        self.configs[name] = before
        self._apply(0)
        self.town.ask(self.town.supervisor.get(name))
        self.go_on(turns)

    def _apply(self, turns: int | None) -> None:
        self.revision += 1
        self.town.apply(self.configs, revision=self.revision)
        self.go_on(turns)

    @rule(turns=TURNS, is_there=st.booleans(), is_verified=st.booleans())
    def model_comes_or_goes(self, turns: int | None, is_there: bool, is_verified: bool) -> None:
        models = self.town.models
        models.missing = set() if is_there else {"m"}
        models.unverified = set() if is_verified else {"m"}
        self.go_on(turns)

    # Faults ---------------------------------------------------------------------------------------------------------

    @rule(name=SLOTS, script=SCRIPTS)
    def next_one_is_bad(self, name: str, script: Script) -> None:
        self.town.world.scripts[name] = script

    @rule(name=SLOTS)
    def next_one_is_good(self, name: str) -> None:
        self.town.world.scripts.pop(name, None)

    @rule(names=st.sampled_from([("a",), ("b",), NAMES]), code=st.sampled_from([0, 1, -9]), turns=TURNS)
    def crash(self, names: tuple[str, ...], code: int, turns: int | None) -> None:
        for process in [process for name in names for process in self.town.world.alive(name)]:
            self.town.loop.do(lambda process=process: process.die(code))  # type: ignore[misc]
        self.go_on(turns)

    @rule(name=SLOTS, drain=DRAINS, code=st.sampled_from([0, 1, -9]), between=TURNS, turns=TURNS)
    def crash_under_a_stop(self, name: str, drain: Any, code: int, between: int | None, turns: int | None) -> None:
        if slot := self.slot(name):
            self.town.stop(slot, lambda: slot.unload("by hand", drain=drain), patience=patience(slot, drain))
            self.go_on(between)
            for process in self.town.world.alive(name):
                self.town.loop.do(lambda process=process: process.die(code))  # type: ignore[misc]
            self.go_on(turns)

    @rule(
        are_up=st.booleans(),
        dies=st.sampled_from([None, None, *NAMES]),
        change=st.sampled_from([{}, {}, {"args": ("z",)}]),
        is_model_there=st.booleans(),
        turns=TURNS,
    )
    def the_daemon_is_restarted(
        self, are_up: bool, dies: str | None, change: dict[str, Any], is_model_there: bool, turns: int | None
    ) -> None:
        for slot in self.town.supervisor if are_up else ():
            self.load(slot.name, None)
        well = [] if change else [process for slot in self.town.supervisor for process in self.well(slot)]

        def meanwhile() -> dict[str, SlotConfig]:
            for process in self.town.world.alive(dies or ""):
                process.die(-9)
            self.configs = {name: config.model_copy(update=change) for name, config in self.configs.items()}
            self.town.models.missing = set() if is_model_there else {"m"}
            well[:] = [process for process in well if process.is_alive]
            return self.configs

        self.revision += 1
        self.town.restart(meanwhile, revision=self.revision)
        self.open_swaps()
        self.go_on(turns)
        if turns is None:
            for process in well:
                assert process.is_alive, f"{process.slot} was not taken back"
                slot = self.town.supervisor.get(process.slot)
                assert slot.state in ANSWERING, f"{slot.state} although its backend works"

    def well(self, slot: Slot) -> list[ScriptedProcess]:
        """Its process, if nothing speaks against going on with it."""
        is_up = slot.state in ANSWERING and slot.run is not None and slot.run.is_leasable
        if not is_up or slot.effect_of(slot.config, self.town.models).effect == "restart":
            return []
        return [p for p in self.town.world.alive(slot.name) if p.hung_at is None and p.script.exit_after == math.inf]

    @rule(name=SLOTS)
    def hang(self, name: str) -> None:
        for process in self.town.world.alive(name):
            process.hang()

    @rule()
    def strangers_leave(self) -> None:
        self.town.world.strangers.clear()

    # Time -----------------------------------------------------------------------------------------------------------

    @rule(seconds=PAUSES)
    def time_passes(self, seconds: float) -> None:
        self.town.loop.sleep(seconds)
        self.at_rest = True

    @rule(seconds=st.sampled_from([-1e6, -3600.0, 3600.0, 1e6]))
    def wall_clock_is_set(self, seconds: float) -> None:
        self.town.wall += seconds

    @rule()
    def everybody_gets_his_answer(self) -> None:
        for client in self.town.clients:
            self.town.release(client)
        self.town.loop.sleep(REST_SECONDS)
        self.at_rest = True
        self.town.check()
        assert not self.town.clients, f"no answer for {self.town.clients}"
        for name in NAMES:
            self.check_swap(name)

    def check_swap(self, name: str) -> None:
        """It has come to its end, and one that failed has left what was there before."""
        assert not self.swaps.watches(name), "a swap that does not end"
        assert "system.internal" not in self.swaps.refusals
        view, config = self.swaps.view_of(name), self.configs.get(name)
        if view is None or config is None or name in self.recreated or view.step not in ("done", "failed"):
            return
        assert config.model == (view.model if view.step == "done" else view.before), view

    # What holds -----------------------------------------------------------------------------------------------------

    @invariant()
    def rules_hold(self) -> None:
        self.town.check()
        if self.room_for_one:
            wanted = [p for name in NAMES for p in self.town.world.alive(name) if not p.asked_to_end]
            assert len(wanted) <= 1, "two backends where there is memory for one"
        if self.at_rest:
            self.town.check_at_rest()


def patience(slot: Slot, drain: str) -> float | None:
    return {"wait": None, "grace": slot.config.drain_timeout, "now": 0.0}[drain]


LONG = settings.get_profile("long")
SUITE = settings(LONG, max_examples=120, stateful_step_count=50, derandomize=True)
TestSlots = Slots.TestCase
TestSlots.settings = LONG if settings.default is LONG else SUITE
