"""A dashboard without a daemon: a test loads states and facts into its store, time stands still."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

from textual.pilot import Pilot

from hal0.errors import Hal0Error
from hal0.tui.app import Dashboard
from hal0.tui.client import Address, Client
from hal0.tui.look import Look
from hal0.tui.store import ALL_TOPICS
from hal0.wire import ModelView, PastView, State
from tests.tui.samples import CPU, GIB, GPU0, MEMORY, MODELS, NOW

SOCKET = Path("/run/hal0/hal0.sock")


class SilentClient(Client):
    """Asks and never hears anything."""

    async def _open(self) -> NoReturn:
        await asyncio.Event().wait()
        raise AssertionError("it waits for ever")


class StillDashboard(Dashboard):
    """Does not connect and does not tick."""

    def begin(self) -> None:
        return

    def move_clock(self) -> None:
        return

    def fetch_models(self, then: Callable[[list[ModelView] | Hal0Error], None]) -> None:
        then(MODELS)


async def settle(pilot: Pilot[None]) -> None:
    """Let layout, focus and painting come to rest."""
    for _ in range(3):
        await pilot.pause()


async def load(pilot: Pilot[None], state: State) -> None:
    dashboard = pilot.app
    assert isinstance(dashboard, Dashboard)
    dashboard.store.load(state)
    dashboard.store.connected(18.0)
    dashboard.paint_now()
    await settle(pilot)


def remember_an_hour(dashboard: Dashboard) -> None:
    """Fill the histories as half an hour of watching would, the same in every run."""
    store = dashboard.store
    store.past.devices.clear()
    for second in range(1800, 0, -1):
        wave = (second * 7919 % 97) / 97
        slow = abs((second % 240) - 120) / 120
        cpu = CPU.model_copy(
            update={"utilisation": min(1.0, 0.15 + 0.6 * slow + 0.2 * wave), "temperature_c": 42 + 20 * slow}
        )
        memory = MEMORY.model_copy(update={"memory_used_bytes": int(GIB * (3 + 4 * slow))})
        update = {
            "utilisation": min(1.0, 0.3 + 0.7 * (1 - slow)), "temperature_c": 52 + 36 * (1 - slow),
            "power_w": 90 + 330 * (1 - slow), "memory_used_bytes": int(GIB * (9 if second > 1100 else 20.1)),
        }  # fmt: skip
        gpus = [GPU0.model_copy(update={**update, "id": id}) for id in store.devices if id.startswith("gpu")]
        store.past.note_devices(NOW - second, [cpu, memory, *gpus])
    store.past.note_devices(NOW, store.devices.values())
    store.past.note_speeds(NOW - 900, {"chat-l": 58.2})
    lanes: dict[str, str] = {
        "chat-l": "s" * 12 + "w" * 8 + "rrrvvv" * 55, "code-m": "o" * 100 + "sw" + "rv" * 129,
        "rerank": "e" * 20 + "swe" + "e" * 200 + "swe" + "e" * 134, "primary": "s" + "w" * 2 + "r" * 300 + "v" * 57,
    }  # fmt: skip
    store.remember(PastView(step_seconds=5.0, end=NOW // 5 * 5 + 5, slots=lanes))
    store.mark(*ALL_TOPICS)


async def lose(pilot: Pilot[None], reason: str = "connection refused") -> None:
    dashboard = pilot.app
    assert isinstance(dashboard, Dashboard)
    problem = Hal0Error("system.daemon_down", where=str(SOCKET), reason=reason)
    dashboard.store.disconnected(problem, 4.0)
    dashboard.paint_now()
    await settle(pilot)


@asynccontextmanager
async def showing(
    state: State | None,
    size: tuple[int, int] = (80, 24),
    *,
    theme: str = "hal0-dark",
    ascii_only: bool = False,
    app: type[StillDashboard] = StillDashboard,
) -> AsyncIterator[Pilot[None]]:
    """The dashboard with a state, at rest."""
    dashboard = app(SilentClient(Address(SOCKET)), Look.of(theme, ascii_only=ascii_only))
    async with dashboard.run_test(size=size) as pilot:
        dashboard.store.now = NOW
        if state is not None:
            await load(pilot, state)
        await settle(pilot)
        yield pilot
