"""The views that the number keys open."""

from pathlib import Path

import pytest

from hal0.tui.screens.config import ConfigPage
from hal0.tui.screens.devices import DeviceView
from hal0.tui.screens.home import Home
from hal0.tui.screens.streams import StreamView
from hal0.wire import TokenBatch
from tests.tui.live import live
from tests.tui.samples import NOW, busy_state, request


@pytest.mark.parametrize(("key", "screen"), [("2", DeviceView), ("3", StreamView), ("6", ConfigPage)])
async def test_a_number_opens_its_view_from_any_other_and_escape_leads_home(
    tmp_path: Path, key: str, screen: type
) -> None:
    async with live(tmp_path, busy_state()) as both:
        for before in (["1"], ["2"], ["3"], ["6"], ["e"], ["question_mark"]):
            await both.press(*before, key)
            assert isinstance(both.dashboard.screen, screen)
            assert len(both.dashboard.screen_stack) == 3, "views do not pile up"
        await both.press("escape")
        assert isinstance(both.dashboard.screen, Home)
        await both.press(key, "e", "1")
        assert isinstance(both.dashboard.screen, Home)


async def test_the_streams_view_shows_the_text_of_the_selected_request_as_it_comes(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(), (120, 36)) as both:
        await both.press("3")
        await both.sees("requests 3", "newest", "so the reducer never sees")
        await both.press("j")
        await both.sees("merge two sorted lists", "out.append(a[i]); i += 1")
        both.daemon.publish("request.started", request("9000", started_at=NOW, text="", prompt="a newer one"))
        both.daemon.publish("request.tokens", TokenBatch(id="8843", text=" and so on", tokens=103))
        await both.sees("requests 4", "#9000", "and so on")
        await both.press("f")
        await both.sees("> a newer one")


async def test_in_the_streams_view_two_presses_cancel_the_selected_request(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.press("3", "j", "ctrl+x")
        await both.sees("^x again cancels #8843 on code-m")
        await both.press("k", "ctrl+x")
        await both.daemon.wait_for_call("DELETE", "/api/requests/8843")


async def test_in_the_streams_view_tab_goes_to_the_text_and_escape_back_to_the_list(tmp_path: Path) -> None:
    text = "\n".join(f"row {number}" for number in range(100))
    async with live(tmp_path, busy_state(requests=[request("8841", text=text, tokens=100)])) as both:
        await both.press("3", "tab", "g")
        await both.sees("row 0", "lines below")
        await both.press("escape", "G")
        assert isinstance(both.dashboard.screen, StreamView)
        await both.press("escape")
        assert isinstance(both.dashboard.screen, Home)
