"""Who holds the memory of a device: the parts, their sums, and how they are drawn."""

from pathlib import Path

import pytest

from hal0.tui.lines import Line, width_of
from hal0.tui.look import ASCII, UNICODE, Glyphs
from hal0.tui.owners import Part, outstanding, parts_of
from hal0.tui.widgets.owners import listed, stacked
from hal0.wire import DeviceView
from tests.tui.live import live
from tests.tui.pictures import screen_text
from tests.tui.samples import CPU, GIB, MEMORY, SHARED_GPU, busy_state, slot
from tests.tui.still import settle, showing

MIB = 2**20


def gpu(used: int | None = 20 * GIB, total: int | None = 24 * GIB, *processes: dict[str, object]) -> DeviceView:
    return DeviceView.model_validate(
        {"id": "gpu0", "kind": "gpu", "name": "x", "memory_used_bytes": used, "memory_total_bytes": total,
         "processes": processes}
    )  # fmt: skip


def held(pid: int, size: int | None, slot: str = "", **more: str) -> dict[str, object]:
    return {"pid": pid, "memory_bytes": size, "slot": slot, **more}


def test_processes_of_a_slot_are_one_part_and_the_parts_add_up_to_what_is_in_use_and_to_all() -> None:
    device = gpu(
        20 * GIB, 24 * GIB,
        held(1, 9 * GIB, "big"), held(2, 4 * GIB, name="blender", user="ada"), held(3, 2 * GIB, "big"),
        held(4, 3 * GIB, "small"), held(5, None),
    )  # fmt: skip
    parts = parts_of(device, [])
    assert [(part.kind, part.name, part.size) for part in parts] == [
        ("slot", "big", 11 * GIB), ("slot", "small", 3 * GIB), ("stranger", "blender", 4 * GIB),
        ("stranger", "pid 5", None), ("rest", "", 2 * GIB), ("free", "", 4 * GIB),
    ]  # fmt: skip
    sizes = [(part.kind, part.size or 0) for part in parts]
    assert sum(size for _, size in sizes) == device.memory_total_bytes
    assert sum(size for kind, size in sizes if kind in ("slot", "stranger", "rest")) == device.memory_used_bytes


