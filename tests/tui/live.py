"""A dashboard on a daemon: both real, a socket between them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from textual.events import Key
from textual.pilot import Pilot

from hal0.tui.app import Dashboard
from hal0.tui.client import Address, Client
from hal0.tui.look import Look
from hal0.tui.rebinding import DEFAULT, Keymap
from hal0.wire import State
from tests.fakes.daemon import FakeDaemon
from tests.tui.pictures import screen_text
from tests.tui.samples import NOW

PATIENCE_SECONDS = 40  # of a machine that does much else


async def until(pilot: Pilot[None], condition: Callable[[], bool], what: str = "") -> None:
    """Let the dashboard go on until something is so."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not condition():
                await pilot.pause(0.01)
    except TimeoutError:
        shown = screen_text(pilot.app)
        raise AssertionError(f"waited in vain{what and ' for '}{what}; the screen:\n{shown}") from None


class Live:
    """The two ends, and ways to wait for what a person would wait for."""

    def __init__(self, pilot: Pilot[None], dashboard: Dashboard, daemon: FakeDaemon) -> None:
        self.pilot = pilot
        self.dashboard = dashboard
        self.daemon = daemon

    @property
    def screen(self) -> str:
        return screen_text(self.dashboard)

    async def until(self, condition: Callable[[], bool], what: str = "") -> None:
        await until(self.pilot, condition, what)

    async def sees(self, *texts: str) -> None:
        await self.until(lambda: all(text in self.screen for text in texts), repr(texts))

    async def no_longer_sees(self, text: str) -> None:
        await self.until(lambda: text not in self.screen, f"no {text!r}")

    async def press(self, *keys: str) -> None:
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def press_at_once(self, *keys: str) -> None:
        """As a slow line brings them: the next is there before the first is done with."""
        for key in keys:
            self.dashboard.post_message(Key(key, key if len(key) == 1 else None))
        await self.pilot.pause()

    async def ready(self) -> None:
        await self.until(lambda: self.dashboard.store.link.phase == "live", "a connection")
        await self.daemon.wait_for_dashboard()


@asynccontextmanager
async def live(
    folder: Path, state: State, size: tuple[int, int] = (80, 24), *, keymap: Keymap = DEFAULT
) -> AsyncIterator[Live]:
    """A daemon with this state, and a dashboard that has fetched it."""
    socket = folder / "hal0.sock"
    dashboard = Dashboard(Client(Address(socket)), Look.of("hal0-dark"), keymap=keymap)
    async with FakeDaemon(state, socket, clock=lambda: NOW) as daemon, dashboard.run_test(size=size) as pilot:
        both = Live(pilot, dashboard, daemon)
        await both.ready()
        await pilot.pause()
        yield both
