from pathlib import Path

import pytest

from hal0.hardware.drm import DrmMeter
from hal0.hardware.gpus import find_cards
from hal0.hardware.kfd import ComputeProcesses
from hal0.wire import DeviceView, GpuProcess
from tests.fakes.clock import Clock
from tests.hardware.gpu_trees import (
    GIB,
    MIB,
    NAMES,
    STRIX,
    XTX,
    compute_nodes,
    compute_process,
    gpu_file,
    rx_7900_xtx,
    strix_halo,
)
from tests.hardware.trees import plant


@pytest.fixture
def clock() -> Clock:
    return Clock()


def meter(root: Path, clock: Clock) -> DrmMeter:
    return DrmMeter(find_cards(root), root=root, clock=clock)


def view(root: Path, clock: Clock) -> DeviceView:
    [device] = meter(root, clock).sample()
    return device


def test_a_card_tells_everything(tmp_path: Path, clock: Clock) -> None:
    plant(tmp_path, NAMES)
    rx_7900_xtx(tmp_path)
    gpu_file(tmp_path, 4242, 7, XTX, 1, f"drm-memory-vram:\t{19 * GIB // 1024} KiB\n", name="llama-server")
    assert view(tmp_path, clock) == DeviceView(
        id="gpu0",
        kind="gpu",
        name="AMD Radeon RX 7900 XTX",
        vendor="amd",
        driver="amdgpu",
        utilisation=0.97,
        memory_used_bytes=20 * GIB,
        memory_total_bytes=24 * GIB - 16 * MIB,
        temperature_c=61.0,
        power_w=338.0,
        power_limit_w=339.0,
        clock_mhz=2304.0,
        memory_clock_mhz=1249.0,
        fan_percent=40.0,
        fan_rpm=1480,
        processes=[GpuProcess(pid=4242, name="llama-server", memory_bytes=19 * GIB)],
    )


def test_an_apu_computes_in_its_carve_out_and_in_what_the_kernel_lends(tmp_path: Path, clock: Clock) -> None:
    strix_halo(tmp_path)
    keys = f"drm-memory-vram:\t100 MiB\ndrm-memory-gtt: \t{58 * 1024} MiB\ndrm-memory-cpu: \t7000 MiB\n"
    gpu_file(tmp_path, 4242, 7, STRIX, 1, keys)
    device = view(tmp_path, clock)
    assert device.unified
    assert device.memory_total_bytes == 110 * GIB + 512 * MIB
    assert device.memory_used_bytes == 60 * GIB + 200 * MIB
    assert (device.carved_total_bytes, device.carved_used_bytes) == (512 * MIB, 200 * MIB)
    assert [process.memory_bytes for process in device.processes] == [58 * GIB + 100 * MIB]
    assert (device.power_w, device.fan_rpm, device.power_limit_w) == (81.0, None, None)


def test_an_apu_of_an_older_kernel_is_known_by_its_voltage(tmp_path: Path, clock: Clock) -> None:
    device = strix_halo(tmp_path)
    (device / "gpu_metrics").unlink()
    assert not view(tmp_path, clock).unified
    plant(device, {"hwmon/hwmon4/in1_label": "vddnb\n"})
    assert view(tmp_path, clock).unified


def test_memory_that_a_card_borrows_is_not_the_cards(tmp_path: Path, clock: Clock) -> None:
    rx_7900_xtx(tmp_path)
    gpu_file(tmp_path, 4242, 7, XTX, 1, "drm-memory-vram:\t100 MiB\ndrm-memory-gtt: \t900 MiB\n")
    assert [process.memory_bytes for process in view(tmp_path, clock).processes] == [100 * MIB]


def test_processes_of_others_that_compute_are_named_and_nobody_counts_twice(tmp_path: Path, clock: Clock) -> None:
    rx_7900_xtx(tmp_path)
    strix_halo(tmp_path, number=1)
    compute_nodes(tmp_path, (51230, XTX), (7, STRIX))
    gpu_file(tmp_path, 10, 7, XTX, 1, "drm-memory-vram:\t900 MiB\n", name="mine")
    gpu_file(tmp_path, 11, 7, XTX, 2, "drm-memory-vram:\t10 MiB\n", name="rocm")
    compute_process(tmp_path, 10, {51230: 700 * MIB})
    compute_process(tmp_path, 11, {51230: 800 * MIB, 7: 3 * MIB})
    compute_process(tmp_path, 12, {51230: 50 * MIB, 7: 0}, name="of somebody")
    card, shared = meter(tmp_path, clock).sample()
    assert [(each.pid, each.name, each.memory_bytes) for each in card.processes] == [
        (10, "mine", 900 * MIB),
        (11, "rocm", 800 * MIB),
        (12, "of somebody", 50 * MIB),
    ]
    assert [(each.pid, each.memory_bytes) for each in shared.processes] == [(11, 3 * MIB)]


