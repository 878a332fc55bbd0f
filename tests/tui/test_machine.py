"""While there is no daemon the dashboard looks at the devices of its own machine, and only of that."""

import asyncio
import socket
import threading
import time
from pathlib import Path

import pytest

from hal0.tui.app import Dashboard
from hal0.tui.client import Address, Client
from hal0.tui.look import Look
from hal0.tui.machine import Machine
from hal0.wire import DeviceView
from tests.fakes.daemon import FakeDaemon
from tests.hardware.trees import LAPTOP, plant
from tests.tui.live import Live
from tests.tui.pictures import assert_picture
from tests.tui.samples import CPU, GPU0, MEMORY, NOW, default_state
from tests.tui.still import lose, settle, showing

HERE = socket.gethostname()


async def test_it_reads_what_the_daemon_would(tmp_path: Path) -> None:
    cpu, memory = await Machine(plant(tmp_path, LAPTOP)).look()
    assert (cpu.name, cpu.cores, cpu.temperature_c) == ("A Laptop", 4, 54.25)
    assert memory.memory_total_bytes == 16_000_000 * 1024


async def test_what_cannot_be_read_is_no_device_and_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def sample(self) -> list[DeviceView]:
            raise ZeroDivisionError

    monkeypatch.setattr("hal0.tui.machine._meters", lambda root: [Broken()])
    assert await Machine(tmp_path).look() == []


async def test_two_looks_are_never_at_the_same_time_and_none_is_in_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside: list[int] = []
    seen: list[int] = []
    threads: set[int] = set()

    class Slow:
        def sample(self) -> list[DeviceView]:
            inside.append(1)
            seen.append(len(inside))
            threads.add(threading.get_ident())
            time.sleep(0.01)  # so long another one could come in between
            inside.pop()
            return []

    monkeypatch.setattr("hal0.tui.machine._meters", lambda root: [Slow()])
    machine = Machine(tmp_path)
    await asyncio.gather(*(machine.look() for _ in range(20)))
    assert seen == [1] * 20
    assert threading.get_ident() not in threads


async def test_the_devices_stay_alive_while_the_daemon_is_away(tmp_path: Path) -> None:
    dashboard = Dashboard(Client(Address(tmp_path / "s")), Look.of("hal0-dark"))
    dashboard.machine = Machine(plant(tmp_path / "machine", LAPTOP))
    given = default_state(host=HERE, devices=[CPU, MEMORY, GPU0])
    async with dashboard.run_test(size=(120, 36)) as pilot:
        async with FakeDaemon(given, tmp_path / "s", clock=lambda: NOW) as daemon:
            both = Live(pilot, dashboard, daemon)
            await both.ready()
            await both.sees("AMD EPYC", "G0 4090")
        await both.sees(
            "hal0d did not answer", "A Laptop", "54°C", "The devices are read by the dashboard itself, now."
        )
        assert "G0 4090" not in both.screen
        assert not dashboard.screen.query_one("#devices").fades  # type: ignore[attr-defined]
        assert dashboard.screen.query_one("#slots").fades  # type: ignore[attr-defined]
        async with FakeDaemon(given, tmp_path / "s", clock=lambda: NOW) as daemon:
            await both.sees("AMD EPYC", "G0 4090")
            assert not dashboard.store.devices_are_read_here


async def test_devices_of_another_machine_are_not_replaced_by_ours(tmp_path: Path) -> None:
    """Its name tells: a socket may be the end of a tunnel."""
    dashboard = Dashboard(Client(Address(tmp_path / "s")), Look.of("hal0-dark"))
    async with dashboard.run_test(size=(120, 36)) as pilot:
        async with FakeDaemon(default_state(host="lab01"), tmp_path / "s", clock=lambda: NOW) as daemon:
            both = Live(pilot, dashboard, daemon)
            await both.ready()
        await both.sees("hal0d did not answer")
        dashboard.look_here()
        assert not dashboard._looks_here
        dashboard.store.host = HERE
        dashboard.look_here()
        assert dashboard._looks_here


@pytest.mark.parametrize("size", [(40, 12), (80, 24), (120, 36)])
@pytest.mark.parametrize("was_there", [False, True])
async def test_local_devices(size: tuple[int, int], was_there: bool) -> None:
    async with showing(default_state() if was_there else None, size) as pilot:
        await lose(pilot)
        assert isinstance(pilot.app, Dashboard)
        pilot.app.store.read_here([CPU, MEMORY, GPU0])
        pilot.app.paint_now()
        await settle(pilot)
        assert_picture(pilot.app, f"{'lost' if was_there else 'disconnected'}-devices-{size[0]}x{size[1]}")
