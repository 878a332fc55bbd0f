"""The palette, the themes and the lock."""

from pathlib import Path

from hal0.tui.screens.home import Home
from hal0.tui.screens.palette import Command, narrow
from hal0.tui.screens.streams import StreamView
from tests.tui.live import live
from tests.tui.samples import busy_state


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
        await both.press("colon", *"theme", "down", "enter")
        assert both.dashboard.view.look.theme == "hal0-light"
        assert both.dashboard.theme == "hal0-light"
        await both.sees("slots 7")


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
