"""Every screen at the sizes people use, as pictures in snapshots/."""

import pytest

from hal0.tui.app import Dashboard
from hal0.tui.screens.chat import ChatScreen
from hal0.tui.screens.config import ConfigPage
from hal0.tui.screens.logs import LogView
from hal0.tui.screens.rollback import RollbackPage
from hal0.tui.screens.slot import SlotPage
from hal0.tui.widgets.chat import Timing
from hal0.voices import Said, heading
from tests.tui.pictures import assert_picture
from tests.tui.samples import (
    CPU,
    CREATED,
    FAILED,
    LOST_GPU,
    MEMORY,
    NOW,
    REVISIONS,
    SHARED_GPU,
    WAY_BACK,
    busy_state,
    default_state,
    edited_config,
    rejected_config,
    request,
    slot,
)
from tests.tui.still import load, lose, remember_an_hour, settle, showing
from tests.tui.test_slot_page import COMMAND, LEDGER

PRINTED = [
    "--- run 4: /usr/local/bin/llama-server, pid 4121, port 8081, r41",
    "load_backend: loaded CUDA backend from /usr/local/lib/libggml-cuda.so",
    "llama_model_loader: loaded meta data with 33 key-value pairs and 579 tensors from /srv/models/qwen3-30b-a3b.gguf",
    "W llama_context: n_ctx_per_seq (32768) < n_ctx_train (262144): the full capacity will not be used",
    "srv  log_server_r: request: POST /v1/chat/completions 127.0.0.1 200",
    "E failed to read the cache file: no such file or directory",
]
SIZES = [(80, 24), (120, 36), (200, 60)]


def dashboard_of(pilot) -> Dashboard:  # type: ignore[no-untyped-def]
    assert isinstance(pilot.app, Dashboard)
    return pilot.app


async def filled(pilot) -> None:  # type: ignore[no-untyped-def]
    remember_an_hour(dashboard_of(pilot))
    dashboard_of(pilot).paint_now()
    await settle(pilot)


@pytest.mark.parametrize("size", [(40, 12), (60, 16), *SIZES])
async def test_home_at_work(size: tuple[int, int]) -> None:
    async with showing(busy_state(), size) as pilot:
        await filled(pilot)
        assert_picture(pilot.app, f"home-{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", SIZES)
async def test_home_of_the_embedded_default_before_the_first_request(size: tuple[int, int]) -> None:
    async with showing(default_state(), size) as pilot:
        await filled(pilot)
        assert_picture(pilot.app, f"first-run-{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", SIZES)
async def test_error_detail(size: tuple[int, int]) -> None:
    async with showing(busy_state(), size) as pilot:
        await pilot.press("G", "enter")
        await settle(pilot)
        assert_picture(pilot.app, f"error-{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", SIZES)
async def test_help(size: tuple[int, int]) -> None:
    async with showing(busy_state(), size) as pilot:
        await pilot.press("question_mark")
        await settle(pilot)
        assert_picture(pilot.app, f"help-{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", SIZES)
async def test_no_daemon_was_ever_reached(size: tuple[int, int]) -> None:
    async with showing(None, size) as pilot:
        await lose(pilot, "no such file or directory")
        assert_picture(pilot.app, f"disconnected-{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", SIZES)
async def test_the_daemon_went_away(size: tuple[int, int]) -> None:
    async with showing(busy_state(), size) as pilot:
        await lose(pilot)
        assert_picture(pilot.app, f"lost-{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", SIZES)
async def test_home_in_ascii(size: tuple[int, int]) -> None:
    async with showing(busy_state(), size, ascii_only=True) as pilot:
        await filled(pilot)
        assert_picture(pilot.app, f"ascii-{size[0]}x{size[1]}")


@pytest.mark.parametrize("theme", ["hal0-light", "hal0-contrast", "ansi"])
async def test_home_in_every_theme(theme: str) -> None:
    async with showing(busy_state(), (120, 36), theme=theme) as pilot:
        await filled(pilot)
        assert_picture(pilot.app, f"theme-{theme}-120x36")


@pytest.mark.parametrize("size", SIZES)
async def test_a_rejected_configuration_and_an_open_network_are_loud(size: tuple[int, int]) -> None:
    warned = busy_state(
        config=rejected_config(), warnings=["the API answers the whole network (0.0.0.0) without a key"]
    )
    async with showing(warned, size) as pilot:
        await filled(pilot)
        assert_picture(pilot.app, f"rejected-{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", SIZES)
async def test_rejected_configuration_page(size: tuple[int, int]) -> None:
    async with showing(busy_state(config=rejected_config()), size) as pilot:
        await pilot.press("e")
        await settle(pilot)
        assert_picture(pilot.app, f"rejected-page-{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", [(40, 12), *SIZES])
