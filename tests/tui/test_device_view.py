"""The devices view: graphs and lanes on one axis of time, a cursor in the past, one device large."""

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from hal0.tui.app import Dashboard
from hal0.tui.screens.devices import DeviceView
from hal0.tui.screens.home import Home
from hal0.tui.widgets.graphs import shares
from hal0.wire import PastView
from tests.tui.live import live
from tests.tui.pictures import screen_lines, screen_text
from tests.tui.samples import CPU, GPU0, LOST_GPU, MEMORY, NOW, SHARED_GPU, busy_state
from tests.tui.still import load, remember_an_hour, settle, showing

SIZES = [(40, 12), (60, 16), (80, 24), (120, 36), (200, 60)]


async def opened(pilot: Pilot[None]) -> DeviceView:
    assert isinstance(pilot.app, Dashboard)
    remember_an_hour(pilot.app)
    await pilot.press("2")
    await settle(pilot)
    assert isinstance(pilot.app.screen, DeviceView)
    return pilot.app.screen


def told(pilot: Pilot[None], word: str, number: int = 0) -> str:
    """The line of the screen that has the word, without its frame."""
    return [line for line in screen_lines(pilot.app) if f"{word} " in line][number]


@pytest.mark.parametrize("size", SIZES)
async def test_the_selected_device_has_four_graphs_with_scale_and_unit_at_every_size(size: tuple[int, int]) -> None:
    async with showing(busy_state(), size) as pilot:
        await opened(pilot)
        await pilot.press("j")
        await settle(pilot)
        text = screen_text(pilot.app)
        for figure in ("97%", "20.1/24G", "71/100°C", "338/"):
            assert figure in text, figure
        assert text.count("▌G0") == 1


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("keys", [[], ["left_curly_bracket"], ["t"], ["enter"]])
async def test_one_column_is_the_same_moment_in_graphs_lanes_and_times(size: tuple[int, int], keys: list[str]) -> None:
    """A moment at which the device, and a slot, changed at once: the changes are one below the other."""
    async with showing(busy_state(), size) as pilot:
        screen = await opened(pilot)
        store, moment = screen.store, NOW - 200
        store.past.devices.clear()
        for second in range(290, 0, -1):
            cpu = CPU.model_copy(update={"utilisation": 1.0 if NOW - second >= moment else 0.0})
            store.past.note_devices(NOW - second, [cpu, MEMORY])
        slot = store.slots["embed"].model_copy(update={"state": "serving", "since": moment})
        store.slots = {"embed": slot}
        store.past.keep_only(())
        store.past.note_slot(slot, NOW)
        await pilot.press(*keys)
        screen.mark_scrolled()
        assert isinstance(pilot.app, Dashboard)
        pilot.app.paint_now()
        await settle(pilot)
        lines = screen_lines(pilot.app)
        graph = next(line for line in lines if " util " in line)
        begins = graph.rindex("▁") + 1
        lane = next(line for line in lines if line.startswith(" embed"))
        cursor = screen.devices.axis.cursor
        assert lane.index("█") == begins
        start, end = screen.devices.axis.bounds(begins - _left(size[0]))
        assert start - 1 <= moment <= end + 1
        if cursor is not None:
            assert next(line for line in lines if "▲" in line).index("▲") == _left(size[0]) + cursor


def _left(width: int) -> int:
    return 11 if width < 60 else 18 if width < 110 else 24


async def test_what_a_device_does_not_report_is_said_and_not_drawn() -> None:
    async with showing(busy_state(devices=[CPU, MEMORY, LOST_GPU]), (80, 24)) as pilot:
        await opened(pilot)
        assert told(pilot, "power").split() == ["▌", "power", "not", "reported", "-"]
        pilot.app.screen.store.past.devices.pop("gpu1")  # type: ignore[attr-defined]
        await pilot.press("j")
        await settle(pilot)
        text = screen_text(pilot.app)
        assert text.count("not reported (GPU is lost)") == 4


async def test_the_figures_are_those_of_the_moment_under_the_cursor_and_0_is_live_again() -> None:
    async with showing(busy_state(devices=[CPU, MEMORY, GPU0]), (120, 36)) as pilot:
        screen = await opened(pilot)
        past = screen.store.past
        past.devices.clear()
        for second in range(1800, 0, -1):
            then = {"utilisation": 0.25, "memory_used_bytes": 6 * 2**30, "temperature_c": 44.0, "power_w": 99.0}
            now = {"utilisation": 0.97, "memory_used_bytes": 20 * 2**30, "temperature_c": 71.0, "power_w": 338.0}
            past.note_devices(NOW - second, [GPU0.model_copy(update=then if second > 900 else now)])
        past.speeds.clear()
        past.note_speeds(NOW - 1024, {"chat-l": 58.2})
        await pilot.press("j")
        for _ in range(48):
            await pilot.press("left_square_bracket")
        await settle(pilot)
        text = screen_text(pilot.app)
        for figure in ("25%", "6.0/24G", "44/100°C", "99/400W", "12:13:", "−17m", "▲", "58.2/s"):
            assert figure in text, f"{figure}\n{text}"
        assert told(pilot, " vision").split()[-1] == "-", "it was not seen then"
        await pilot.press("0")
        await settle(pilot)
        text = screen_text(pilot.app)
        for figure in ("97%", "20.1/24G", "71/100°C", "338/400W", "61.4/s"):
            assert figure in text
        assert "▲" not in text


