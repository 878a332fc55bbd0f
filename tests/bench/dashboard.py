"""What the dashboard costs, and how soon it answers. Run by hand: `python -m tests.bench.dashboard [PART ...]`.

`hal0-tui` in a pseudo-terminal, 24-bit colours, a stand-in for the daemon at the other end of its socket. The load is
that of a busy box: 20 slots, 8 streams of 50 tokens a second that arrive as the daemon joins them, ten times a second,
and 4 GPUs that are looked at once a second. CPU is that of the dashboard's process, from /proc; bytes are counted at
the terminal; a key has arrived when what it changes has.
"""

import asyncio
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.bench.box import QUIET, STREAMS, BusyBox, busy_box, crowd, write_hours
from tests.tui.terminal import Terminal, terminal

SIZES = ((80, 24), (120, 36), (200, 60))
SETTLE_SECONDS = 4.0
SECONDS = 15.0
KEYS = 60
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(screen: Terminal) -> float:
    fields = Path(f"/proc/{screen.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mb(screen: Terminal) -> float:
    return int(Path(f"/proc/{screen.process.pid}/statm").read_text().split()[1]) * PAGE / 2**20


@asynccontextmanager
async def watched(
    daemon_of: Callable[[Path], BusyBox], size: tuple[int, int], *arguments: str
) -> AsyncIterator[tuple[BusyBox, Terminal]]:
    """A dashboard that is connected and has painted."""
    with tempfile.TemporaryDirectory(prefix="hal0-bench-") as folder:
        socket = Path(folder) / "hal0.sock"
        options = ("--socket", str(socket), *arguments)
        home = {"XDG_CONFIG_HOME": folder, "XDG_STATE_HOME": folder}
        async with daemon_of(socket) as daemon, terminal(*options, size=size, answers=True, **home) as screen:
            await daemon.wait_for_dashboard()
            await screen.shows(f"{QUIET}01")
            yield daemon, screen


async def figures(screen: Terminal, work: Callable[[], Awaitable[str]]) -> tuple[float, float, str]:
    """CPU in percent of a core, kB/s, and what the work tells."""
    cpu, sent, began = cpu_seconds(screen), len(screen.output), time.monotonic()
    told = await work()
    took = time.monotonic() - began
    return 100 * (cpu_seconds(screen) - cpu) / took, (len(screen.output) - sent) / took / 1000, told


async def keys(screen: Terminal, count: int) -> list[float]:
    """Milliseconds from a key to what it changes: the selection goes to and fro between two rows."""
    took = []
    for number in range(count):
        await asyncio.sleep(random.uniform(0.1, 0.3))
        key, name = (("k", f"{QUIET}01"), ("j", f"{QUIET}02"))[number % 2 == 0]
        sent, began = len(screen.output), time.monotonic()
        screen.type(key)
        while name.encode() not in screen.output[sent:]:
            if time.monotonic() - began > 20:
                raise SystemExit(f"{key} shows nothing")
            await asyncio.sleep(0.001)
        took.append(1000 * (time.monotonic() - began))
    return took


def spread(values: list[float]) -> str:
    ordered = sorted(values)
    return f"key p50 {statistics.median(ordered):4.0f} ms, p95 {ordered[int(len(ordered) * 0.95)]:4.0f} ms"


async def load() -> None:
    for size in SIZES:
        async with watched(busy_box, size) as (daemon, screen):
            async with daemon.at_work():
                await asyncio.sleep(SETTLE_SECONDS)

                async def watch() -> str:
                    await asyncio.sleep(SECONDS)
                    return ""

                async def press(screen: Terminal = screen) -> str:
                    return spread(await keys(screen, KEYS))

                quiet = await figures(screen, watch)
                pressed = await figures(screen, press)
            mb = memory_mb(screen)
            print(f"{size[0]:3}x{size[1]}: {quiet[0]:4.1f} % of a core, {quiet[1]:5.1f} kB/s", end="; ")
            print(f"with keys {pressed[0]:4.1f} %, {pressed[1]:5.1f} kB/s, {pressed[2]}; {mb:.0f} MB")


async def devices() -> None:
    """The devices view: with looks at the devices alone, and with the whole load."""
    for size in SIZES:
        told = []
        for only in ("device.sample", ""):
            async with watched(busy_box, size) as (daemon, screen):
                screen.type("2")
                async with daemon.at_work(only):
                    await asyncio.sleep(SETTLE_SECONDS)

                    async def watch() -> str:
                        await asyncio.sleep(SECONDS)
                        return ""

                    cpu, sent, _ = await figures(screen, watch)
                told.append(f"{cpu:4.1f} % of a core, {sent:4.1f} kB/s")
        print(f"devices view at {size[0]:3}x{size[1]}: {told[0]}; beside the streams {told[1]}")


async def link() -> None:
    for rate in (125_000, 32_000):
        async with watched(busy_box, (120, 36)) as (daemon, screen):
            async with daemon.at_work(), screen.on_a_line_of(rate):
                await asyncio.sleep(SETTLE_SECONDS)

                async def press(screen: Terminal = screen) -> str:
                    return spread(await keys(screen, KEYS))

                cpu, sent, told = await figures(screen, press)
            print(f"120x36 on a line of {rate / 1000:.0f} kB/s: {cpu:4.1f} %, {sent:4.1f} kB/s, {told}")


async def idle() -> None:
    async with watched(busy_box, (120, 36)) as (_, screen):
        await asyncio.sleep(SETTLE_SECONDS)

        async def wait() -> str:
            await asyncio.sleep(10)
            return ""

        cpu, sent, _ = await figures(screen, wait)
        print(f"nothing happens: {cpu:.1f} % of a core, {10_000 * sent:.0f} bytes in 10 s, {memory_mb(screen):.0f} MB")


async def many() -> None:
    async with watched(crowd, (120, 36)) as (daemon, screen):
        await asyncio.sleep(SETTLE_SECONDS)
        took = await keys(screen, KEYS)

        async def flood() -> str:
            for number in range(10_000):
                daemon.change_slot(f"{QUIET}{number % 900 + 1:02}", state=("offline", "ready")[number // 900 % 2])
                if number % 100 == 0:
                    await asyncio.sleep(0.05)
            return ""

        cpu, sent, _ = await figures(screen, flood)
        await asyncio.sleep(SETTLE_SECONDS)
        print(f"1,000 slots: {spread(took)}; 10,000 events: {cpu:.0f} %, {sent:.0f} kB/s", end="; ")
        before = len(screen.output)
        began = time.monotonic()
        screen.type("4")
        await screen.until(lambda output: b" to ready" in output[before:])
        print(f"then the events view after {1000 * (time.monotonic() - began):.0f} ms, {memory_mb(screen):.0f} MB")


async def hours() -> None:
    with tempfile.TemporaryDirectory(prefix="hal0-bench-") as folder:
        path = Path(folder) / "hours"
        write_hours(path, 2)
        seen = []
        async with terminal("--replay", str(path), "--speed", "60", size=(120, 36), answers=True) as screen:
            await screen.shows(f"{QUIET}01")
            while b"REPLAY ENDED" not in screen.output:
                await asyncio.sleep(5)
                seen.append(memory_mb(screen))
                screen.output = screen.output[-200_000:]
        print(f"two hours of {STREAMS} streams in {5 * len(seen)} s, MB every 5 s:", *(f"{mb:.0f}" for mb in seen))


PARTS = {"idle": idle, "load": load, "devices": devices, "link": link, "many": many, "hours": hours}

if __name__ == "__main__":
    for part in sys.argv[1:] or PARTS:
        asyncio.run(PARTS[part]())
