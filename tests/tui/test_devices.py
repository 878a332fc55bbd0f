"""The rows of the devices tell why a GPU is unknown, and which strangers hold its memory."""

from pathlib import Path

import pytest

from hal0.tui.app import Dashboard
from hal0.tui.device_facts import strangers
from hal0.tui.facts import DeviceSample, Fact
from hal0.tui.lines import width_of
from hal0.tui.look import UNICODE, Look
from hal0.tui.screens.devices import DeviceView
from hal0.tui.store import ALL_TOPICS, Store
from hal0.tui.view import View
from hal0.tui.widgets.device_lines import heat, one_line, remarks
from hal0.tui.widgets.devices import Devices
from hal0.tui.widgets.lanes import Lanes
from hal0.tui.widgets.pane import Pane
from hal0.wire import DeviceView as Device
from tests.tui.live import live
from tests.tui.pictures import assert_picture, screen_text
from tests.tui.samples import CPU, GPU0, LOST_GPU, MEMORY, NOW, SHARED_GPU, STRANGERS, busy_state
from tests.tui.still import remember_an_hour, settle, showing


def row(device: Device, width: int) -> str:
    store = Store()
    store.load(busy_state(devices=[CPU, MEMORY, device]))
    return "".join(text for text, _ in one_line(View(store, Look.of("hal0-dark")), device, None, width))


def test_as_many_strangers_are_named_as_fit_and_the_rest_is_counted() -> None:
    assert strangers(SHARED_GPU, 60) == "others: python3 4.1G, Xorg 212M, pid 77 -"
    assert strangers(SHARED_GPU, 40) == "others: python3 4.1G, Xorg 212M +1 more"
    assert strangers(SHARED_GPU, 30) == "others: python3 4.1G +2 more"
    assert strangers(SHARED_GPU, 20) == ""


def test_our_own_processes_and_those_of_the_cpu_are_no_strangers() -> None:
    ours = GPU0.model_validate(GPU0.model_dump() | {"processes": STRANGERS[:1]})
    assert strangers(ours, 99) == ""
    assert strangers(CPU.model_validate(CPU.model_dump() | {"processes": STRANGERS}), 99) == ""


def test_a_row_of_120_columns_tells_the_note_and_the_strangers() -> None:
    assert "others: python3 4.1G" in row(SHARED_GPU, 120)
    assert "GPU is lost" in row(LOST_GPU, 120)


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_a_row_is_never_wider_than_it_may_be(width: int) -> None:
    noted = SHARED_GPU.model_copy(update={"note": "memory in use: of the processes that can be seen"})
    assert len(row(noted, width)) <= max(width, 60)


@pytest.mark.parametrize("size", [(120, 24), (120, 36), (200, 60)])
async def test_note_and_strangers_are_on_the_screen_from_120_columns(size: tuple[int, int]) -> None:
    async with showing(busy_state(devices=[CPU, MEMORY, SHARED_GPU, LOST_GPU]), size) as pilot:
        text = screen_text(pilot.app)
        assert "GPU is lost" in text
        assert "others: python3 4.1G" in text


async def test_where_boxes_have_no_room_each_device_has_a_line() -> None:
    many = [GPU0.model_copy(update={"id": f"gpu{index}", "note": f"note {index}"}) for index in range(4)]
    async with showing(busy_state(devices=[CPU, MEMORY, *many]), (120, 30)) as pilot:
        pane = pilot.app.screen.query_one(Devices)
        lines = pane.paint(pane.size.width, pane.size.height)
        assert len(lines) == pane.size.height
        for index in range(4):
            [shown] = [line for line in screen_text(pilot.app).splitlines() if f" G{index} " in line]
            assert "97%" in shown
            assert "20.1/24G" in shown


@pytest.mark.parametrize("size", [(120, 36), (200, 60)])
async def test_five_devices_have_their_boxes_whole(size: tuple[int, int]) -> None:
    gpus = [GPU0.model_copy(update={"id": f"gpu{index}"}) for index in range(4)]
    async with showing(busy_state(devices=[CPU, MEMORY, *gpus]), size) as pilot:
        text = screen_text(pilot.app)
        assert text.count(" vram ") == 4
        assert text.count("71°C 338W") == 4


def test_the_limit_of_power_and_the_fan_are_told_where_there_is_room() -> None:
    card = GPU0.model_copy(update={"power_limit_w": 450.0, "fan_percent": 61.0})

    def told(width: int) -> str:
        return "".join(text for text, _ in heat(card, UNICODE, width))

    assert told(0) == "71°C 338W"
    assert told(13) == "71°C 338W"
    assert told(14) == "71°C 338/450W"
    assert told(24) == "71°C 338/450W fan 61%"


def test_slots_and_strangers_of_a_gpu_share_a_line_where_it_is_wide() -> None:
    said = ["".join(text for text, _ in spans) for spans in remarks(SHARED_GPU, 90)]
    assert said == ["slots: chat-l 12.2G  others: python3 4.1G, Xorg 212M, pid 77 -"]
    assert len(remarks(SHARED_GPU, 50)) == 2


