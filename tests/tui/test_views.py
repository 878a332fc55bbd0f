"""The views that the number keys open."""

import json
from pathlib import Path

import pytest

from hal0.errors import Hal0Error
from hal0.tui.screens.config import ConfigPage
from hal0.tui.screens.devices import DeviceView
from hal0.tui.screens.events import EventView
from hal0.tui.screens.home import Home
from hal0.tui.screens.logs import LogView
from hal0.tui.screens.streams import StreamView
from hal0.wire import ErrorRecord, ErrorView, TokenBatch
from tests.tui.live import live
from tests.tui.samples import NOW, busy_state, rejected_config, request


@pytest.mark.parametrize(
    ("key", "screen"), [("2", DeviceView), ("3", StreamView), ("4", EventView), ("5", LogView), ("6", ConfigPage)]
)
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


async def test_the_events_view_tells_what_happens_and_opens_what_it_is_about(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(), (120, 36)) as both:
        await both.press("4")
        await both.sees("dispatch.context_exceeded", "slot.load_failed ×3")
        both.daemon.change_slot("draft", state="starting", since=NOW)
        both.daemon.change_slot("draft", state="warming", since=NOW)
        both.daemon.change_slot("draft", state="ready", since=NOW, load_ms=2_100.0)
        both.daemon.change_slot("draft", state="serving", since=NOW)
        both.daemon.publish("config.rejected", rejected_config())
        done = request("8841", "chat-l", phase="finished", outcome="ok", finished_at=NOW, tokens=800)
        both.daemon.publish("request.finished", done)
        await both.sees("warming to ready, loaded in 2.10s", "rejected, r1 stays", "chat/completions ok after 12.4s")
        assert "ready to serving" not in both.screen
        await both.press("enter")
        assert isinstance(both.dashboard.screen, StreamView)
        await both.sees("so the reducer never sees")
        await both.press("4", "j", "enter")
        await both.sees("config.unknown_key", "contxt = 8192")
        await both.press("escape", "G", "enter")
        await both.sees("dispatch.context_exceeded", "40121 tokens")


async def test_failures_of_one_code_and_slot_are_one_event_and_the_selected_one_is_told_in_full(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(), (80, 24)) as both:
        await both.press("4")
        await both.sees("events 2", "×3  first 12:29:02  last 12:30:49", "/srv/models/bge-reranker-v3-m3.gguf")
        record = both.daemon.state.errors[0]
        both.daemon.publish("error", record.model_copy(update={"last_at": NOW, "count": 4}))
        other = ErrorView(code="dispatch.queue_full", message="no room for one more request on chat-l")
        both.daemon.publish("error", ErrorRecord(id=3, error=other, slot="chat-l", first_at=NOW, last_at=NOW))
        await both.sees("events 3", "slot.load_failed ×4", "no room for one more")
        assert "×3" not in both.screen
        await both.press("j")
        await both.sees("×4  first 12:29:02  last 12:31:07", "/srv/models/bge-reranker-v3-m3.gguf")
        both.daemon.publish("error", record.model_copy(update={"last_at": NOW, "count": 5}))
        await both.sees("×5  first 12:29:02  last 12:31:07")
        await both.press("slash", *"queue_full", "enter")
        await both.sees("events 1/3")


async def test_events_are_filtered_acknowledged_and_copied(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(), (120, 36)) as both:
        await both.press("4", "Y")
        assert json.loads(both.dashboard.clipboard)["subject"] == "rerank"
        await both.press("slash", *"context", "enter")
        await both.sees("events 1/2", "/context")
        await both.press("y")
        assert both.dashboard.clipboard.startswith("chat-l: dispatch.context_exceeded")
        await both.press("slash", *"nothing", "enter")
        await both.sees("no event fits the filter")
        await both.press("escape")
        await both.sees("events 2")
        assert both.dashboard.store.has_unseen_errors
        await both.press("a")
        await both.sees("all errors so far are acknowledged")
        assert not both.dashboard.store.has_unseen_errors


async def test_the_logs_view_follows_what_a_backend_prints_and_goes_from_slot_to_slot(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        both.daemon.logs["chat-l"] = [f"chat line {number}" for number in range(100)]
        both.daemon.logs["code-m"] = ["code line", "\x1b[31mW something\x1b[0m to warn of"]
        await both.press("L")
        await both.sees("log chat-l", "chat line 99", "follows")
        await both.daemon.print_line("chat-l", "one more line")
        await both.sees("one more line")
        await both.press("k", "k", "k")
        await both.sees("3 rows below")
        await both.daemon.print_line("chat-l", "and another")
        await both.sees("4 rows below")
        assert "and another" not in both.screen
        await both.press("f")
        await both.sees("and another", "follows")
        await both.press("ampersand", *"line 7", "enter")
        await both.sees("&line 7", "chat line 77")
        await both.no_longer_sees("chat line 99")
        await both.press("escape", "right_square_bracket")
        await both.sees("log code-m", "W something to warn of")
        await both.press("Y")
        assert both.dashboard.clipboard == "hal0 slot logs code-m -f"
        await both.press("left_square_bracket")
        await both.sees("log chat-l", "one more line")
        await both.press("left_square_bracket")  # before the first comes the last
        await both.sees(f"log {both.daemon.state.slots[-1].name}")
        await both.press("right_square_bracket", "right_square_bracket")
        await both.sees("log code-m")
        await both.press("escape", "u")
        await both.sees("unload code-m")


async def test_why_there_is_no_log_is_told_in_full(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(), (40, 24)) as both:
        reason = " ".join(f"word{number}" for number in range(30))
        both.daemon.refusals[("GET", "/api/slots/chat-l/logs")] = Hal0Error("system.internal", reason=reason)
        await both.press("L")
        await both.sees("word0", "word29")


async def test_a_log_that_cannot_be_had_says_why(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        refusal = Hal0Error("slot.not_found", slot="chat-l", nearest="")
        both.daemon.refusals[("GET", "/api/slots/chat-l/logs")] = refusal
        await both.press("5")
        await both.sees("slot.not_found: ")
