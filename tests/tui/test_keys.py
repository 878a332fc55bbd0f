"""Every key does what the table says, on a real daemon's answers."""

from pathlib import Path

import pytest

from hal0.errors import Hal0Error
from hal0.tui.keymap import KEYS, Place, keys_at
from hal0.tui.prose import markdown
from hal0.tui.screens.base import WHY_NOT
from hal0.tui.screens.chat import ChatScreen
from hal0.tui.screens.config import ConfigPage
from hal0.tui.screens.confirm import Confirm
from hal0.tui.screens.daemon_log import DaemonLogView
from hal0.tui.screens.delete_slot import DeleteDialog
from hal0.tui.screens.devices import DeviceView
from hal0.tui.screens.events import EventView
from hal0.tui.screens.fix import FixPage
from hal0.tui.screens.help import Help
from hal0.tui.screens.home import Home
from hal0.tui.screens.hosts import HostsDialog
from hal0.tui.screens.jump import Jump
from hal0.tui.screens.logs import LogView
from hal0.tui.screens.new_slot import NewSlot
from hal0.tui.screens.palette import Palette
from hal0.tui.screens.problem import ProblemPage
from hal0.tui.screens.rollback import RollbackPage
from hal0.tui.screens.slot import SlotPage
from hal0.tui.screens.streams import StreamView
from hal0.tui.screens.swap import SwapDialog
from hal0.wire import TokenBatch
from tests.tui.live import live
from tests.tui.samples import MODELS, NOW, busy_state, default_state, rejected_config, request, slot, state

DOCS = Path(__file__).resolve().parents[2] / "docs" / "keys.md"
SCREENS: dict[Place, type] = {
    "problem": ProblemPage,
    "slot page": SlotPage,
    "chat": ChatScreen,
    "config": ConfigPage,
    "rollback": RollbackPage,
    "device view": DeviceView,
    "stream view": StreamView,
    "event view": EventView,
    "log view": LogView,
    "help": Help,
    "confirm": Confirm,
    "swap": SwapDialog,
    "palette": Palette,
    "new slot": NewSlot,
    "delete": DeleteDialog,
    "fix": FixPage,
    "jump": Jump,
    "hosts": HostsDialog,
    "daemon log": DaemonLogView,
}
LOSING = {
    "unload",
    "restart",
    "cancel",
    "swap",
    "roll_back",
    "roll_back_now",
    "drain_wait",
    "drain_grace",
    "drain_now",
}
HANDLED_ELSEWHERE = {
    "filter_keep",
    "views",
    "send",
    "newline",
    "do_it",
    "take",
    "delete_it",
    "jump_to",
    "go_there",
}  # by the input; by the keys that it stands for


def test_every_key_of_the_table_has_something_that_does_it() -> None:
    for key in KEYS:
        for place in key.places:
            screen = SCREENS.get(place, Home)
            assert key.id in HANDLED_ELSEWHERE or hasattr(screen, f"do_{key.id}"), f"{key.id} in {place}"


def test_no_two_keys_of_one_place_clash() -> None:
    for place in {place for key in KEYS for place in key.places}:
        names = [name for key in keys_at(place) for name in key.keys]
        assert len(names) == len(set(names)), place


def test_nothing_that_loses_work_is_on_enter_or_on_a_key_that_terminals_take() -> None:
    taken = {"ctrl+a", "ctrl+s", "ctrl+q", "ctrl+z", "ctrl+j", "ctrl+m", "ctrl+i", "ctrl+h", "ctrl+d", "ctrl+k"}
    for key in KEYS:
        assert not taken & set(key.keys)
        if key.id in {
            "unload",
            "restart",
            "cancel",
            "swap",
            "roll_back",
            "roll_back_now",
            "drain_wait",
            "drain_grace",
            "drain_now",
        }:
            assert not {"enter", "delete", "backspace", "space"} & set(key.keys)


def test_the_page_of_keys_is_made_from_the_table() -> None:
    """After a change: `python -m hal0.tui.prose > docs/keys.md`."""
    assert DOCS.read_text() == markdown()


