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


async def test_a_slip_in_the_file_is_corrected_from_the_events(tmp_path: Path) -> None:
    with installed(tmp_path, CONFIG) as hal0:
        dashboard = Dashboard(Client(Address(hal0.socket)), Look.of("hal0-dark"))
        async with dashboard.run_test(size=(120, 36)) as pilot:
            await until(pilot, lambda: "slots 1" in screen_text(dashboard))
            right = hal0.config.read_text() + "context = 512  # small\n"
            hal0.config.write_text(right.replace("context", "contxt"))
            await until(pilot, lambda: "REJECTED" in screen_text(dashboard))
            await pilot.press("4")
            await until(pilot, lambda: "f fix" in screen_text(dashboard))
            await pilot.press("f")
            await until(pilot, lambda: "y correct it" in screen_text(dashboard))
            await pilot.press("y")
            await until(pilot, lambda: "cfg r2 ok" in screen_text(dashboard))
            assert hal0.config.read_text() == right
