"""Every size has a picture: the parts fit into the rows, and there is always room for a stream."""

from itertools import product

import pytest

from hal0.tui import layout
from hal0.tui.widgets.slots import GAP, GUTTER, fitting
from tests.tui.pictures import screen_lines
from tests.tui.samples import busy_state, device, slot, state
from tests.tui.still import lose, showing


def test_the_streams_always_get_their_share() -> None:
    for rows, slots, devices in product(range(14, 80), (0, 1, 2, 7, 40, 1000), (1, 2, 5, 18)):
        found = layout.heights(rows, slots=slots, slot_chrome=2, devices=devices, lanes=0, detail=0)
        left = rows - 2 - found.devices - found.table
        assert left >= 4, (rows, slots, devices)
        assert found.table >= 3, (rows, slots, devices)


def test_columns_never_need_more_than_their_width() -> None:
    wanted = {"slot": 12, "model": 24, "engine": 20, "state": 13, "kind": 9}
    for width in range(40, 240):
        chosen = fitting(width, wanted)
        assert GUTTER + sum(size + GAP for _, size in chosen) <= width
        assert {"slot", "state", "rate", "requests"} <= {column.id for column, _ in chosen}


@pytest.mark.parametrize(
    "size", [(40, 12), (20, 6), (60, 16), (80, 24), (100, 20), (120, 36), (169, 29), (200, 60), (300, 100)]
)
async def test_every_line_of_every_screen_has_the_width_of_the_terminal(size: tuple[int, int]) -> None:
    async with showing(busy_state(), size) as pilot:
        for keys in ([], ["tab"], ["tab"], ["z"], ["escape", "question_mark"], ["escape", "e"], ["escape", "1", "u"],
            ["escape", "2"], ["3"], ["tab"], ["4"], ["5"], ["6"]):  # fmt: skip
            await pilot.press(*keys)
            await pilot.pause()
            lines = screen_lines(pilot.app)
            assert len(lines) == size[1]
            assert all(len(line) <= size[0] for line in lines)
            assert lines[0].strip(), "the truth line is there at every size"


async def test_a_small_terminal_shows_one_pane_and_tab_goes_on() -> None:
    async with showing(busy_state(), (40, 12)) as pilot:
        seen = []
        for _ in range(3):
            seen.append(screen_lines(pilot.app)[1])
            await pilot.press("tab")
            await pilot.pause()
        assert "slots" in seen[0]
        assert "chat-l #8841" in seen[1]
        assert "devices" in seen[2]


async def test_resizing_places_the_same_panes_anew() -> None:
    async with showing(busy_state(), (80, 24)) as pilot:
        await pilot.resize_terminal(120, 36)
        await pilot.pause()
        assert any("lifecycle" in line for line in screen_lines(pilot.app))
        await pilot.resize_terminal(40, 12)
        await pilot.pause()
        assert len(screen_lines(pilot.app)) == 12
        await pilot.resize_terminal(80, 24)
        await pilot.pause()
        assert any("chat-l #8841" in line for line in screen_lines(pilot.app))


async def test_many_devices_and_slots_leave_room_for_the_stream() -> None:
    gpus = [device(f"gpu{n}", "gpu", name="NVIDIA H100", utilisation=0.5) for n in range(8)]
    crowded = state(slots=[slot(f"s{n}") for n in range(30)], devices=[*state().devices, *gpus])
    async with showing(crowded, (80, 24)) as pilot:
        lines = screen_lines(pilot.app)
        assert any("of 30" in line for line in lines)
        assert sum("stream" in line or "no request" in line for line in lines) >= 1


@pytest.mark.parametrize("size", [(40, 12), (60, 16), (80, 24), (200, 60)])
async def test_a_lost_daemon_is_told_at_every_size(size: tuple[int, int]) -> None:
    async with showing(busy_state(), size) as pilot:
        await lose(pilot)
        lines = screen_lines(pilot.app)
        assert "daemon not reachable" in lines[0]
        assert any("retry" in line for line in lines)
