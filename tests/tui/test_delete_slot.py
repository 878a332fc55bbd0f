"""Deleting a slot from the configuration: only by its name, after all that goes with it was told."""

import getpass
from pathlib import Path

import pytest

from hal0.errors import Hal0Error
from hal0.tui.lines import width_of
from hal0.tui.screens.delete_slot import DeleteDialog
from hal0.tui.screens.home import Home
from hal0.tui.store import Store
from hal0.tui.widgets.loss import lines
from hal0.wire import ConfigValue
from tests.tui.live import live
from tests.tui.pictures import assert_picture
from tests.tui.samples import busy_state
from tests.tui.still import settle, showing

DELETE = ("DELETE", "/api/slots/chat-l")
FILE = "/home/ada/.config/hal0/hal0.toml"
VALUES = [
    ConfigValue(key="dispatch.chat", value='"chat-l"', origin=f"{FILE}:3"),
    ConfigValue(key="dispatch.embedding", value='"embed"', origin="default"),
    ConfigValue(key="slots.chat-l.model", value='"qwen3-30b-a3b-q4_k_m"', origin=f"{FILE}:12"),
    ConfigValue(key="slots.chat-l.context", value="32768", origin=f"{FILE}:13"),
    ConfigValue(key="slots.chat-l.parallel", value="1", origin="default"),
    ConfigValue(key="slots.code-m.fallback", value='["chat-l"]', origin=f"{FILE}:20"),
    ConfigValue(key="slots.code-m.model", value='"chat-l"', origin=f"{FILE}:21"),
]


def test_what_is_told_before_a_slot_goes() -> None:
    store = Store()
    store.load(busy_state())
    for width in (36, 72, 200):
        assert max(map(width_of, lines("chat-l", store, VALUES, width))) <= width
    text = "\n".join("".join(text for text, _ in spans) for spans in lines("chat-l", store, VALUES, 100))
    assert "It is serving: pid 4121, 12.2G of gpu0, 1.3G of RAM; that process ends." in text
    assert "1 request in flight may finish: #8841 763 tok." in text
    assert "1 request waiting for it will be told that it is gone." in text
    assert f"Its table goes, from {FILE}:" in text
    assert 'model = "qwen3-30b-a3b-q4_k_m"' in text
    assert "parallel" not in text
    assert "Named elsewhere, which must be corrected first: dispatch.chat, slots.code-m.fallback\n" in text
    assert "the way back: hal0 config rollback 41" in text
    quiet = "\n".join("".join(text for text, _ in spans) for spans in lines("draft", store, [], 100))
    assert "It is offline: no process runs." in quiet
    assert "in flight" not in quiet
    assert "one of the embedded slots" in quiet


async def test_only_the_whole_name_and_enter_delete_the_slot(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        both.daemon.values = VALUES
        await both.press("D")
        await both.sees("delete chat-l", "that process ends", "slots.code-m.fallback", "type chat-l to delete it")
        await both.press("enter", *"chat-", "enter")
        await both.sees("nothing is deleted before the slot's name is written in full")
        assert isinstance(both.dashboard.screen, DeleteDialog)
        assert "delete it" not in both.screen
        await both.press("l", "x", "enter")
        assert isinstance(both.dashboard.screen, DeleteDialog)
        await both.press("backspace")
        await both.sees("delete it")
        assert DELETE not in both.daemon.calls
        await both.press("enter")
        await both.daemon.wait_for_call(*DELETE)
        assert both.daemon.heads[DELETE]["x-hal0-by"] == f"{getpass.getuser()} (hal0-tui)"
        both.daemon.publish("slot.removed", {"name": "chat-l"})
        await both.sees("slots 6")


async def test_escape_leaves_the_slot_and_a_refusal_is_told(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.press("D", *"chat-l", "escape")
        assert isinstance(both.dashboard.screen, Home)
        both.daemon.refusals[("GET", "/api/config/values")] = Hal0Error("system.internal", reason="a test")
        both.daemon.refusals[DELETE] = Hal0Error("config.invalid", place="hal0.toml", reason="it is the last slot")
        await both.press("D")
        await both.sees("system.internal: ")
        assert DELETE not in both.daemon.calls
        await both.press(*"chat-l", "enter")
        await both.sees("config.invalid: hal0.toml: it is the last slot")
        await both.press("ctrl+g", "D")
        await both.sees("locked: delete would change something")


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (120, 36)])
async def test_pictures_of_the_question(size: tuple[int, int]) -> None:
    async with showing(busy_state(), size) as pilot:
        await pilot.press("D", *"chat")
        dialog = pilot.app.screen
        assert isinstance(dialog, DeleteDialog)
        dialog.tell(VALUES)
        await settle(pilot)
        assert_picture(pilot.app, f"delete-{size[0]}x{size[1]}")
