from collections.abc import Callable
from pathlib import Path

import pytest

from hal0.hardware.drm import DrmMeter
from hal0.hardware.gpus import find_cards
from hal0.wire import DeviceView, GpuProcess
from tests.fakes.clock import Clock
from tests.hardware.gpu_trees import (
    ARC,
    GIB,
    IRIS,
    MIB,
    NAMES,
    arc_a770_i915,
    arc_a770_xe,
    gpu_file,
    iris_xe,
)
from tests.hardware.trees import plant


@pytest.fixture
def clock() -> Clock:
    return Clock()


def meter(root: Path, clock: Clock) -> DrmMeter:
    return DrmMeter(find_cards(root), root=root, clock=clock)


def xe_keys(vram_kib: int, *, compute: int, elapsed: int) -> str:
    return (
        f"drm-total-system:\t0\ndrm-total-vram0:\t{vram_kib + 4096} KiB\ndrm-resident-vram0:\t{vram_kib} KiB\n"
        "drm-resident-gtt:\t192 KiB\n"
        f"drm-cycles-rcs:\t5\ndrm-total-cycles-rcs:\t{elapsed}\n"
        f"drm-cycles-ccs:\t{compute}\ndrm-total-cycles-ccs:\t{elapsed}\ndrm-engine-capacity-ccs:\t2\n"
    )


def i915_keys(compute_ns: int) -> str:
    return (
        "drm-total-local0:\t9 GiB\ndrm-resident-local0:\t8192 MiB\ndrm-resident-system0:\t64 MiB\n"
        f"drm-engine-render:\t10 ns\ndrm-engine-compute:\t{compute_ns} ns\n"
    )


def test_an_arc_on_xe_tells_everything(tmp_path: Path, clock: Clock) -> None:
    plant(tmp_path, NAMES)
    device = arc_a770_xe(tmp_path)
    gpu_file(tmp_path, 50, 3, ARC, 9, xe_keys(8 * MIB, compute=1000, elapsed=100_000), name="llama-server")
    look = meter(tmp_path, clock)
    look.sample()
    clock.advance(2)
    gpu_file(tmp_path, 50, 3, ARC, 9, xe_keys(8 * MIB, compute=31_000, elapsed=200_000), name="llama-server")
    plant(device, {"hwmon/hwmon3/energy1_input": "1300000000\n"})
    assert look.sample() == [
        DeviceView(
            id="gpu0",
            kind="gpu",
            name="Intel Arc A770",
            vendor="intel",
            driver="xe",
            utilisation=0.15,
            memory_used_bytes=8 * GIB,
            memory_total_bytes=16 * GIB,
            temperature_c=52.0,
            power_w=150.0,
            power_limit_w=190.0,
            clock_mhz=2400.0,
            fan_rpm=1100,
            processes=[GpuProcess(pid=50, name="llama-server", memory_bytes=8 * GIB)],
        )
    ]


def test_an_arc_on_i915_has_other_files(tmp_path: Path, clock: Clock) -> None:
    device = arc_a770_i915(tmp_path)
    gpu_file(tmp_path, 50, 3, ARC, 9, i915_keys(0))
    look = meter(tmp_path, clock)
    look.sample()
    clock.advance(1)
    gpu_file(tmp_path, 50, 3, ARC, 9, i915_keys(400_000_000))
    plant(device, {"hwmon/hwmon3/energy1_input": "1100000000\n"})
    [seen] = look.sample()
    assert (seen.driver, seen.utilisation, seen.temperature_c, seen.clock_mhz) == ("i915", 0.4, 49.0, 2050.0)
    assert (seen.memory_used_bytes, seen.memory_total_bytes) == (8 * GIB, 16 * GIB)
    assert (seen.power_w, seen.power_limit_w) == (100.0, 225.0)  # no limit is set, so the rated one counts


