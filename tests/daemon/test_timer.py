import asyncio
from typing import Any

import pytest

from hal0.daemon.timer import Timer


class Rings:
    """A timer, and when it rang."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.at: list[float] = []
        self.timer = Timer(lambda: self.at.append(self.loop.time()))

    async def after(self, seconds: float) -> list[float]:
        """When it had rung by the time that another one rings, set for so long from now."""
        other = asyncio.Event()
        Timer(other.set).set(self.loop.time() + seconds)
        await other.wait()
        return self.at


async def test_a_timer_rings_once_and_not_too_early() -> None:
    rings = Rings()
    due = rings.loop.time() + 0.02
    rings.timer.set(due)
    (at,) = await rings.after(0.1)
    assert at >= due - 0.002


async def test_a_timer_that_was_cleared_or_closed_does_not_ring() -> None:
    cleared, closed = Rings(), Rings()
    for rings in (cleared, closed):
        rings.timer.set(rings.loop.time() + 0.02)
    cleared.timer.clear()
    closed.timer.close()
    closed.timer.close()
    assert await cleared.after(0.1) == closed.at == []


async def test_a_timer_that_is_moved_rings_at_its_last_time_alone() -> None:
    later, earlier = Rings(), Rings()
    now = later.loop.time()
    later.timer.set(now + 0.01)
    later.timer.set(now + 0.06)
    earlier.timer.set(now + 3600)
    earlier.timer.set(now + 0.01)
    await later.after(0.2)
    assert (len(later.at), len(earlier.at)) == (1, 1)
    assert later.at[0] >= now + 0.058


async def test_a_timer_may_be_set_again_after_it_was_cleared_and_after_it_rang() -> None:
    rings = Rings()
    rings.timer.set(rings.loop.time() + 0.02)
    rings.timer.clear()
    rings.timer.set(rings.loop.time() + 0.03)
    assert len(await rings.after(0.1)) == 1
    rings.timer.set(rings.loop.time() + 0.01)
    assert len(await rings.after(0.1)) == 2


async def test_setting_and_clearing_a_timer_for_each_of_many_requests_makes_one_of_the_loops(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop, made = asyncio.get_running_loop(), []
    call_at = loop.call_at

    def counted(*args: Any) -> asyncio.TimerHandle:
        made.append(args)
        return call_at(*args)

    monkeypatch.setattr(loop, "call_at", counted)
    timer = Timer(lambda: None)
    for _ in range(1_000):
        timer.set(loop.time() + 300)
        timer.clear()
    assert len(made) == 1
    timer.close()
