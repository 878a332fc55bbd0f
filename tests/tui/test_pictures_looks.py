"""Every view in ASCII and in light colours, as pictures in snapshots/; of all others only home is."""

from collections.abc import Awaitable, Callable

import pytest
from textual.pilot import Pilot

from hal0.tui.app import Dashboard
from hal0.tui.screens.config import ConfigPage
from hal0.tui.screens.logs import LogView
from hal0.tui.screens.slot import SlotPage
from tests.tui.pictures import assert_picture, screen_text
from tests.tui.samples import REVISIONS, busy_state, edited_config
from tests.tui.still import remember_an_hour, settle, showing
from tests.tui.test_pictures import PRINTED
from tests.tui.test_slot_page import COMMAND, LEDGER

Open = Callable[[Pilot[None]], Awaitable[None]]


def by(*keys: str) -> Open:
    async def press(pilot: Pilot[None]) -> None:
        await pilot.press(*keys)

    return press


async def logs(pilot: Pilot[None]) -> None:
    await pilot.press("5")
    assert isinstance(pilot.app.screen, LogView)
    pilot.app.screen.log_pane.add(PRINTED)
    pilot.app.screen.mark_scrolled()


async def configuration(pilot: Pilot[None]) -> None:
    await pilot.press("6")
    assert isinstance(pilot.app.screen, ConfigPage)
    pilot.app.screen.show(REVISIONS)


async def slot_page(pilot: Pilot[None]) -> None:
    await pilot.press("d")
    assert isinstance(pilot.app.screen, SlotPage)
    pilot.app.screen.tell(LEDGER, COMMAND)


VIEWS: dict[str, Open] = {
    "devices": by("2"),
    "streams": by("3"),
    "events": by("4"),
    "logs": logs,
    "config": configuration,
    "slot": slot_page,
    "problem": by("e"),
    "chat": by("c"),
    "swap": by("s"),
    "confirm": by("u"),
    "palette": by("colon"),
    "help": by("question_mark"),
}


@pytest.mark.parametrize(
    ("look", "theme", "size"), [("ascii", "hal0-dark", (80, 24)), ("light", "hal0-light", (120, 36))]
)
@pytest.mark.parametrize("view", VIEWS)
async def test_a_view_looks_the_same_otherwise(view: str, look: str, theme: str, size: tuple[int, int]) -> None:
    state = busy_state(config=edited_config())
    async with showing(state, size, theme=theme, ascii_only=look == "ascii") as pilot:
        dashboard = pilot.app
        assert isinstance(dashboard, Dashboard)
        remember_an_hour(dashboard)
        await VIEWS[view](pilot)
        dashboard.paint_now()
        await settle(pilot)
        if look == "ascii":
            assert screen_text(dashboard).isascii()
        assert_picture(dashboard, f"{look}-{view}-{size[0]}x{size[1]}")
