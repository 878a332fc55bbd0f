"""One clock paints: at once after a pause, together in a rush, never without a change."""

import asyncio
from itertools import pairwise
from pathlib import Path

from hal0.tui.clock import PaintClock
from hal0.wire import TokenBatch
from tests.tui.live import live
from tests.tui.samples import busy_state, default_state


async def test_the_first_change_is_painted_at_once_and_a_rush_in_frames() -> None:
    painted: list[float] = []
    loop = asyncio.get_running_loop()
    clock = PaintClock(lambda: painted.append(loop.time()), frames_per_second=20)
    begin = loop.time()
    while loop.time() < begin + 0.52:
        clock.wake()
        await asyncio.sleep(0.001)
    assert painted[0] - begin < 0.03
    assert 5 <= len(painted) <= 12
    assert all(later - earlier >= 0.045 for earlier, later in pairwise(painted))


async def test_nothing_is_painted_without_a_change() -> None:
    painted: list[int] = []
    PaintClock(lambda: painted.append(1), frames_per_second=100)
    await asyncio.sleep(0.1)
    assert not painted


async def test_a_key_paints_now_and_what_was_due_is_done_with_it() -> None:
    painted: list[int] = []
    clock = PaintClock(lambda: painted.append(1), frames_per_second=5)
    clock.now()
    clock.wake()
    clock.now()
    assert len(painted) == 2
    await asyncio.sleep(0.25)
    assert len(painted) == 2


async def test_an_idle_dashboard_draws_no_frame(tmp_path: Path) -> None:
    async with live(tmp_path, default_state()) as both:
        await both.until(lambda: both.dashboard.store.link.latency_ms is not None)
        await both.pilot.pause(0.3)
        frames = both.dashboard.frames
        await both.pilot.pause(2.2)
        assert both.dashboard.frames == frames


async def test_a_flood_of_tokens_is_painted_in_few_frames(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        frames = both.dashboard.frames
        begin = asyncio.get_running_loop().time()
        for number in range(200):
            batch = TokenBatch(id="8841", text=f"w{number} ", tokens=number, tokens_per_second=200.0)
            both.daemon.publish("request.tokens", batch)
            await asyncio.sleep(0.005)
        await both.sees("w199")
        seconds = asyncio.get_running_loop().time() - begin
        assert both.dashboard.frames - frames <= seconds * 8 + 3
