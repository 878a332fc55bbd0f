"""The form for a new slot: what is written in it, what the daemon says of that, and what is sent."""

import getpass
from pathlib import Path

import pytest
from textual.events import Key

from hal0.errors import Hal0Error
from hal0.tui import rooms
from hal0.tui.lines import width_of
from hal0.tui.look import UNICODE
from hal0.tui.screens.home import Home
from hal0.tui.screens.new_slot import NewSlot
from hal0.tui.slot_form import SlotForm, suggestions
from hal0.tui.store import Store
from hal0.wire import FitView, PlanView, Problem, RoomView, SlotPlan
from tests.tui.live import Live, live
from tests.tui.pictures import assert_picture
from tests.tui.samples import GIB, GPU0, MEMORY, MODELS, SLOT_PLAN, WRONG_PLAN, busy_state, slot, state
from tests.tui.still import settle, showing

PUT = ("PUT", "/api/slots/chat-2")


def form(**values: str) -> SlotForm:
    written = SlotForm(plan=SLOT_PLAN, asked_name="chat-2")
    written.values |= values
    return written


def test_what_is_written_becomes_the_keys_of_a_table_and_a_command() -> None:
    written = form(
        name="chat-2",
        model="a b.gguf",
        gpus="0, 1",
        context="4096",
        more="pinned=true idle_after=5m aliases=['x', 'y'] default_voice='a b'",
    )
    assert written.keys() == {
        "model": "a b.gguf", "gpus": [0, 1], "context": 4096, "pinned": True, "idle_after": "5m", "aliases": ["x", "y"],
        "default_voice": "a b",
    }  # fmt: skip
    assert written.command() == (
        "hal0 slot create chat-2 'a b.gguf' 'gpus=[0, 1]' context=4096 pinned=true idle_after=5m "
        "'aliases=[\"x\", \"y\"]' 'default_voice=a b'"
    )
    assert form(gpus="none").keys() == {"gpus": []}
    assert form(gpus="gpu1").keys() == {"gpus": [1]}


def test_what_cannot_be_read_goes_to_the_daemon_as_it_is() -> None:
    assert form(gpus="both", context="8k", more="pinned 'x").keys() == {
        "gpus": "both", "context": "8k", "pinned": "", "'x": "",
    }  # fmt: skip


def test_a_field_without_effect_with_the_provider_goes_and_is_not_sent() -> None:
    written = form(name="v", provider="espeak", model="x", context="4096")
    written.plan = SLOT_PLAN.model_copy(update={"keys": ["parallel", "default_voice"]})
    assert written.fields == ["name", "provider", "more"]
    assert written.keys() == {"provider": "espeak"}


def test_a_mistake_stands_at_its_field() -> None:
    def of(key: str, name: str = "chat-2") -> list[str]:
        wrong = Problem(code="config.invalid", message="no", file="f", key=key)
        return list(SlotForm(plan=SlotPlan(plan=PlanView(revision=1, problems=[wrong])), asked_name=name).problems())

    assert of("slots.chat-2.context") == ["context"]
    assert of("slots.chat-2.pined") == ["more"]
    assert of("slots.chat-2") == ["name"]
    assert of('slots."a.b"', "a.b") == ["name"]
    assert of('slots."a.b".model', "a.b") == ["model"]
    assert of("slots.other.context") == [""]
    assert of("server.port") == [""]