def test_a_card_far_out_on_the_bus_has_its_processes(tmp_path: Path) -> None:
    compute_nodes(tmp_path, (9, "0001:e3:1f.1"))
    compute_process(tmp_path, 12, {9: MIB})
    [holder] = ComputeProcesses(tmp_path).added_to([], "0001:e3:1f.1")
    assert (holder.pid, holder.memory_bytes) == (12, MIB)


@pytest.mark.parametrize("resting", ["pp_dpm_sclk", "pp_dpm_mclk"])
def test_busy_for_ever_is_not_believed_when_a_clock_rests(tmp_path: Path, clock: Clock, resting: str) -> None:
    device = strix_halo(tmp_path)
    plant(device, {"gpu_busy_percent": "100\n"})
    assert view(tmp_path, clock).utilisation == 1.0
    plant(device, {resting: "0: 200Mhz *\n1: 700Mhz \n2: 1200Mhz \n"})
    assert view(tmp_path, clock).utilisation is None
    plant(device, {"gpu_busy_percent": "99\n"})
    assert view(tmp_path, clock).utilisation == 0.99


def test_instead_the_engines_of_its_clients_tell_how_busy_it_is(tmp_path: Path, clock: Clock) -> None:
    device = strix_halo(tmp_path)
    plant(device, {"gpu_busy_percent": "100\n", "pp_dpm_sclk": "0: 200Mhz *\n1: 700Mhz \n"})
    gpu_file(tmp_path, 4242, 7, STRIX, 1, "drm-engine-gfx:\t1000000000 ns\n")
    look = meter(tmp_path, clock)
    look.sample()
    clock.advance(2)
    gpu_file(tmp_path, 4242, 7, STRIX, 1, "drm-engine-gfx:\t1500000000 ns\n")
    assert look.sample()[0].utilisation == pytest.approx(0.25)


def test_a_single_clock_step_says_nothing(tmp_path: Path, clock: Clock) -> None:
    device = rx_7900_xtx(tmp_path)
    plant(device, {"gpu_busy_percent": "100\n", "pp_dpm_mclk": "0: 1249Mhz *\n"})
    assert view(tmp_path, clock).utilisation == 1.0


def test_a_sleeping_card_is_not_woken_by_looking(tmp_path: Path, clock: Clock) -> None:
    device = rx_7900_xtx(tmp_path)
    plant(device, {"power/runtime_status": "suspended\n"})
    asleep = view(tmp_path, clock)
    assert (asleep.note, asleep.utilisation, asleep.temperature_c, asleep.memory_used_bytes) == (
        "asleep",
        None,
        None,
        None,
    )
    assert asleep.memory_total_bytes == 24 * GIB - 16 * MIB


def test_a_card_whose_driver_is_gone_is_unknown_and_comes_back(tmp_path: Path, clock: Clock) -> None:
    device = rx_7900_xtx(tmp_path)
    look = meter(tmp_path, clock)
    uevent = (device / "uevent").read_text()
    (device / "uevent").write_text(uevent.replace("DRIVER=amdgpu\n", ""))
    (device / "hwmon/hwmon5").rename(device / "hwmon/hwmon11")
    [gone] = look.sample()
    assert (gone.id, gone.utilisation, gone.temperature_c) == ("gpu0", None, None)
    assert gone.note == "gone: amdgpu does not drive it any more"
    (device / "uevent").write_text(uevent)
    [back] = look.sample()
    assert (back.utilisation, back.temperature_c, back.note) == (0.97, 61.0, "")


def test_unreadable_and_strange_files_cost_their_values_only(tmp_path: Path, clock: Clock) -> None:
    device = rx_7900_xtx(tmp_path)
    for name in ("gpu_busy_percent", "hwmon/hwmon5/power1_average", "hwmon/hwmon5/freq1_input"):
        (device / name).unlink()
        (device / name).mkdir()
    plant(device, {"hwmon/hwmon5/temp1_input": "N/A\n", "mem_info_vram_used": "", "hwmon/hwmon5/pwm1": "\x00\n"})
    seen = view(tmp_path, clock)
    assert (seen.utilisation, seen.power_w, seen.clock_mhz, seen.memory_used_bytes, seen.fan_percent) == (None,) * 5
    assert seen.temperature_c == 78.0  # the junction's
    assert seen.memory_clock_mhz == 1249.0