def test_what_was_promised_and_is_not_taken_is_apart_and_no_more_than_is_free() -> None:
    loading = slot("big", "warming", reserved_bytes={"gpu0": 6 * GIB, "memory": GIB}, gpu_bytes={"gpu0": 4 * GIB},
                   memory_bytes=3 * GIB, private_bytes=GIB // 4)  # fmt: skip
    assert outstanding(loading, "gpu0") == 2 * GIB
    assert outstanding(loading, "memory") == GIB - GIB // 4
    assert outstanding(loading, "gpu1") == 0
    waiting = slot("late", "starting", reserved_bytes={"gpu0": 9 * GIB})
    parts = parts_of(gpu(20 * GIB, 24 * GIB, held(1, 20 * GIB, "big")), [loading, waiting])
    assert [(part.kind, part.name, part.size) for part in parts[1:]] == [
        ("promised", "big", 2 * GIB), ("promised", "late", 2 * GIB), ("free", "", 0),
    ]  # fmt: skip
    full = loading.model_copy(update={"gpu_bytes": {"gpu0": 7 * GIB}})
    assert outstanding(full, "gpu0") == 0


def test_without_the_figures_of_the_device_only_its_holders_are_told() -> None:
    assert parts_of(gpu(None, 24 * GIB), [slot("x", reserved_bytes={"gpu0": GIB})]) == []
    assert [part.kind for part in parts_of(gpu(None, None, held(1, GIB, "x")), [])] == ["slot"]
    assert [part.kind for part in parts_of(gpu(2 * GIB, None, held(1, GIB, "x")), [])] == ["slot", "rest"]


def test_holders_that_share_memory_may_add_up_to_more_and_nothing_is_less_than_nothing() -> None:
    parts = parts_of(gpu(2 * GIB, 4 * GIB, held(1, 3 * GIB, "x"), held(2, 3 * GIB, "y")), [])
    assert [(part.kind, part.size) for part in parts] == [("slot", 3 * GIB), ("slot", 3 * GIB), ("free", 0)]


def drawn(spans: Line) -> str:
    return "".join(text for text, _ in spans)


@pytest.mark.parametrize("glyphs", [UNICODE, ASCII])
@pytest.mark.parametrize("width", [1, 7, 22, 51, 164])
def test_a_bar_is_as_wide_as_it_may_be_and_each_part_has_its_glyph(glyphs: Glyphs, width: int) -> None:
    kinds = ("slot", "stranger", "rest", "promised", "free")
    parts = [Part(kind, "x", 4 * GIB) for kind in kinds]
    bar = stacked(parts, 20 * GIB, width, glyphs)
    assert width_of(tuple(bar)) == width
    if width >= 22:
        assert [text[0] for text, _ in bar] == [glyphs.holders[kind] for kind in kinds]
        assert max(len(text) for text, _ in bar) - min(len(text) for text, _ in bar) <= 1
    assert width_of(tuple(stacked([Part("slot", "x", 9 * GIB)] * 5, GIB, width, glyphs))) == width


def test_two_slots_side_by_side_have_different_colours() -> None:
    bar = stacked([Part("slot", "a", GIB), Part("slot", "b", GIB)], 2 * GIB, 20, UNICODE)
    assert bar[0][1] != bar[1][1]


def test_the_list_has_pid_user_size_and_share_and_tells_the_sum_of_what_has_no_row() -> None:
    parts = [
        Part("slot", "chat", 12 * GIB), Part("stranger", "python3", 4 * GIB, 812, "grace"),
        Part("stranger", "Xorg", 212 * MIB, 7), Part("stranger", "pid 9", None, 9), Part("free", "", 4 * GIB),
    ]  # fmt: skip
    rows = [drawn(spans).split() for spans in listed(parts, 24 * GIB, 46, 9, UNICODE)]
    assert rows[1] == ["▓", "python3", "(pid", "812,", "grace)", "4.0G", "17%"]
    assert rows[3] == ["▓", "pid", "9", "-"]
    short = [drawn(spans).split() for spans in listed(parts, 24 * GIB, 46, 3, UNICODE)]
    assert short == [["█", "chat", "12.0G", "50%"], ["▓", "3", "more", "4.2G", "18%"], ["░", "free", "4.0G", "17%"]]
    wide = listed(parts, 24 * GIB, 140, 9, UNICODE)
    assert len(wide) == 2
    assert all(width_of(spans) <= 140 for spans in wide)


def test_a_hostile_name_of_a_program_stays_on_its_line() -> None:
    [spans] = listed([Part("stranger", "a\x1b[2J\nb", GIB, 7, "r\x07t")], 2 * GIB, 60, 3, UNICODE)
    assert not {"\x1b", "\n", "\x07"} & set(drawn(spans))


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 60)])
async def test_a_large_device_tells_its_slots_and_strangers_with_pid_and_user(size: tuple[int, int]) -> None:
    async with showing(busy_state(devices=[CPU, MEMORY, SHARED_GPU]), size) as pilot:
        await pilot.press("2", "j", "enter")
        await settle(pilot)
        text = screen_text(pilot.app)
        for told in ("G0 memory", "█ chat-l", "12.2G 51%", "python3 (pid 812, grace)", "unknown holders", "free"):
            assert told in text, told


async def test_memory_of_ram_is_told_too_and_y_copies_figures_and_command(tmp_path: Path) -> None:
    ram = MEMORY.model_copy(update={"processes": SHARED_GPU.processes})
    shown = busy_state(devices=[CPU, ram, SHARED_GPU])
    async with live(tmp_path, shown, (120, 36)) as both:
        await both.press("2", "enter")
        await both.sees("CPU memory", "python3 (pid 812, grace)")
        await both.press("y")
        assert both.dashboard.clipboard.endswith("cpu AMD EPYC 9B14: 97%, 5.1/24G, 48/100°C")
        await both.press("j", "Y")
        assert both.dashboard.clipboard == "hal0 status"