async def test_configuration_page(size: tuple[int, int]) -> None:
    async with showing(busy_state(config=edited_config()), size) as pilot:
        await pilot.press("6")
        page = pilot.app.screen
        assert isinstance(page, ConfigPage)
        page.show(REVISIONS)
        await settle(pilot)
        assert_picture(pilot.app, f"config-page-{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", [(40, 12), *SIZES])
async def test_the_history_and_the_question_before_a_rollback(size: tuple[int, int]) -> None:
    async with showing(busy_state(config=edited_config()), size) as pilot:
        await pilot.press("6")
        page = pilot.app.screen
        assert isinstance(page, ConfigPage)
        page.show(REVISIONS)
        await pilot.press("right_square_bracket", "right_square_bracket")
        page.tell(41, CREATED)
        await settle(pilot)
        assert_picture(pilot.app, f"config-history-{size[0]}x{size[1]}")
        await pilot.press("R")
        await settle(pilot)
        question = pilot.app.screen
        assert isinstance(question, RollbackPage)
        question.tell(edited_config(), WAY_BACK)
        await settle(pilot)
        assert_picture(pilot.app, f"rollback-{size[0]}x{size[1]}")


async def test_an_edit_that_did_not_work_out_is_loud() -> None:
    async with showing(busy_state(config=edited_config(failed=FAILED)), (120, 36)) as pilot:
        await pilot.press("6")
        await settle(pilot)
        assert_picture(pilot.app, "config-failed-120x36")


