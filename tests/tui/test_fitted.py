"""The dashboard fits its terminal: fewer colours and frames on a slow link, a rate by hand, the mouse or none."""

import re
from pathlib import Path

import pytest

from hal0.tui.app import Dashboard
from hal0.tui.client import Address, Client
from hal0.tui.clock import SURE_ANSWERS, Pace
from hal0.tui.fitted import MOUSE_MODES, SPARING_RATE
from hal0.tui.look import ANSI, Look
from tests.fakes.daemon import FakeDaemon
from tests.tui.live import live
from tests.tui.samples import busy_state, default_state
from tests.tui.terminal import Terminal, terminal

OWN_COLOURS = b"38;2;"
SLOW_TOLD = b"the terminal answers in more than 250 ms"


def answered(pace: Pace, seconds: float, times: int = SURE_ANSWERS) -> None:
    for begin in range(0, times * 10, 10):
        assert pace.displayed(begin)
        pace.answered(begin + seconds)


# The pace ------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("seconds", "is_slow"), [(0.01, False), (0.24, False), (0.26, True), (2.0, True)])
def test_a_link_is_slow_when_frames_take_long_again_and_again(seconds: float, is_slow: bool) -> None:
    pace = Pace(8)
    answered(pace, seconds, SURE_ANSWERS - 1)
    assert not pace.is_slow
    answered(pace, seconds, 1)
    assert pace.is_slow == is_slow


def test_one_large_frame_makes_no_slow_link() -> None:
    pace = Pace(8)
    answered(pace, 0.6, 1)
    answered(pace, 0.01, 20)
    assert not pace.is_slow


def test_a_limit_counts_at_once_and_the_link_still_does() -> None:
    pace = Pace(8)
    assert pace.shown is None
    pace.limit(4)
    assert pace.shown is None
    pace.limit(4, by_hand=True)
    assert pace.shown == pytest.approx(4)
    answered(pace, 0.01, 20)
    pace.limit(10, by_hand=True)
    assert pace.frames_per_second == pytest.approx(10)
    answered(pace, 0.4, 60)
    assert pace.frames_per_second == pytest.approx(2.0)


# Keys ----------------------------------------------------------------------------------------------------------------
async def test_plus_and_minus_change_the_rate_from_2_to_10(tmp_path: Path) -> None:
    async with live(tmp_path, default_state(), (160, 30)) as both:
        pace = both.dashboard.clock.pace
        await both.press("plus")
        assert pace.most == pytest.approx(10)
        await both.sees("10fps", "at most 10 frames a second")
        await both.press("plus")
        assert pace.most == pytest.approx(10)
        rates = []
        for _ in range(8):
            await both.press("minus")
            rates.append(round(pace.most))
        assert rates == [8, 6, 5, 4, 3, 2, 2, 2]
        await both.sees("2fps")
        await both.press("3", "equals_sign")
        await both.sees("3fps")


async def test_v_gives_the_mouse_to_the_terminal_and_takes_it_back(tmp_path: Path) -> None:
    async with live(tmp_path, default_state(), (100, 30)) as both:
        written: list[str] = []
        driver = both.dashboard._driver
        assert driver is not None
        driver.write = written.append  # type: ignore[method-assign,assignment]
        await both.press("v")
        await both.sees("the mouse is the terminal's")
        assert written == ["".join(f"\x1b[?{mode}l" for mode in MOUSE_MODES)]
        assert not driver._mouse
        await both.press("v")
        await both.sees("the mouse is taken back")
        assert written[1:] == ["".join(f"\x1b[?{mode}h" for mode in MOUSE_MODES)]