async def test_the_cursor_goes_back_and_on_by_one_and_by_ten_and_shows_its_column_in_reverse() -> None:
    async with showing(busy_state(), (80, 24)) as pilot:
        screen = await opened(pilot)
        cells = screen.devices.axis.count
        places = []
        for key in ("left_square_bracket", "left", "left_curly_bracket", "right_curly_bracket", "right_square_bracket"):
            await pilot.press(key)
            places.append(cells - 1 - (screen.devices.axis.cursor or 0))
        assert places == [1, 2, 12, 2, 1]
        await settle(pilot)
        column = _left(80) + cells - 2
        lanes = screen.lanes.region.y
        for row in (*range(2, 10), *range(lanes + 1, lanes + 8)):
            style = screen.get_style_at(column, row)
            assert style.reverse, f"row {row}"
        await pilot.press("right", "right")
        assert screen.scrub.at is None


async def test_what_is_new_comes_in_while_one_looks_at_the_past(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(), (120, 36)) as both:
        await both.press("2", "left_square_bracket", "left_square_bracket")
        await both.sees("▲")
        screen = both.dashboard.screen
        assert isinstance(screen, DeviceView)
        at = screen.scrub.at
        cooler = GPU0.model_copy(update={"power_w": 99.0})
        both.daemon.publish("device.sample", {"devices": [cooler.model_dump()], "slots": {}})
        await both.until(lambda: both.dashboard.store.devices["gpu0"].power_w == 99.0)
        assert screen.scrub.at == at
        await both.press("0")
        await both.sees(" 99/")


async def test_a_letter_and_a_click_select_a_device(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(devices=[CPU, MEMORY, SHARED_GPU, LOST_GPU]), (120, 36)) as both:
        await both.press("2")
        await both.sees("▌CPU")
        await both.press("grave_accent", "d")
        await both.sees("▌G1")
        await both.pilot.click("#devices", offset=(30, 9))
        await both.sees("▌G0")


async def test_t_goes_through_the_time_scales(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.press("2")
        await both.sees(" 30m ")
        for seen in (" 1h ", " 5m ", " 30m "):
            await both.press("t")
            await both.sees(seen)


@pytest.mark.parametrize("key", ["enter", "z"])
async def test_one_device_gets_all_the_room_and_escape_takes_it_back(tmp_path: Path, key: str) -> None:
    async with live(tmp_path, busy_state(), (120, 36)) as both:
        await both.press("2", "j", key)
        await both.sees("devices › NVIDIA GeForce RTX 4090", "20.1/24G")
        assert "CPU  " not in both.screen
        await both.press("k")
        await both.sees("devices › AMD EPYC 9B14")
        await both.press("escape")
        await both.sees("▌CPU", " G0 4090")
        await both.press("left_square_bracket", "escape")
        assert isinstance(both.dashboard.screen, DeviceView)
        await both.press("escape")
        assert isinstance(both.dashboard.screen, Home)


async def test_the_hour_before_the_dashboard_was_there_is_fetched(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        both.daemon.past = PastView(
            step_seconds=5.0,
            end=NOW // 5 * 5 + 5,
            devices={"cpu": {"utilisation": [0.11] * 700}, "new": {"unheard of": [1.0]}},
            slots={"vision": "e" * 700, "gone": "r" * 700},
        )
        both.daemon.publish("gap", {})  # the dashboard asks for everything anew
        await both.until(lambda: both.daemon.calls.count(("GET", "/api/history")) == 2)
        await both.press("2", *["left_curly_bracket"] * 3)
        await both.sees("11%", "✖ error")
        assert "gone" not in both.dashboard.store.past.lanes


async def test_a_daemon_without_a_past_is_no_problem(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        await both.daemon.wait_for_call("GET", "/api/history")
        await both.press("2")
        await both.sees("97%")
        assert both.dashboard.store.link.phase == "live"


async def test_nothing_is_drawn_while_nothing_changes() -> None:
    async with showing(busy_state(devices=[CPU, MEMORY, SHARED_GPU]), (120, 36)) as pilot:
        screen = await opened(pilot)
        drawn: list[object] = []
        for pane in screen.panes():
            pane.refresh = _noting(drawn)  # type: ignore[method-assign]
        screen.store.mark("devices", "slots", "time")
        assert isinstance(pilot.app, Dashboard)
        pilot.app.paint_now()
        assert drawn == []
        screen.store.past.note_devices(NOW, [CPU.model_copy(update={"utilisation": 0.1})])
        screen.store.mark("devices")
        pilot.app.paint_now()
        assert drawn


def _noting(drawn: list[object]) -> Callable[..., None]:
    def refresh(*regions: object, **options: object) -> None:
        drawn.append(regions)

    return refresh


async def test_a_state_that_comes_again_leaves_the_cursor_where_it_is() -> None:
    async with showing(busy_state(), (80, 24)) as pilot:
        screen = await opened(pilot)
        await pilot.press("left_curly_bracket", "j")
        at = screen.scrub.at
        await load(pilot, busy_state())
        assert (screen.scrub.at, screen.devices.current.device.id) == (at, "gpu0")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("count", "at", "rows", "sizes"),
    [
        (0, 0, 10, []),
        (3, 1, 2, [0, 2, 0]),
        (3, 0, 5, [4, 1, 0]),
        (3, 1, 6, [1, 4, 1]),
        (3, 1, 9, [4, 4, 1]),
        (3, 2, 12, [4, 4, 4]),
        (3, 2, 17, [5, 5, 5]),
        (1, 0, 99, [32]),
    ],
)
def test_rows_go_to_the_selected_device_first(count: int, at: int, rows: int, sizes: list[int]) -> None:
    assert shares(count, at, rows) == sizes
