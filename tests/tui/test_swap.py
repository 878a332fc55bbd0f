"""The list of models for a swap: what the selected one would take in the slot's place."""

from pathlib import Path

import pytest

from hal0.errors import Hal0Error
from hal0.tui.screens.swap import SwapDialog
from hal0.wire import ErrorView, ModelDetail
from tests.tui.live import live
from tests.tui.pictures import assert_picture
from tests.tui.samples import MODELS, SLOT_PLAN, busy_state
from tests.tui.still import settle, showing

BIG, _, SMALL, _ = MODELS
WOULD = ModelDetail(model=SMALL, context=32768, parallel=2, like="chat-l", fit=SLOT_PLAN.fit)


async def test_the_memory_and_who_would_go_are_shown_for_the_selected_model(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(), (80, 24)) as both:
        both.daemon.models = MODELS
        both.daemon.details = {
            "small": WOULD,
            "big": ModelDetail(
                model=BIG, context=0, parallel=0, error=ErrorView(code="model.file_invalid", message="it is cut short")
            ),
        }
        await both.press("s")
        await both.sees("23.1/24G", "in this order: long", "hal0 slot swap chat-l small")
        assert "GET /api/models/small?slot=chat-l" in both.daemon.targets
        await both.press("G")
        await both.sees("model.file_invalid: it is cut short", "hal0 slot swap chat-l big")
        await both.press("k")
        await both.no_longer_sees("hal0 slot swap")
        await both.press("k")
        await both.sees("in this order: long")
        asked = [each for each in both.daemon.targets if each.startswith("GET /api/models/small")]
        assert len(asked) == 1, "it is known"


async def test_a_model_of_which_nothing_can_be_told_says_why_and_can_be_chosen(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(), (80, 24)) as both:
        both.daemon.models = MODELS
        refusal = Hal0Error("model.not_found", model="small", nearest="")
        both.daemon.refusals[("GET", "/api/models/small")] = refusal
        both.daemon.details["big"] = ModelDetail(model=BIG, context=0, parallel=0)
        await both.press("s")
        await both.sees("model.not_found: ", "swap to it")
        await both.press("G")
        await both.sees("what it takes is not known")


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (120, 36)])
async def test_pictures_of_the_preview(size: tuple[int, int]) -> None:
    async with showing(busy_state(), size) as pilot:
        await pilot.press("s")
        dialog = pilot.app.screen
        assert isinstance(dialog, SwapDialog)
        dialog.tell("small", WOULD)
        await settle(pilot)
        assert_picture(pilot.app, f"swap-preview-{size[0]}x{size[1]}")