@pytest.mark.parametrize("size", [(40, 12), *SIZES])
async def test_confirmation_names_the_requests(size: tuple[int, int]) -> None:
    async with showing(busy_state(), size) as pilot:
        await pilot.press("u")
        await settle(pilot)
        assert_picture(pilot.app, f"confirm-{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (120, 36)])
async def test_the_list_of_models_for_a_swap(size: tuple[int, int]) -> None:
    async with showing(busy_state(), size, ascii_only=size[0] == 40) as pilot:
        await filled(pilot)
        await pilot.press("s")
        await settle(pilot)
        assert_picture(pilot.app, f"swap-{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", [(80, 24), (120, 24), (120, 36), (200, 60)])
async def test_devices_with_strangers_and_a_lost_gpu(size: tuple[int, int]) -> None:
    devices = [CPU, MEMORY, SHARED_GPU, LOST_GPU]
    async with showing(busy_state(devices=devices), size) as pilot:
        await settle(pilot)
        assert_picture(pilot.app, f"shared-gpu-{size[0]}x{size[1]}")


async def test_a_picture_while_it_is_drawn() -> None:
    drawn = request(
        "8851", "img", path="/v1/images/generations", stream=False, prompt="a cat in a hat, studio lighting",
        doing="picture 2/4, step 3/20", progress=0.29,
    )  # fmt: skip
    painter = slot(
        "img", "serving", kind="image", provider="comfyui", model="sdxl-turbo", engine="ComfyUI", in_flight=1
    )
    async with showing(default_state(slots=[painter], requests=[drawn]), (80, 24)) as pilot:
        await filled(pilot)
        assert_picture(pilot.app, "image-80x24")


@pytest.mark.parametrize("pane", ["stream", "devices"])
async def test_zoomed_panes(pane: str) -> None:
    async with showing(busy_state(), (80, 24)) as pilot:
        await filled(pilot)
        await pilot.press("tab" if pane == "stream" else "shift+tab", "z")
        await settle(pilot)
        assert_picture(pilot.app, f"zoomed-{pane}-80x24")


@pytest.mark.parametrize("size", [(40, 12), *SIZES])
@pytest.mark.parametrize(("name", "key"), [("devices", "2"), ("streams", "3"), ("events", "4")])
async def test_views(name: str, key: str, size: tuple[int, int]) -> None:
    async with showing(busy_state(), size) as pilot:
        await filled(pilot)
        await pilot.press(key)
        await settle(pilot)
        assert_picture(pilot.app, f"view-{name}-{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", [(40, 12), *SIZES])
@pytest.mark.parametrize(
    ("name", "keys"),
    [("past", ["left_curly_bracket", "left_curly_bracket", "left_square_bracket"]), ("large", ["j", "enter"])],
)
async def test_devices_in_the_past_and_one_of_them_large(name: str, keys: list[str], size: tuple[int, int]) -> None:
    shown = busy_state(devices=[CPU, MEMORY, SHARED_GPU, LOST_GPU])
    async with showing(shown, size, ascii_only=size[0] == 40) as pilot:
        await filled(pilot)
        await pilot.press("2", *keys)
        await settle(pilot)
        assert_picture(pilot.app, f"devices-{name}-{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", [(40, 12), *SIZES])
async def test_slot_page(size: tuple[int, int]) -> None:
    async with showing(busy_state(), size) as pilot:
        await pilot.press("d")
        page = pilot.app.screen
        assert isinstance(page, SlotPage)
        page.tell(LEDGER, COMMAND)
        await settle(pilot)
        assert_picture(pilot.app, f"slot-{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", [(40, 12), *SIZES])
async def test_chat(size: tuple[int, int]) -> None:
    async with showing(busy_state(), size) as pilot:
        await pilot.press("c")
        chat = pilot.app.screen
        assert isinstance(chat, ChatScreen)
        side = chat.sides[0]
        side.conversation.settings["temperature"] = 0.2
        side.asked("What does a watcher do with a half-written file?")
        side.heard([("reasoning", "The person asks about reload.")])
        side.heard([("text", "It waits until the file has been quiet for 50 ms, and refuses what looks cut short.")])
        side.timing = Timing(0.0, first_at=0.18, ended_at=2.1, tokens=118, prompt_tokens=412)
        side.is_answering = False
        chat.mark_scrolled()
        dashboard_of(pilot).paint_now()
        await pilot.press(*"and then")
        await settle(pilot)
        assert_picture(pilot.app, f"chat-{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", [(40, 12), *SIZES])
async def test_palette(size: tuple[int, int]) -> None:
    async with showing(busy_state(), size) as pilot:
        await filled(pilot)
        await pilot.press("colon", *"re")
        await settle(pilot)
        assert_picture(pilot.app, f"palette-{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", SIZES)
async def test_logs_view(size: tuple[int, int]) -> None:
    async with showing(busy_state(), size) as pilot:
        await pilot.press("5")
        assert isinstance(pilot.app.screen, LogView)
        pilot.app.screen.log_pane.add(PRINTED)
        pilot.app.screen.mark_scrolled()
        dashboard_of(pilot).paint_now()
        await settle(pilot)
        assert_picture(pilot.app, f"view-logs-{size[0]}x{size[1]}")


async def test_only_the_new_picture_counts_after_a_reload() -> None:
    """Loading the same state twice changes nothing on the screen."""
    async with showing(busy_state(), (80, 24)) as pilot:
        await load(pilot, busy_state())
        await filled(pilot)
        assert_picture(pilot.app, "home-80x24")


@pytest.mark.parametrize(
    ("size", "ascii_only"), [((40, 12), False), ((80, 24), True), *((size, False) for size in SIZES)]
)
async def test_the_phases_of_a_request(size: tuple[int, int], ascii_only: bool) -> None:
    done = {"phase": "finished", "outcome": "ok", "started_at": NOW - 12.4, "finished_at": NOW, "queue_ms": 740.0}
    told = {"load_ms": 2_100.0, "ttft_ms": 4_380.0, "prefill_ms": 1_210.0, "tokens_per_second": 61.4, "tokens": 491}
    used = {"prompt_tokens": 3337, "context": 32768}
    answered = request("8841", "chat-l", prompt="Why?", text="Because.", **done, **told, **used)
    async with showing(busy_state(requests=[answered]), size, ascii_only=ascii_only) as pilot:
        await pilot.press("3", "tab", "t")
        await settle(pilot)
        assert_picture(pilot.app, f"phases-{'ascii-' if ascii_only else ''}{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", [(40, 12), *SIZES])
async def test_reasoning_and_calls_of_tools(size: tuple[int, int]) -> None:
    said: list[Said] = [
        ("reasoning", "They want to know the weather in two places. I ask for both."),
        ("call", heading("calls get_weather")),
        ("arguments", '{"city":"Ōsaka","days":2,"units":"metric"}'),
        ("call", heading("calls get_weather")),
        ("arguments", '{"city":"Tromsø","da'),
    ]
    voices = [(voice, len(text)) for voice, text in said]
    text = "".join(text for _, text in said)
    asked = request("8841", "chat-l", prompt="Where is it colder?", text=text, voices=voices, tokens=61)
    async with showing(busy_state(requests=[asked]), size) as pilot:
        await pilot.press("tab", "z")
        await settle(pilot)
        assert_picture(pilot.app, f"calls-{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", [(40, 12), *SIZES])
async def test_long_lines_that_are_cut(size: tuple[int, int]) -> None:
    async with showing(busy_state(), size) as pilot:
        await pilot.press("3", "tab", "w", "right")
        await settle(pilot)
        assert_picture(pilot.app, f"cut-lines-{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", [(40, 12), *SIZES])
async def test_a_text_that_is_looked_for_in_a_stream(size: tuple[int, int]) -> None:
    async with showing(busy_state(), size) as pilot:
        await pilot.press("3", "tab", "slash", *"the", "enter", "n")
        await settle(pilot)
        assert_picture(pilot.app, f"search-{size[0]}x{size[1]}")