async def test_the_movement_keys_move_the_selection(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        view = both.dashboard.view

        async def selected_after(*keys: str) -> str:
            await both.press(*keys)
            current = view.slot()
            return current.name if current else ""

        assert await selected_after("j") == "code-m"
        assert await selected_after("down") == "embed"
        assert await selected_after("k") == "code-m"
        assert await selected_after("up") == "chat-l"
        assert await selected_after("G") == "rerank"
        assert await selected_after("g") == "chat-l"
        assert await selected_after("ctrl+f") == "rerank"
        assert await selected_after("pageup") == "chat-l"


async def test_the_selected_row_is_always_on_the_screen(tmp_path: Path) -> None:
    many = state(slots=[slot(f"slot-{number:02}") for number in range(40)])
    async with live(tmp_path, many, (80, 24)) as both:
        await both.press("G")
        await both.sees("slot-39", "of 40")
        await both.press("g")
        await both.sees("slot-00")
        await both.no_longer_sees("slot-39")


@pytest.mark.parametrize(("key", "verb"), [("l", "load"), ("u", "unload"), ("r", "restart")])
async def test_l_u_and_r_ask_the_daemon_and_the_event_shows_the_outcome(tmp_path: Path, key: str, verb: str) -> None:
    async with live(tmp_path, default_state()) as both:
        await both.press(key)
        await both.daemon.wait_for_call("POST", f"/api/slots/primary/{verb}")
        await both.sees(f"{verb} primary: asked")
        assert "ready" in both.screen, "the screen must not guess"
        both.daemon.change_slot("primary", state="unloading", since=NOW)
        await both.sees("unloading")


async def test_a_refused_verb_shows_its_code(tmp_path: Path) -> None:
    async with live(tmp_path, default_state()) as both:
        refusal = Hal0Error("slot.illegal_transition", slot="primary", state="unloading", trigger="load")
        both.daemon.refusals[("POST", "/api/slots/primary/load")] = refusal
        await both.press("l")
        await both.sees("slot.illegal_transition: primary is unloading")


async def test_unloading_a_busy_slot_asks_first_and_names_the_requests(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.press("u")
        await both.sees("unload chat-l", "#8841", "#8845", "let them finish")
        await both.press("enter")
        await both.press("escape")
        await both.no_longer_sees("let them finish")
        assert ("POST", "/api/slots/chat-l/unload") not in both.daemon.calls
        await both.press("u", "w")
        await both.daemon.wait_for_call("POST", "/api/slots/chat-l/unload")


@pytest.mark.parametrize(("key", "drain"), [("w", "wait"), ("g", "grace"), ("exclamation_mark", "now")])
async def test_the_question_asks_how_long_the_requests_may_go_on(tmp_path: Path, key: str, drain: str) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.press("r")
        await both.sees("restart chat-l", "then stops and starts again")
        await both.press(key)
        await both.daemon.wait_for_call("POST", "/api/slots/chat-l/restart")
        assert both.daemon.bodies[("POST", "/api/slots/chat-l/restart")] == {"drain": drain}


async def test_s_swaps_a_quiet_slot_to_the_model_chosen_from_those_of_its_kind(tmp_path: Path) -> None:
    quiet = default_state(slots=[slot("chat-l", model="qwen3-30b-a3b-q4_k_m")])
    async with live(tmp_path, quiet) as both:
        both.daemon.models = MODELS
        await both.press("s")
        await both.sees("swap chat-l to", "small", "in draft", "has it now", "19.0G", "Apache-2.0")
        assert "bge-m3" not in both.screen, "a model of another kind"
        await both.press("j")
        await both.press("enter")
        assert isinstance(both.dashboard.screen, SwapDialog), "the model that it has is no choice"
        await both.press("G", "enter")
        await both.daemon.wait_for_call("POST", "/api/slots/chat-l/swap")
        assert both.daemon.bodies[("POST", "/api/slots/chat-l/swap")] == {"model": "big"}
        await both.sees("swap chat-l: asked")


async def test_a_swap_of_a_busy_slot_asks_about_its_requests(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        both.daemon.models = MODELS
        await both.press("s")
        await both.sees("small")
        await both.press("enter")
        await both.sees("#8841", "starts with small")
        assert ("POST", "/api/slots/chat-l/swap") not in both.daemon.calls
        await both.press("exclamation_mark")
        await both.daemon.wait_for_call("POST", "/api/slots/chat-l/swap")
        assert both.daemon.bodies[("POST", "/api/slots/chat-l/swap")] == {"model": "small", "drain": "now"}


async def test_the_list_of_models_says_why_it_is_empty_and_escape_leaves_it(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.press("s")
        await both.sees("there is no model for chat")
        await both.press("enter", "escape")
        refusal = Hal0Error("system.internal", reason="a defect")
        both.daemon.refusals[("GET", "/api/models")] = refusal
        await both.press("s")
        await both.sees("system.internal")
        await both.press("escape")
        assert isinstance(both.dashboard.screen, Home)
        assert not [call for call in both.daemon.calls if call[0] == "POST"]


async def test_pinning_is_asked_for_and_shown_when_the_daemon_says_so(tmp_path: Path) -> None:
    async with live(tmp_path, default_state()) as both:
        await both.press("P")
        await both.daemon.wait_for_call("POST", "/api/slots/primary/pin")
        assert both.daemon.bodies[("POST", "/api/slots/primary/pin")] == {"pinned": True}
        assert both.daemon.heads[("POST", "/api/slots/primary/pin")]["x-hal0-by"].endswith("(hal0-tui)")
        assert "⊤" not in both.screen
        both.daemon.change_slot("primary", pinned=True)
        await both.sees("primary ⊤")
        await both.press("P")
        await both.until(lambda: both.daemon.bodies[("POST", "/api/slots/primary/pin")] == {"pinned": False})


async def test_the_confirmation_follows_the_requests_that_end_meanwhile(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.press("r")
        await both.sees("2 requests")
        ended = request("8841", "chat-l", phase="finished", outcome="ok", finished_at=NOW)
        both.daemon.publish("request.finished", ended)
        await both.sees("1 request")
        await both.press("n")
        assert isinstance(both.dashboard.screen, Home)


async def test_cancel_takes_two_presses_and_hits_the_request_that_was_named(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.press("ctrl+x")
        await both.sees("^x again cancels #8841 on chat-l")
        newest = request("9000", "code-m", started_at=NOW, text="newer")
        both.daemon.publish("request.started", newest)
        await both.sees("#9000")  # the pane follows the newest request: the second press must not hit that one
        await both.press("ctrl+x")
        await both.daemon.wait_for_call("DELETE", "/api/requests/8841")
        assert ("DELETE", "/api/requests/9000") not in both.daemon.calls


async def test_a_second_press_of_cancel_after_two_seconds_only_asks_again(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.press("ctrl+x")
        both.dashboard.store.tick(both.dashboard.store.now + 3)
        await both.press("ctrl+x")
        await both.sees("^x again cancels #8841")
        assert not [call for call in both.daemon.calls if call[0] == "DELETE"]


async def test_cancel_is_not_offered_when_nothing_is_in_flight(tmp_path: Path) -> None:
    done = request("8841", phase="finished", outcome="ok", text="all said", finished_at=NOW)
    async with live(tmp_path, default_state(requests=[done])) as both:
        await both.sees("all said")
        assert "^x" not in both.screen
        await both.press("ctrl+x", "ctrl+x")
        assert "again" not in both.screen
        assert not [call for call in both.daemon.calls if call[0] == "DELETE"]


async def test_tab_goes_from_pane_to_pane_and_1_to_the_slots(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        home = both.dashboard.screen
        assert isinstance(home, Home)
        places = []
        for key in ("tab", "tab", "tab", "shift+tab", "1", "tab"):
            await both.press(key)
            places.append(home.place)
        assert places == ["stream", "devices", "slots", "devices", "slots", "stream"]


async def test_z_gives_the_screen_to_one_pane_and_escape_takes_it_back(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.press("tab", "z")
        await both.no_longer_sees("slots 7")
        await both.press("escape")
        await both.sees("slots 7")
        await both.press("tab", "z")
        await both.sees(" vram ", "71/100°C", "not reported", "12:2")
        await both.press("z")
        await both.sees("slots 7")


async def test_enter_opens_the_stream_of_a_healthy_slot(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.press("j", "enter")
        await both.no_longer_sees("slots 7")
        await both.sees("code-m #8843", "out.append(a[i]); i += 1", "of code-m")


async def test_escape_walks_back_to_the_slot_one_came_from(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.press("j", "enter")
        await both.no_longer_sees("slots 7")
        await both.press("escape", "l")
        await both.daemon.wait_for_call("POST", "/api/slots/code-m/load")
        await both.press("tab", "escape", "u")
        await both.sees("unload code-m")


async def test_enter_on_a_slot_in_error_tells_what_is_wrong_and_fetches_its_log(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        both.daemon.logs["rerank"] = [f"log line {number}" for number in range(50)]
        await both.press("G", "enter")
        await both.sees("slot.load_failed", "unknown architecture", "failure 3 of 5", "what to do", "log line 0")
        await both.sees("equivalent CLI", "hal0 slot logs rerank")
        await both.press("G")
        await both.sees("log line 49")
        await both.press("r")
        await both.daemon.wait_for_call("POST", "/api/slots/rerank/restart")
        await both.press("escape")
        await both.sees("slots 7")


async def test_a_slot_that_runs_again_is_not_restarted_from_the_page_of_its_old_problem(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.press("G", "enter")
        await both.sees("restart slot")
        both.daemon.change_slot("rerank", state="ready", error=None, failures=0)
        await both.no_longer_sees("restart slot")
        await both.press("r")
        assert ("POST", "/api/slots/rerank/restart") not in both.daemon.calls


async def test_e_goes_through_all_problems_and_marks_them_as_seen(tmp_path: Path) -> None:
    problems = busy_state(config=rejected_config(), warnings=["the whole network may ask (0.0.0.0, no keys)"])
    async with live(tmp_path, problems) as both:
        await both.sees("cfg r1 REJECTED", "1 warning")
        assert both.dashboard.store.has_unseen_errors
        await both.press("e")
        await both.sees("problem 1 of 5", "config.unknown_key", "contxt = 8192", "hal0.toml:57:1")
        assert not both.dashboard.store.has_unseen_errors
        await both.press("right_square_bracket")
        await both.sees("problem 2 of 5", "port = 80831")
        await both.press("right_square_bracket")
        await both.sees("problem 3 of 5", "the whole network may ask")
        await both.press("left_square_bracket", "left_square_bracket", "left_square_bracket")
        await both.sees("problem 5 of 5", "dispatch.context_exceeded")


async def test_a_problem_that_is_solved_while_it_is_read_says_so(tmp_path: Path) -> None:
    async with live(tmp_path, default_state(config=rejected_config())) as both:
        await both.press("e")
        await both.sees("config.unknown_key")
        both.daemon.publish("config.applied", default_state().config.model_copy(update={"revision": 2}))
        await both.sees("nothing is wrong any more", "cfg r2 ok")


async def test_the_filter_narrows_the_slots_and_escape_clears_it(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.press("slash", *"qwen")
        await both.sees("slots 4/7", "/qwen")
        await both.press("space", "exclamation_mark", *"serving", "enter")
        await both.sees("slots 2/7")
        current = both.dashboard.view.slot()
        assert current is not None
        assert current.name == "vision"
        await both.press("escape")
        await both.sees("slots 7")


async def test_letters_typed_into_the_filter_are_not_commands(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.press("slash", *"lurq")
        await both.sees("no slot fits the filter")
        assert not [call for call in both.daemon.calls if call[0] == "POST"]
        await both.press("escape")
        await both.sees("slots 7")
        assert both.dashboard.is_running


async def test_question_mark_shows_the_keys_of_the_place_and_closes_again(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.press("question_mark")
        await both.sees("home › help › slots", "start the slot now", "1-")
        await both.press("j", "j", "G")
        await both.sees("the first line")
        await both.press("g", "question_mark")
        await both.sees("slots 7")


async def test_f_stays_with_the_selected_slot_or_follows_the_newest(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.sees("newest")
        await both.press("f")
        await both.sees("the stream stays with chat-l", "of chat-l")
        both.daemon.publish("request.started", request("9000", "code-m", started_at=NOW, text="newer"))
        await both.until(lambda: "9000" in both.dashboard.store.streams)
        assert "#9000" not in both.screen
        await both.press("f")
        await both.sees("#9000", "newest")


async def test_p_freezes_the_picture_and_counts_what_is_missed(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.press("p")
        await both.sees("FROZEN +0")
        for number in range(3):
            batch = TokenBatch(id="8841", text=f"word{number} ", tokens=800, tokens_per_second=60.0)
            both.daemon.publish("request.tokens", batch)
        await both.sees("FROZEN +3")
        assert "word2" not in both.screen
        await both.press("p")
        await both.sees("word0 word1", "word2")
        assert "FROZEN" not in both.screen


async def test_reading_further_up_in_a_stream_stays_there_until_its_end_is_asked_for(tmp_path: Path) -> None:
    text = "\n".join(f"row {number}" for number in range(100))
    talking = default_state(requests=[request("8841", text=text, tokens=100)])
    async with live(tmp_path, talking) as both:
        await both.sees("row 99")
        await both.press("tab", *["k"] * 30)
        await both.sees("lines below", "row 60")
        both.daemon.publish("request.tokens", TokenBatch(id="8841", text="\nrow 100", tokens=101))
        both.daemon.publish("request.started", request("9000", started_at=NOW, text="other"))
        both.daemon.change_slot("embed", state="pulling", progress=0.42)
        await both.sees("pulling 42%", "row 60", "#8841")
        await both.press("G")
        await both.sees("#9000")


async def test_copying_takes_what_the_cursor_is_on_or_its_command(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        copied = []
        for keys in (["y"], ["Y"], ["tab", "y"], ["Y"]):
            await both.press(*keys)
            copied.append(both.dashboard.clipboard)
        assert copied[0] == "chat-l"
        assert copied[1] == "hal0 slot show chat-l"
        assert copied[2].startswith("…so the reducer")
        assert copied[3] == f"curl --unix-socket {tmp_path}/hal0.sock http://localhost/api/requests/8841"
        await both.sees("copied the curl command")
        await both.press("e", "y")
        assert both.dashboard.clipboard.startswith("slot.load_failed: rerank could not load")
        await both.press("Y")
        assert both.dashboard.clipboard == "hal0 slot logs rerank"


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
async def test_q_quits_from_everywhere(tmp_path: Path, key: str) -> None:
    for opening in ([], ["question_mark"], ["e"], ["u"], ["p"], ["tab", "z"], ["2"], ["3"], ["6"]):
        async with live(tmp_path, busy_state()) as both:
            await both.press(*opening, key)
            await both.until(lambda both=both: not both.dashboard.is_running)  # type: ignore[misc]


async def test_a_click_selects_and_the_wheel_moves(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.pilot.click("#slots", offset=(10, 4))
        current = both.dashboard.view.slot()
        assert current is not None
        assert current.name == "embed"


async def test_a_click_on_the_stream_goes_there(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.pilot.click("#stream0", offset=(10, 4))
        assert isinstance(both.dashboard.screen, Home)
        assert both.dashboard.screen.place == "stream"


async def test_the_footer_shows_no_key_that_does_nothing(tmp_path: Path) -> None:
    async with live(tmp_path, default_state(), (200, 60)) as both:
        footer = both.screen.splitlines()[-1]
        assert "err" not in footer, "there is nothing wrong"
        assert "cancel" not in footer, "nothing is in flight"
        assert "back" not in footer, "there is no way back from home"
        await both.press("shift+tab")
        await both.until(lambda: "load" not in both.screen.splitlines()[-1], "only the keys of devices")


def test_whatever_a_key_needs_there_is_a_sentence_for_when_it_is_not_there() -> None:
    needed = {key.need for key in KEYS if key.keys} - {"", "way back"}  # esc has nothing to tell where nothing is left
    assert sorted(needed - WHY_NOT.keys()) == []


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        (("d",), "there is no slot"),
        (("E",), "there is no slot"),
        (("tab", "t"), "no request is shown"),
        (("3", "slash"), "no request is shown"),
        (("3", "N"), "nothing is searched for"),
        (("2", "0"), "the newest figures are shown already"),
        (("5", "right_square_bracket"), "there is no other one"),
        (("4", "a"), "all errors are seen"),
        (("6", "R"), "first select an earlier revision"),
        (("3", "right"), "long lines are broken to fit"),
        (("h", "ctrl+r"), "only a host gone to before"),
        (("n", "ctrl+n"), "the slot needs a name"),
    ],
)
async def test_a_key_that_has_nothing_to_act_on_says_so(tmp_path: Path, keys: tuple[str, ...], told: str) -> None:
    async with live(tmp_path, state()) as both:
        await both.press(*keys)
        await both.sees(told)


async def test_enter_in_a_stream_that_has_the_whole_screen_says_so(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.press("enter", "enter")
        await both.sees("the stream has the whole screen already")
