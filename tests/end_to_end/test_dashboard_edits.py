"""The dashboard writes a slot into a real daemon's configuration, and takes it out again."""

import tomllib
from pathlib import Path

from hal0.tui.app import Dashboard
from hal0.tui.client import Address, Client
from hal0.tui.look import Look
from hal0.tui.screens.home import Home
from tests.fakes.installation import installed
from tests.tui.live import until
from tests.tui.pictures import screen_text

CONFIG = """\
# Ours.
[daemon]
ports = @PORTS@

[slots.primary]
model = "hal0-starter"
"""


async def test_a_slot_is_created_from_the_form_and_deleted_by_its_name(tmp_path: Path) -> None:
    with installed(tmp_path, CONFIG) as hal0:
        dashboard = Dashboard(Client(Address(hal0.socket)), Look.of("hal0-dark"))
        async with dashboard.run_test(size=(120, 36)) as pilot:

            async def sees(*texts: str) -> None:
                await until(pilot, lambda: all(text in screen_text(dashboard) for text in texts), repr(texts))

            await sees("slots 1", "primary")
            await pilot.press("n", *"second", "tab", "tab", *"starter")
            await sees("1 to choose from", "hal0-starter")
            await pilot.press("enter", "tab", *"99999999")
            await sees("✖", "config.invalid: ")
            await pilot.press("ctrl+u", *"512")
            await sees("RAM", "it fits", "hal0 slot create second hal0-starter context=512", "^n create it")
            await pilot.press("ctrl+n")
            await sees("slots 2", "second")
            assert isinstance(dashboard.screen, Home)
            text = hal0.config.read_text()
            assert text.startswith("# Ours.\n")
            assert tomllib.loads(text)["slots"]["second"] == {"model": "hal0-starter", "context": 512}
            await pilot.press("D", *"second")
            await sees("context = 512", "delete it", "It is offline")
            await pilot.press("enter")
            await sees("slots 1")
            assert "second" not in tomllib.loads(hal0.config.read_text())["slots"]
