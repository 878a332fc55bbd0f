"""`y` and `Y`: whatever the cursor is on can be copied, and the command that tells or does the same."""

from pathlib import Path

import pytest

from hal0.tui import device_text
from hal0.tui.keymap import BY_ID
from tests.tui.live import live
from tests.tui.samples import CPU, DIFFERENCE, GPU0, LOST_GPU, MEMORY, MODELS, REVISIONS, busy_state, edited_config

READ_IN = {"slots", "stream", "devices", "device view", "stream view", "event view", "log view", "problem", "slot page"}


def test_every_place_with_something_to_read_has_both_keys() -> None:
    assert not READ_IN - set(BY_ID["copy"].places)
    assert not READ_IN.union({"confirm", "swap", "rollback", "fix", "config"}) - set(BY_ID["copy_command"].places)


def test_devices_as_text() -> None:
    assert device_text.text([CPU, MEMORY, GPU0, LOST_GPU]).splitlines() == [
        "cpu  AMD EPYC 9B14  97%  48°C",
        "memory  5.1/24G",
        "gpu0  NVIDIA GeForce RTX 4090  97%  20.1/24G  71°C  338W",
        "gpu1  NVIDIA GeForce RTX 4090  -  GPU is lost",
    ]


@pytest.mark.parametrize(
    ("keys", "copied"),
    [
        (["Y"], "hal0 slot show chat-l"),
        (["shift+tab", "Y"], "hal0 status"),
        (["shift+tab", "y"], device_text.text([CPU, MEMORY, GPU0])),
        (["2", "Y"], "hal0 status"),
        (["5", "Y"], "hal0 slot logs chat-l -f"),
        (["6", "Y"], "hal0 config show"),
        (["d", "Y"], "hal0 slot show chat-l"),
        (["G", "enter", "Y"], "hal0 slot logs rerank"),
        (["u", "Y"], "hal0 slot unload chat-l"),
        (["space", "space", "r", "Y"], "hal0 slot restart chat-l code-m"),
        (["n", "ctrl+y"], "hal0 slot create NAME"),
    ],
)
async def test_what_is_copied(tmp_path: Path, keys: list[str], copied: str) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.press(*keys)
        await both.until(lambda: both.dashboard.clipboard == copied, copied)


async def test_what_is_copied_of_a_stream_is_how_to_ask_for_it(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        for keys in (["tab"], ["3"]):
            await both.press(*keys, "Y")
            await both.until(lambda: both.dashboard.clipboard.endswith("http://localhost/api/requests/8841"))
            both.dashboard.copy_to_clipboard("")


async def test_a_question_about_a_swap_and_about_a_rollback_can_be_said_as_commands(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(config=edited_config()), (120, 50)) as both:
        both.daemon.models = MODELS
        both.daemon.revisions = list(REVISIONS)
        both.daemon.differences["from=42&to=41"] = DIFFERENCE
        await both.press("s")
        await both.sees("small")
        await both.press("Y")
        assert both.dashboard.clipboard == "hal0 slot swap chat-l small"
        both.dashboard.copy_to_clipboard("")
        await both.press("enter")
        await both.sees("starts with small")
        await both.press("Y")
        assert both.dashboard.clipboard == "hal0 slot swap chat-l small"
        await both.press("escape", "6")
        await both.sees("grace (hal0)")
        await both.press("right_square_bracket", "right_square_bracket", "R", "Y")
        await both.until(lambda: both.dashboard.clipboard == "hal0 config rollback 41")