async def test_from_the_devices_of_home_enter_opens_their_view_and_capital_y_copies_the_command(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(), (120, 36)) as both:
        await both.press("shift+tab", "Y")
        assert both.dashboard.clipboard == "hal0 status"
        await both.press("enter")
        assert isinstance(both.dashboard.screen, DeviceView)


async def test_home_draws_nothing_while_nothing_changes() -> None:
    async with showing(busy_state(devices=[CPU, MEMORY, SHARED_GPU]), (200, 60)) as pilot:
        assert isinstance(pilot.app, Dashboard)
        drawn: list[object] = []
        for pane in pilot.app.screen.query(Pane):
            pane.refresh = lambda *regions, **options: drawn.append(regions)  # type: ignore[method-assign]
        pilot.app.store.mark(*ALL_TOPICS)
        pilot.app.paint_now()
        assert drawn == []
        busier = GPU0.model_copy(update={"utilisation": 0.11})
        pilot.app.store.reduce(Fact(1, NOW, "device.sample", DeviceSample((CPU, MEMORY, busier), {})))
        pilot.app.paint_now()
        assert drawn


def test_a_hostile_name_of_a_process_stays_on_its_line() -> None:
    hostile = [{"pid": 1, "name": "a\x1b[2Jb\nc", "memory_bytes": 2**30}]
    gpu = GPU0.model_validate(GPU0.model_dump() | {"processes": hostile})
    boxed = "".join(text for spans in remarks(gpu, 60) for text, _ in spans)
    for shown in (row(gpu, 160), boxed):
        assert "others: " in shown
        assert "\x1b" not in shown
        assert "\n" not in shown


def cards(*changes: dict[str, object]) -> list[Device]:
    return [GPU0.model_copy(update={"id": f"gpu{index}", **change}) for index, change in enumerate(changes)]


FOUR = cards(
    {"power_limit_w": 450.0, "fan_percent": 61.0},
    {"utilisation": 0.12, "processes": SHARED_GPU.processes},
    {"utilisation": None, "memory_used_bytes": None, "temperature_c": None, "power_w": None, "note": "GPU is lost"},
    {"name": "NVIDIA RTX A4000", "utilisation": 0.0, "memory_used_bytes": 2**30, "processes": []},
)


@pytest.mark.parametrize(("count", "size", "beside"), [
    (1, (200, 60), False), (2, (200, 60), True), (4, (200, 60), True), (5, (200, 60), False),
    (2, (200, 40), False), (2, (160, 60), False), (4, (170, 45), True),
])  # fmt: skip
async def test_two_to_four_gpus_stand_side_by_side_where_there_is_room(
    count: int, size: tuple[int, int], beside: bool
) -> None:
    gpus = [*FOUR, GPU0.model_copy(update={"id": "gpu4"})][:count]
    async with showing(busy_state(devices=[CPU, MEMORY, *gpus]), size) as pilot:
        pane = pilot.app.screen.query_one(Devices)
        lanes = pilot.app.screen.query_one(Lanes)
        assert pane.beside is beside
        assert (pane.size.width == size[0]) is beside
        assert lanes.region.y == pane.region.bottom if beside else lanes.region.y == pane.region.y
        lines = pane.paint(pane.size.width, pane.size.height)
        assert len(lines) == pane.size.height
        assert all(width_of(spans) <= pane.size.width for spans in lines)
        text = screen_text(pilot.app)
        assert "AMD EPYC" in text or " CPU " in text
        for index in range(count):
            assert f" G{index} " in text
        if beside:
            firsts = [row for row in text.splitlines() if row.count(" util ") == count]
            assert len(firsts) == 1, "one row has the work of them all"


async def test_a_box_of_a_gpu_tells_its_figures_and_who_is_on_it() -> None:
    async with showing(busy_state(devices=[CPU, MEMORY, *FOUR]), (200, 60)) as pilot:
        text = screen_text(pilot.app)
        for told in ("71°C 338/450W fan 61%", "others: python3 4.1G", "GPU is lost", "free 23.0G", "RTX A4000"):
            assert told in text
        await pilot.press("shift+tab", "z")
        await settle(pilot)
        assert not pilot.app.screen.query_one(Devices).beside, "alone on the screen it has graphs"
        await pilot.press("z")
        await settle(pilot)
        assert pilot.app.screen.query_one(Devices).beside


async def test_picture_of_gpus_side_by_side() -> None:
    async with showing(busy_state(devices=[CPU, MEMORY, *FOUR]), (200, 60)) as pilot:
        assert isinstance(pilot.app, Dashboard)
        remember_an_hour(pilot.app)
        pilot.app.paint_now()
        await settle(pilot)
        assert_picture(pilot.app, "gpus-beside-200x60")