def test_a_small_window_onto_the_memory_does_not_pass_for_all_of_it(tmp_path: Path, clock: Clock) -> None:
    arc_a770_i915(tmp_path, window_bytes=256 * MIB)
    [seen] = meter(tmp_path, clock).sample()
    assert seen.memory_total_bytes is None


def test_the_build_that_tells_its_memory_is_believed(tmp_path: Path, clock: Clock) -> None:
    device = arc_a770_i915(tmp_path, window_bytes=256 * MIB)
    plant(device, {"drm/card0/lmem_total_bytes": f"{16 * GIB}\n"})
    [seen] = meter(tmp_path, clock).sample()
    assert seen.memory_total_bytes == 16 * GIB


def test_graphics_in_the_processor_have_no_memory_of_their_own(tmp_path: Path, clock: Clock) -> None:
    plant(tmp_path, NAMES)
    iris_xe(tmp_path)
    gpu_file(tmp_path, 50, 3, IRIS, 9, "drm-resident-system0:\t700 MiB\ndrm-resident-stolen-system0:\t1 MiB\n")
    [seen] = meter(tmp_path, clock).sample()
    assert (seen.name, seen.unified, seen.memory_total_bytes) == ("Intel Iris Xe Graphics", True, None)
    assert (seen.memory_used_bytes, seen.clock_mhz) == (701 * MIB, 1100.0)
    assert seen.carved_total_bytes == 0


@pytest.mark.parametrize(
    ("make", "sleep"),
    [(arc_a770_xe, "tile0/gt0/gtidle/idle_residency_ms"), (arc_a770_i915, "drm/card0/gt/gt0/rc6_residency_ms")],
)
def test_where_no_client_is_seen_its_waking_time_counts(
    tmp_path: Path, clock: Clock, make: Callable[[Path], Path], sleep: str
) -> None:
    device = make(tmp_path)
    look = meter(tmp_path, clock)
    assert look.sample()[0].utilisation is None
    clock.advance(2)
    plant(device, {sleep: f"{int((device / sleep).read_text()) + 1500}\n"})
    assert look.sample()[0].utilisation == pytest.approx(0.25)


def test_an_energy_counter_that_began_anew_gives_no_power(tmp_path: Path, clock: Clock) -> None:
    device = arc_a770_xe(tmp_path)
    look = meter(tmp_path, clock)
    assert look.sample()[0].power_w is None
    clock.advance(1)
    plant(device, {"hwmon/hwmon3/energy1_input": "5\n"})
    assert look.sample()[0].power_w is None
    clock.advance(1)
    plant(device, {"hwmon/hwmon3/energy1_input": "60000005\n"})
    assert look.sample()[0].power_w == 60.0


def test_a_look_right_after_another_tells_the_power_of_then(tmp_path: Path, clock: Clock) -> None:
    device = arc_a770_xe(tmp_path)
    look = meter(tmp_path, clock)
    watts = []
    for passed, joules in ((0, 1000), (1, 1060), (0.004, 1062), (0.996, 1160)):
        clock.advance(passed)
        plant(device, {"hwmon/hwmon3/energy1_input": f"{joules}000000\n"})
        watts.append(look.sample()[0].power_w)
    assert watts == [None, 60.0, 60.0, pytest.approx(100.0)]


def test_a_card_with_nothing_to_read_is_shown_as_unknown(tmp_path: Path, clock: Clock) -> None:
    device = arc_a770_xe(tmp_path)
    look = meter(tmp_path, clock)
    for file in (*device.rglob("hwmon3/*"), *device.rglob("gt0/*/*"), device / "power/runtime_status"):
        file.unlink()
        file.mkdir()
    [seen] = look.sample()
    assert (seen.id, seen.name, seen.memory_total_bytes) == ("gpu0", "Intel GPU 56a0", 16 * GIB)
    assert (seen.utilisation, seen.temperature_c, seen.power_w, seen.power_limit_w, seen.clock_mhz) == (None,) * 5
