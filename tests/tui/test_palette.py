"""The palette, the themes and the lock."""

from pathlib import Path

from hal0.tui.commands import commands
from hal0.tui.screens.home import Home
from hal0.tui.screens.logs import LogView
from hal0.tui.screens.palette import Command, Palette, narrow
from hal0.tui.screens.streams import StreamView
from hal0.tui.store import Store
from tests.tui.live import live
from tests.tui.samples import MODELS, busy_state


def names(typed: str, *words: str) -> list[str]:
    commands = [Command(each, "does it", lambda: None) for each in words]
    return [each.words for each in narrow(commands, typed)]


def test_what_begins_so_comes_before_what_has_the_words_and_that_before_letters_in_order() -> None:
    assert names("re", "pre", "restart", "ruler e") == ["restart", "pre", "ruler e"]
    assert names("slot chat", "slot code", "slot chat-l") == ["slot chat-l"]
    assert names("zz", "restart") == []
    assert names("", "b", "a") == ["b", "a"]


async def test_a_command_is_found_by_its_letters_and_done(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.press("colon")
        await both.sees("commands", "what to do")
        await both.press(*"streams", "enter")
        assert isinstance(both.dashboard.screen, StreamView)
        await both.press("ctrl+p", *"slot dra", "tab")
        await both.sees("slot draft")
        await both.press("enter")
        assert isinstance(both.dashboard.screen, Home)
        current = both.dashboard.view.slot()
        assert current is not None
        assert current.name == "draft"
        await both.press("colon", *"load", "enter")
        await both.daemon.wait_for_call("POST", "/api/slots/draft/load")
        await both.press("colon", "escape")
        assert isinstance(both.dashboard.screen, Home)


async def test_the_arrows_choose_in_the_palette(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.press("colon", *"theme", "down", "down", "up", "enter")
        assert both.dashboard.view.look.theme == "hal0-light"
        assert both.dashboard.theme == "hal0-light"
        await both.sees("slots 7")


def said(typed: str, *, locked: bool = False) -> list[str]:
    store = Store()
    store.load(busy_state())
    return [each.words for each in commands(typed, store, MODELS, locked=locked)]


def test_a_verb_is_said_of_every_slot_and_a_swap_also_with_a_model() -> None:
    assert "load draft" in said("lo")
    assert "log draft" in said("lo")
    assert "unload draft" not in said("lo")
    assert said("draft") == []
    assert said("") == []
    assert "chat embed" not in said("chat")
    assert [words for words in said("swap chat-l") if words.startswith("swap chat-l")] == [
        "swap chat-l", "swap chat-l big", "swap chat-l small",
    ]  # fmt: skip
    assert "swap chat-l big" not in said("swap")
    assert said("lo", locked=True) == [f"log {name}" for name in SLOTS]


SLOTS = ["chat-l", "code-m", "embed", "vision", "long", "draft", "rerank"]


async def test_what_is_done_here_comes_first_then_views_slots_and_themes(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(), (120, 36)) as both:
        await both.press("colon")
        palette = both.dashboard.screen
        assert isinstance(palette, Palette)
        words = [each.words for each in narrow(palette.commands._commands, "")]
        assert words[0] == "load"
        order = [words.index(each) for each in ("load", "quit", "logs", "slot chat-l", "theme hal0-light")]
        assert order == sorted(order)


async def test_a_verb_is_done_to_the_slot_that_is_named_whatever_is_selected_or_marked(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        both.daemon.models = MODELS
        await both.press("space", "space", "slash", *"chat", "enter")
        await both.press("5", "colon", *"load dra")
        await both.sees("load draft")
        await both.press("tab", "enter")
        await both.daemon.wait_for_call("POST", "/api/slots/draft/load")
        assert isinstance(both.dashboard.screen, LogView), "one stays where one is"
        assert {call for call in both.daemon.calls if call[1].endswith("load")} == {("POST", "/api/slots/draft/load")}
        await both.press("colon", *"swap draft")
        await both.sees("swap draft big", "give draft this model")
        await both.press(*" big", "enter")
        await both.daemon.wait_for_call("POST", "/api/slots/draft/swap")
        assert both.daemon.bodies[("POST", "/api/slots/draft/swap")] == {"model": "big"}
        await both.press("colon", *"unload chat-l", "enter")
        await both.sees("unload chat-l", "let them finish")
        await both.press("escape", "colon", *"theme ansi", "enter")
        assert both.dashboard.view.look.theme == "ansi"


async def test_while_the_dashboard_is_locked_no_key_changes_anything(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(), (200, 60)) as both:
        await both.sees("l load")
        await both.press("ctrl+g")
        await both.sees("READ ONLY", "locked: nothing is changed from here")
        await both.press("l", "u", "r", "s", "P", "ctrl+x", "ctrl+x")
        await both.press("colon", *"unload")
        await both.sees("nothing is called so")
        await both.press("escape", "ctrl+g")
        assert not [call for call in both.daemon.calls if call[0] != "GET"]
        await both.press("l")
        await both.daemon.wait_for_call("POST", "/api/slots/chat-l/load")