def test_suggestions_fit_what_is_typed_the_whole_name_first() -> None:
    store = Store()
    store.load(busy_state())
    assert [each.value for each in suggestions("model", form(model="b"), store, MODELS)] == [
        "big", "bge-m3", "qwen3-30b-a3b-q4_k_m",
    ]  # fmt: skip
    assert [each.value for each in suggestions("gpus", form(), store, [])] == ["0", "none"]
    limited = MODELS[0].model_copy(update={"context_limit": 5000})
    assert [each.value for each in suggestions("context", form(model="big"), store, [limited])] == [
        "2048", "4096", "5000",
    ]  # fmt: skip
    assert suggestions("name", form(), store, MODELS) == []


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("verdict", ["fits", "evict", "wait", "impossible"])
def test_memory_is_shown_now_and_after_and_what_is_not_known_is_not_made_up(width: int, verdict: str) -> None:
    asked = [
        RoomView(device="gpu0", need_bytes=6 * GIB, free_bytes=int(3.9 * GIB)),
        RoomView(device="gpu7", need_bytes=6 * GIB, free_bytes=9 * GIB),
        RoomView(device="memory", need_bytes=GIB),
    ]
    told = FitView.model_validate(
        {"verdict": verdict, "would_go": ["a"], "waits_for": ["b"], "reason": "r", "rooms": asked}
    )
    lines = rooms.lines(told, {"gpu0": GPU0, "memory": MEMORY}, width, UNICODE)
    assert max(map(width_of, lines)) <= width
    lines = lines[-4:]  # without the verdict
    text = ["".join(text for text, _ in spans) for spans in lines]
    assert "20.1/24G" in text[0]
    assert "26.1/24G" in text[1]
    assert [("bad" in {role for _, role in spans}) for spans in lines[:2]] == [False, True]
    assert text[2].split() == ["gpu7", "6.0G,", "9.0G", "are", "free"]
    assert text[3].split() == ["RAM", "1.0G"]


async def fill_in(both: Live) -> None:
    both.daemon.models, both.daemon.plans[""] = MODELS, SLOT_PLAN
    await both.press("n")
    assert isinstance(both.dashboard.screen, NewSlot)
    await both.sees("home › slots › new", "it fits if these are unloaded, in this order: long")


async def test_a_slot_is_written_as_the_form_says_and_selected_when_it_comes(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(), (120, 36)) as both:
        await fill_in(both)
        await both.press(*"chat-2", "enter", "enter", *"sm")
        await both.sees("512M  chat  in draft", "hal0 slot create chat-2 sm")
        await both.press("enter")
        await both.sees("hal0 slot create chat-2 small")
        await both.press("tab", *"4096")
        await both.sees("context=4096", "^n create it")
        assert PUT not in both.daemon.calls
        await both.press("ctrl+y")
        assert both.dashboard.clipboard == "hal0 slot create chat-2 small context=4096"
        await both.until(
            lambda: both.daemon.bodies.get(("POST", "/api/slots/chat-2/plan")) == {"model": "small", "context": 4096}
        )
        await both.until(lambda: "^n create it" in both.screen)
        await both.press("ctrl+n")
        await both.daemon.wait_for_call(*PUT)
        assert both.daemon.bodies[PUT] == {"model": "small", "context": 4096}
        assert both.daemon.heads[PUT]["if-none-match"] == "*"
        assert both.daemon.heads[PUT]["x-hal0-by"] == f"{getpass.getuser()} (hal0-tui)"
        await both.sees("chat-2 is in the configuration", "slots 7")
        both.daemon.publish("slot.transition", slot("chat-2", "offline"))
        await both.until(lambda: (chosen := both.dashboard.view.slot()) is not None and chosen.name == "chat-2")


async def test_the_arrows_choose_what_enter_takes_and_enter_in_the_last_field_creates(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(), (120, 36)) as both:
        await fill_in(both)
        await both.press(*"chat-2", "tab", "tab", "down", "down", "enter")
        await both.sees("hal0 slot create chat-2 big")
        await both.press("shift+tab", "ctrl+u", "down", "down", "up", "enter")
        await both.sees("hal0 slot create chat-2 bge-m3")
        await both.press("shift+tab", "shift+tab", "shift+tab", "shift+tab")  # to the last one
        await both.until(lambda: both.daemon.bodies.get(("POST", "/api/slots/chat-2/plan")) == {"model": "bge-m3"})
        await both.sees("^n create it")
        await both.press("enter")
        await both.daemon.wait_for_call(*PUT)


async def test_what_is_wrong_is_told_at_its_field_and_keeps_the_slot_from_being_written(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(), (80, 24)) as both:
        await fill_in(both)
        both.daemon.plans["chat-2"] = WRONG_PLAN
        await both.press(*"chat-2", "shift+tab", *"pined=true")
        await both.sees("✖ unknown key `pined`", "did you mean")
        assert "must be a number" not in both.screen, "nobody was in that field"
        assert "create it" not in both.screen
        await both.press("ctrl+n")
        await both.sees("✖ must be a number", "config.invalid: ", '"much"', "what is written is still wrong")
        assert PUT not in both.daemon.calls


