"""The rows of the devices tell why a GPU is unknown, and which strangers hold its memory."""

import pytest

from hal0.tui.look import Look
from hal0.tui.store import Store
from hal0.tui.view import View
from hal0.tui.widgets.devices import Devices, one_line, remarks, strangers
from hal0.wire import DeviceView
from tests.tui.pictures import screen_text
from tests.tui.samples import CPU, GPU0, LOST_GPU, MEMORY, SHARED_GPU, STRANGERS, busy_state
from tests.tui.still import showing


def row(device: DeviceView, width: int) -> str:
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


async def test_without_room_the_figures_stay_and_the_remarks_go() -> None:
    many = [GPU0.model_copy(update={"id": f"gpu{index}", "note": f"note {index}"}) for index in range(4)]
    async with showing(busy_state(devices=[CPU, MEMORY, *many]), (120, 30)) as pilot:
        pane = pilot.app.screen.query_one(Devices)
        lines = pane.paint(pane.size.width, pane.size.height)
        assert len(lines) == pane.size.height
        assert all(f"G{index}" in screen_text(pilot.app) for index in range(3))
        assert "note 0" not in screen_text(pilot.app)


def test_a_hostile_name_of_a_process_stays_on_its_line() -> None:
    hostile = [{"pid": 1, "name": "a\x1b[2Jb\nc", "memory_bytes": 2**30}]
    gpu = GPU0.model_validate(GPU0.model_dump() | {"processes": hostile})
    boxed = "".join(text for spans in remarks(gpu, 60) for text, _ in spans)
    for shown in (row(gpu, 160), boxed):
        assert "others: " in shown
        assert "\x1b" not in shown
        assert "\n" not in shown
