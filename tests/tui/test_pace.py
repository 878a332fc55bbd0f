"""Frames go out as fast as the terminal answers them; keys wait for none."""

import asyncio
import re
from pathlib import Path

import pytest
from textual.events import CursorPosition

from hal0.tui.clock import LOST_ANSWERS, PATIENCE_SECONDS, SLOWEST_FRAME_SECONDS, Pace, PaintClock
from hal0.wire import TokenBatch
from tests.fakes.daemon import FakeDaemon
from tests.tui.live import live
from tests.tui.samples import busy_state, default_state
from tests.tui.terminal import terminal


def test_a_frame_is_held_until_the_one_before_was_answered() -> None:
    pace = Pace(8)
    assert pace.displayed(0.0)
    assert pace.held_until(0.1) == 0.1  # nothing is known of the terminal yet
    pace.answered(0.02)
    assert pace.displayed(1.0)
    assert pace.held_until(1.1) == 1.0 + PATIENCE_SECONDS
    pace.answered(1.2)
    assert pace.held_until(1.2) == 1.2


def test_what_a_key_painted_meanwhile_is_asked_for_when_the_answer_came() -> None:
    pace = Pace(8)
    assert pace.displayed(0.0)
    assert not pace.displayed(0.1)
    assert not pace.displayed(0.2)
    assert pace.answered(0.3)
    assert not pace.answered(0.4)


@pytest.mark.parametrize(
    ("round_trip", "frames"), [(0.001, 8.0), (0.1, 8.0), (0.2, 4.0), (0.25, 3.2), (0.4, 2.0), (3.0, 2.0)]
)
def test_the_rate_follows_the_way_there_and_back(round_trip: float, frames: float) -> None:
    pace = Pace(8)
    assert pace.frames_per_second is None
    for begin in range(0, 200, 10):
        assert pace.displayed(begin)
        pace.answered(begin + round_trip)
    assert pace.frames_per_second == pytest.approx(frames)
    assert pace.is_slowed == (frames < 8)
    for begin in range(200, 600, 10):
        pace.displayed(begin)
        pace.answered(begin + 0.001)
    assert not pace.is_slowed


def test_a_rate_that_was_asked_for_is_never_exceeded() -> None:
    pace = Pace(1)
    pace.displayed(0)
    pace.answered(0.001)
    assert pace.frame_seconds == 1 > SLOWEST_FRAME_SECONDS


def test_a_terminal_that_never_answers_is_not_waited_for_and_soon_not_asked() -> None:
    pace = Pace(8)
    asked = 0
    for tick in range(200):
        now = tick / 8
        assert pace.held_until(now) == now
        asked += pace.displayed(now)
    assert asked == 1
    assert pace.frames_per_second is None


def test_one_that_stops_answering_is_given_up_after_some_frames_and_heard_again() -> None:
    pace = Pace(8)
    pace.displayed(0)
    pace.answered(0.3)
    now, asked = 1.0, 0
    for _ in range(10):
        asked += pace.displayed(now)
        now = pace.held_until(now) + 0.001
    assert asked == LOST_ANSWERS
    assert pace.held_until(now) == now
    assert not pace.is_waiting
    assert pace.frames_per_second is None
    pace.answered(now)
    assert pace.frames_per_second


async def test_the_clock_skips_frames_until_the_answer_and_keys_do_not() -> None:
    painted: list[str] = []
    clock = PaintClock(lambda: painted.append("frame"), frames_per_second=100)
    clock.displayed()
    clock.answered()
    clock.now()
    clock.displayed()
    for _ in range(20):
        clock.wake()
        await asyncio.sleep(0.01)
    assert len(painted) == 1
    clock.now()
    assert len(painted) == 2
    clock.wake()
    clock.answered()
    async with asyncio.timeout(10):
        while len(painted) < 3:
            await asyncio.sleep(0.01)


async def test_the_dashboard_leaves_only_when_no_answer_is_on_its_way(tmp_path: Path) -> None:
    async with live(tmp_path, default_state()) as both:
        both.dashboard.clock.displayed()
        await both.press("q")
        assert both.dashboard.is_running
        both.dashboard.post_message(CursorPosition(0, 0))
        await both.until(lambda: not both.dashboard.is_running)


async def talk(daemon: FakeDaemon) -> None:
    """More text than a slow line can take."""
    for number in range(100_000):
        for id in ("8841", "8843"):
            text = f"{number} {'abcdefghij'[number % 10] * 40}\n"
            daemon.publish("request.tokens", TokenBatch(id=id, text=text, tokens=number, tokens_per_second=50.0))
        await asyncio.sleep(0.02)


async def test_on_a_slow_line_a_key_waits_for_little_else(tmp_path: Path) -> None:
    """Counted in bytes, which do not depend on how busy the machine is."""
    async with (
        FakeDaemon(busy_state(), tmp_path / "s") as daemon,
        terminal("--socket", str(tmp_path / "s"), size=(120, 36), answers=True) as screen,
    ):
        await screen.shows("rerank")
        await daemon.wait_for_dashboard()
        async with screen.on_a_line_of(8_000):
            talking = asyncio.create_task(talk(daemon))
            begin = len(screen.output)
            await screen.until(lambda output: len(output) > begin + 24_000, seconds=60)
            before = len(screen.output)
            screen.type("\x07")
            await screen.until(lambda output: b"READ ONLY" in output[before:], seconds=60)
            talking.cancel()
        assert re.search(rb"[2-7]fps", screen.output)
    behind = screen.output.index(b"READ ONLY", before) - before
    assert behind < 10_000  # of some 30,000 that Textual lets pile up


async def test_the_first_line_tells_the_rate_only_if_the_terminal_answers(tmp_path: Path) -> None:
    async with FakeDaemon(busy_state(), tmp_path / "s") as daemon:
        for answers in (True, False):
            async with terminal("--socket", str(tmp_path / "s"), size=(120, 36), answers=answers) as screen:
                await screen.shows("rerank")
                for number in range(3):
                    name = f"other-{number}-{answers}"
                    daemon.change_slot("draft", model=name)
                    await screen.shows(name)
                assert (b"fps" in screen.output) == answers
