"""Who holds memory of the GPUs, and how busy the engines are, from /proc."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from hal0.hardware.clients import RESCAN_SECONDS, Clients, Use
from tests.fakes.clock import Clock
from tests.hardware.gpu_trees import ARC, MIB, XTX, gpu_file
from tests.hardware.trees import plant

ALL = ("",)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def held(use: Use) -> dict[int, int | None]:
    return {process.pid: process.memory_bytes for process in use.processes(ALL)}


def test_a_client_counts_once_however_often_its_file_is_open(tmp_path: Path, clock: Clock) -> None:
    keys = "drm-memory-vram:\t100 MiB\ndrm-engine-gfx:\t0 ns\n"
    for pid, descriptor in ((50, 3), (50, 4), (51, 3)):  # duplicated, and inherited by a child
        gpu_file(tmp_path, pid, descriptor, XTX, 9, keys)
    clients = Clients(root=tmp_path, clock=clock)
    use = clients.look([XTX])[XTX]
    assert held(use) == {50: 100 * MIB}
    assert use.memory_bytes(ALL) == 100 * MIB
    clock.advance(1)
    for pid, descriptor in ((50, 3), (50, 4), (51, 3)):
        gpu_file(tmp_path, pid, descriptor, XTX, 9, keys.replace("\t0 ns", "\t300000000 ns"))
    assert clients.look([XTX])[XTX].busy == pytest.approx(0.3)


def test_a_client_is_seen_for_as_long_as_one_of_its_files_is_open(tmp_path: Path, clock: Clock) -> None:
    for pid, descriptor in ((50, 3), (50, 4), (51, 3)):
        gpu_file(tmp_path, pid, descriptor, XTX, 9, "drm-memory-vram:\t100 MiB\n")
    clients = Clients(root=tmp_path, clock=clock)
    assert held(clients.look([XTX])[XTX]) == {50: 100 * MIB}
    (tmp_path / "proc/50/fdinfo/3").unlink()
    gpu_file(tmp_path, 50, 4, XTX, 10, "drm-memory-vram:\t7 MiB\n")  # closed, and opened anew
    clock.advance(1)
    assert held(clients.look([XTX])[XTX]) == {50: 7 * MIB, 51: 100 * MIB}


def test_the_same_number_on_another_gpu_is_another_client(tmp_path: Path, clock: Clock) -> None:
    gpu_file(tmp_path, 50, 3, XTX, 9, "drm-memory-vram:\t1 MiB\n")
    gpu_file(tmp_path, 50, 4, ARC, 9, "drm-memory-vram:\t2 MiB\n")
    uses = Clients(root=tmp_path, clock=clock).look([XTX, ARC])
    assert (held(uses[XTX]), held(uses[ARC])) == ({50: MIB}, {50: 2 * MIB})


def test_clients_of_one_process_add_up(tmp_path: Path, clock: Clock) -> None:
    for number in range(3):
        gpu_file(tmp_path, 50, number, XTX, number, "drm-memory-vram:\t1024 KiB\n")
    assert held(Clients(root=tmp_path, clock=clock).look([XTX])[XTX]) == {50: 3 * MIB}


def test_the_largest_holder_is_named_first_and_a_holder_of_nothing_not_at_all(tmp_path: Path, clock: Clock) -> None:
    for pid, size in ((50, 10), (51, 900), (52, 0)):
        gpu_file(tmp_path, pid, 3, XTX, pid, f"drm-memory-vram:\t{size} KiB\n", name=f"holder of {size}")
    use = Clients(root=tmp_path, clock=clock).look([XTX])[XTX]
    assert [process.name for process in use.processes(ALL)] == ["holder of 900", "holder of 10"]


@pytest.mark.parametrize(
    ("keys", "size"),
    [
        ("drm-total-vram0:\t4096\n", 4096),
        ("drm-memory-vram:\t4 KiB\n", 4096),
        ("drm-total-vram:\t8 KiB\ndrm-resident-vram:\t4 KiB\ndrm-memory-vram:\t6 KiB\n", 4096),
        ("drm-total-vram:\t8 KiB\ndrm-shared-vram:\t1 KiB\ndrm-active-vram:\t2 KiB\n", 8192),
        ("drm-memory-vram:\tmuch\namd-memory-visible-vram:\t1 KiB\n", 0),
    ],
)
def test_what_is_in_memory_now_counts_in_the_words_of_each_driver(
    tmp_path: Path, clock: Clock, keys: str, size: int
) -> None:
    gpu_file(tmp_path, 50, 3, XTX, 9, keys)
    assert Clients(root=tmp_path, clock=clock).look([XTX])[XTX].memory_bytes(ALL) == size


def test_the_busiest_kind_of_engine_tells_how_busy_the_gpu_is(tmp_path: Path, clock: Clock) -> None:
    def run(render_ms: int, video_ms: int) -> None:
        for pid in (50, 51):
            keys = f"drm-engine-render:\t{render_ms}000000 ns\ndrm-engine-video:\t{video_ms}000000 ns\n"
            gpu_file(tmp_path, pid, 3, ARC, pid, keys + "drm-engine-capacity-video:\t2\n")

    clients = Clients(root=tmp_path, clock=clock)
    run(0, 0)
    assert clients.look([ARC])[ARC].busy is None
    clock.advance(1)
    run(200, 300)
    assert clients.look([ARC])[ARC].busy == pytest.approx(0.4)
    clock.advance(1)
    run(1200, 1300)
    assert clients.look([ARC])[ARC].busy == 1.0


def test_a_look_right_after_another_tells_the_memory_of_now_and_the_load_of_then(tmp_path: Path, clock: Clock) -> None:
    def run(spent_ms: int, held_mib: int) -> Use:
        keys = f"drm-engine-render:\t{spent_ms}000000 ns\ndrm-memory-vram:\t{held_mib} MiB\n"
        gpu_file(tmp_path, 50, 3, ARC, 9, keys)
        return clients.look([ARC])[ARC]

    clients = Clients(root=tmp_path, clock=clock)
    run(0, 1)
    clock.advance(1)
    run(500, 1)
    clock.advance(0.004)
    use = run(504, 2)
    assert (use.busy, held(use)) == (pytest.approx(0.5), {50: 2 * MIB})
    clock.advance(0.996)
    assert run(700, 2).busy == pytest.approx(0.2)


def test_a_counter_that_falls_behind_counts_again_when_it_has_caught_up(tmp_path: Path, clock: Clock) -> None:
    clients = Clients(root=tmp_path, clock=clock)
    shares = []
    for spent_ms in (500, 400, 700):
        gpu_file(tmp_path, 50, 3, ARC, 9, f"drm-engine-render:\t{spent_ms}000000 ns\n")
        shares.append(clients.look([ARC])[ARC].busy)
        clock.advance(1)
    assert shares == [None, 0.0, pytest.approx(0.2)]


def test_a_new_holder_is_found_within_some_seconds_and_an_old_one_drops_out_at_once(
    tmp_path: Path, clock: Clock
) -> None:
    gpu_file(tmp_path, 50, 3, XTX, 1, "drm-memory-vram:\t1 MiB\n")
    clients = Clients(root=tmp_path, clock=clock)
    clients.look([XTX])
    gpu_file(tmp_path, 60, 3, XTX, 2, "drm-memory-vram:\t2 MiB\n")
    (tmp_path / "proc/50/fdinfo/3").unlink()
    clock.advance(1)
    assert held(clients.look([XTX])[XTX]) == {}
    clock.advance(RESCAN_SECONDS)
    assert held(clients.look([XTX])[XTX]) == {60: 2 * MIB}


def test_a_descriptor_that_became_something_else_is_no_client(tmp_path: Path, clock: Clock) -> None:
    gpu_file(tmp_path, 50, 3, XTX, 1, "drm-memory-vram:\t1 MiB\n")
    clients = Clients(root=tmp_path, clock=clock)
    clients.look([XTX])
    plant(tmp_path, {"proc/50/fdinfo/3": "pos:\t0\nflags:\t02\nmnt_id:\t9\n"})
    assert clients.look([XTX])[XTX] == Use(names={50: "program50"})


def test_strange_entries_are_passed_over(tmp_path: Path, clock: Clock) -> None:
    gpu_file(tmp_path, 50, 3, XTX, 1, "drm-memory-vram:\t1 MiB\n")
    gpu_file(tmp_path, 50, 4, XTX, 3, "drm-memory-vram:\t4 MiB\n")
    (tmp_path / "proc/50/fd/4").unlink()
    (tmp_path / "proc/50/fd/4").symlink_to("/dev/accel/accel0")  # an NPU
    (tmp_path / "proc/51").mkdir()  # ended while we look
    (tmp_path / "proc/52").mkdir()
    (tmp_path / "proc/52/fd").write_text("no folder")
    gpu_file(tmp_path, 53, 3, XTX, 2, "drm-memory-vram:\t2 MiB\n")
    (tmp_path / "proc/53/fdinfo/3").unlink()
    use = Clients(root=tmp_path, clock=clock).look([XTX])[XTX]
    assert (held(use), use.complete) == ({50: MIB}, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_a_process_of_somebody_else_makes_the_picture_incomplete(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    hidden = tmp_path / "proc/50/fd"
    hidden.mkdir(parents=True)
    hidden.chmod(0o700)
    program = (
        "import os, sys; from pathlib import Path; from hal0.hardware.clients import Clients; "
        "clients = Clients(root=Path('.')); os.setuid(65534); print(clients.look(['x'])['x'].complete)"
    )
    for folder in (tmp_path.parent, tmp_path.parent.parent):
        folder.chmod(0o755)
    command = [sys.executable, "-c", program]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"