NO_MODEL = SlotPlan(
    plan=PlanView(
        revision=41,
        problems=[Problem(code="config.missing", message="model is missing", file="hal0.toml", key="slots.new.model")],
    ),
    providers=SLOT_PLAN.providers,
    keys=SLOT_PLAN.keys,
)


async def test_a_field_is_not_called_wrong_before_one_has_come_by_it(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(), (100, 30)) as both:
        both.daemon.models, both.daemon.plans["new"] = MODELS, NO_MODEL
        await both.press("n")
        await both.sees("equivalent CLI")
        await both.press("tab", "tab")  # in the field, but not out of it yet
        await both.until(lambda: ("POST", "/api/slots/new/plan") in both.daemon.calls)
        await both.no_longer_sees("asking the daemon")
        assert "model is missing" not in both.screen
        await both.press("tab")
        await both.sees("✖ model is missing", "config.missing: model is missing")


@pytest.mark.parametrize("keys", [["ctrl+n"], ["shift+tab", "enter"]])
async def test_who_tries_to_create_the_slot_is_told_all_that_is_wrong(tmp_path: Path, keys: list[str]) -> None:
    async with live(tmp_path, busy_state(), (100, 30)) as both:
        both.daemon.models, both.daemon.plans["new"] = MODELS, NO_MODEL
        await both.press("n")
        await both.no_longer_sees("asking the daemon")
        assert "model is missing" not in both.screen
        await both.press(*keys)
        await both.sees("✖ model is missing", "the slot needs a name")
        assert not [call for call in both.daemon.calls if call[0] == "PUT"]


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_pictures_of_the_form_as_it_opens(size: tuple[int, int]) -> None:
    async with showing(busy_state(), size) as pilot:
        await pilot.press("n")
        screen = pilot.app.screen
        assert isinstance(screen, NewSlot)
        screen.tell(NO_MODEL, "new", ("", screen.form.command()))
        await settle(pilot)
        assert_picture(pilot.app, f"new-slot-empty-{size[0]}x{size[1]}")


async def test_a_refusal_of_the_daemon_stays_with_the_form(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(), (120, 36)) as both:
        await fill_in(both)
        await both.press("ctrl+n", "shift+tab", "enter")
        await both.sees("the slot needs a name")
        await both.press("tab", *"chat-2")
        await both.sees("hal0 slot create chat-2", "^n create it")
        both.daemon.refusals[PUT] = Hal0Error(
            "config.clash", place="hal0.toml", reason="there is a slot 'chat-2' already"
        )
        await both.press("ctrl+n")
        await both.sees("there is a slot 'chat-2' already")
        assert isinstance(both.dashboard.screen, NewSlot)
        both.daemon.refusals[("POST", "/api/slots/chat-22/plan")] = Hal0Error("system.internal", reason="a test")
        await both.press("2")
        await both.sees("system.internal: ")
        await both.press("escape")
        assert isinstance(both.dashboard.screen, Home)


async def test_a_locked_dashboard_has_no_form_and_an_empty_one_has(tmp_path: Path) -> None:
    async with live(tmp_path, state(), (120, 36)) as both:
        await both.press("ctrl+g", "n")
        await both.sees("locked: new would change something")
        assert isinstance(both.dashboard.screen, Home)
        await both.press("ctrl+g", "n")
        assert isinstance(both.dashboard.screen, NewSlot)


async def test_keys_that_come_together_each_go_on_by_a_field() -> None:
    async with showing(busy_state()) as pilot:
        await pilot.press("n")
        for _ in range(3):
            pilot.app.post_message(Key("tab", None))
        await settle(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, NewSlot)
        assert screen.field == "gpus"


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (120, 36), (200, 60)])
async def test_pictures_of_the_form(size: tuple[int, int]) -> None:
    async with showing(busy_state(), size) as pilot:
        await pilot.press("n")
        screen = pilot.app.screen
        assert isinstance(screen, NewSlot)
        await pilot.press(*"chat-2", "tab", "tab", *"s")
        screen.tell(SLOT_PLAN, "chat-2", ("chat-2", screen.form.command()))
        await settle(pilot)
        assert_picture(pilot.app, f"new-slot-{size[0]}x{size[1]}")
        await pilot.press("tab", "tab", *"much")
        screen.tell(WRONG_PLAN, "chat-2", ("chat-2", screen.form.command()))
        await settle(pilot)
        assert_picture(pilot.app, f"new-slot-wrong-{size[0]}x{size[1]}")