async def test_the_mouse_is_left_alone_by_option_or_setting_until_v(tmp_path: Path) -> None:
    (tmp_path / "hal0").mkdir()
    (tmp_path / "hal0" / "tui.toml").write_text("mouse = false\n")
    async with FakeDaemon(busy_state(), tmp_path / "s"):
        arguments = ("--socket", str(tmp_path / "s"))
        async with terminal(*arguments, "--no-mouse") as screen:
            await screen.shows("rerank")
            assert b"\x1b[?1003h" not in screen.output
            screen.type("v")
            await screen.shows("\x1b[?1003h")
            screen.type("q")
            await screen.process.wait()
            assert b"\x1b[?1003l" in screen.output[screen.output.index(b"\x1b[?1003h") :], "the terminal gets it back"
        async with terminal(*arguments, XDG_CONFIG_HOME=str(tmp_path)) as screen:
            await screen.shows("rerank")
            assert b"\x1b[?1003h" not in screen.output
        async with terminal(*arguments, "--mouse", XDG_CONFIG_HOME=str(tmp_path)) as screen:
            await screen.shows("\x1b[?1003h")


# The link ------------------------------------------------------------------------------------------------------------
async def until_repainted(screen: Terminal) -> bytes:
    """What is written for a key pressed now and for all that is on its way before."""
    begin = len(screen.output)
    screen.type("\x07")
    await screen.until(lambda output: b"READ ONLY" in output[begin:], seconds=60)
    return screen.output[begin:]


async def test_on_a_slow_link_colours_and_frames_are_spared_and_that_is_told_once(tmp_path: Path) -> None:
    async with (
        FakeDaemon(busy_state(), tmp_path / "s") as daemon,
        terminal("--socket", str(tmp_path / "s"), size=(140, 36), answers=True, answer_seconds=0.5) as screen,
    ):
        await screen.shows("rerank")
        assert OWN_COLOURS in screen.output
        for number in range(1_000):
            if SLOW_TOLD in screen.output:
                break
            name = f"other-{number}"
            daemon.change_slot("draft", model=name)
            await screen.shows(name)
        assert b"few colours" in screen.output
        later = await until_repainted(screen)
        assert OWN_COLOURS not in later
        assert screen.output.count(SLOW_TOLD) == 1
        assert re.search(rb"[1-5]fps", screen.output)


@pytest.mark.parametrize(
    ("theme", "theme_is_chosen", "rate", "worn", "most"),
    [
        ("hal0-dark", False, None, ANSI, SPARING_RATE),
        ("hal0-dark", True, None, "hal0-dark", SPARING_RATE),
        ("hal0-light", True, 10.0, "hal0-light", 10.0),
        (ANSI, False, 3.0, ANSI, 3.0),
    ],
)
async def test_what_was_asked_for_is_kept_on_a_slow_link(
    tmp_path: Path, theme: str, theme_is_chosen: bool, rate: float | None, worn: str, most: float
) -> None:
    dashboard = Dashboard(
        Client(Address(tmp_path / "s")), Look.of(theme), frames_per_second=rate, theme_is_chosen=theme_is_chosen
    )
    async with dashboard.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        answered(dashboard.clock.pace, 0.5)
        dashboard.heard()
        assert dashboard.view.look.theme == worn
        assert dashboard.clock.pace.most == pytest.approx(most)
        is_told = dashboard.store.notice is not None and SLOW_TOLD.decode() in dashboard.store.notice.text
        assert is_told == (worn != theme or rate is None)
        dashboard.wear("hal0-dark")
        dashboard.heard()
        assert dashboard.view.look.theme == "hal0-dark"


async def test_a_theme_chosen_meanwhile_stays(tmp_path: Path) -> None:
    async with live(tmp_path, default_state()) as both:
        await both.press("colon", *"theme hal0-contrast", "enter")
        await both.until(lambda: both.dashboard.view.look.theme == "hal0-contrast")
        answered(both.dashboard.clock.pace, 0.5)
        both.dashboard.heard()
        assert both.dashboard.clock.pace.most == pytest.approx(SPARING_RATE)
        assert both.dashboard.view.look.theme == "hal0-contrast"
