from pathlib import Path

import pytest

from hal0.hardware.cpu import CpuMeter
from hal0.hardware.facts import read_facts
from hal0.wire import DeviceView
from tests.fakes.clock import Clock
from tests.hardware.trees import LAPTOP, POWERCAP, TWO_SOCKETS, plant

GIB = 2**30


def meter(root: Path, **files: str) -> CpuMeter:
    plant(root, {**LAPTOP, **files})
    return CpuMeter(read_facts(root), root=root)


def cpu_of(devices: list[DeviceView]) -> DeviceView:
    return next(device for device in devices if device.id == "cpu")


def memory_of(devices: list[DeviceView]) -> DeviceView:
    return next(device for device in devices if device.id == "memory")


def test_utilisation_is_the_busy_share_between_two_looks(tmp_path: Path) -> None:
    look = meter(tmp_path)
    plant(tmp_path, {"proc/stat": "cpu  130 0 110 740 120 0 0 0 50 0\n"})  # 40 busy of 100, 20 waiting for a disk
    assert cpu_of(look.sample()).utilisation == pytest.approx(0.4)
    plant(tmp_path, {"proc/stat": "cpu  230 0 110 740 120 0 0 0 50 0\n"})
    assert cpu_of(look.sample()).utilisation == 1.0


def test_a_look_right_after_another_tells_the_load_of_then(tmp_path: Path) -> None:
    look = meter(tmp_path)
    plant(tmp_path, {"proc/stat": "cpu  140 0 100 760 100 0 0 0\n"})
    assert cpu_of(look.sample()).utilisation == pytest.approx(0.4)
    plant(tmp_path, {"proc/stat": "cpu  142 0 100 760 100 0 0 0\n"})  # 8 processors, 2 clock ticks
    assert cpu_of(look.sample()).utilisation == pytest.approx(0.4)
    plant(tmp_path, {"proc/stat": "cpu  160 0 100 840 100 0 0 0\n"})
    assert cpu_of(look.sample()).utilisation == pytest.approx(0.2)


def test_a_processor_that_could_not_be_read_once_is_not_compared_with_the_start_of_the_machine(tmp_path: Path) -> None:
    look = meter(tmp_path)
    plant(tmp_path, {"proc/stat": "cpu  what\n"})
    assert cpu_of(look.sample()).utilisation is None
    plant(tmp_path, {"proc/stat": "cpu  1100 0 100 700 100 0 0 0\n"})
    assert cpu_of(look.sample()).utilisation is None
    plant(tmp_path, {"proc/stat": "cpu  1100 0 100 800 100 0 0 0\n"})
    assert cpu_of(look.sample()).utilisation == 0.0


def test_time_of_guests_and_of_other_machines_does_not_count_as_work(tmp_path: Path) -> None:
    look = meter(tmp_path)
    plant(tmp_path, {"proc/stat": "cpu  110 0 100 790 100 0 0 900 900 900\n"})
    assert cpu_of(look.sample()).utilisation == pytest.approx(0.1)


def test_no_time_between_two_looks_is_unknown_and_not_an_error(tmp_path: Path) -> None:
    assert cpu_of(meter(tmp_path).sample()).utilisation is None


def test_a_counter_that_went_back_does_not_show_nonsense(tmp_path: Path) -> None:
    look = meter(tmp_path)
    plant(tmp_path, {"proc/stat": "cpu  50 0 50 950 100 0 0 0 0 0\n"})
    assert cpu_of(look.sample()).utilisation == 0.0


def test_the_processor_is_named_with_its_cores_and_temperature(tmp_path: Path) -> None:
    cpu = cpu_of(meter(tmp_path).sample())
    assert (cpu.name, cpu.cores, cpu.temperature_c) == ("A Laptop", 4, 54.25)


def energy(first: int, second: int) -> dict[str, str]:
    return {f"{POWERCAP}intel-rapl:{n}/energy_uj": f"{value}\n" for n, value in enumerate((first, second))}


def test_the_power_of_all_packages_is_told_also_when_a_counter_begins_anew(tmp_path: Path) -> None:
    clock = Clock()
    plant(tmp_path, LAPTOP | TWO_SOCKETS | energy(262143328850 - 10_000_000, 5_000_000))
    look = CpuMeter(read_facts(tmp_path), root=tmp_path, clock=clock)
    assert cpu_of(look.sample()).power_w is None
    clock.advance(2)
    for part in ("intel-rapl:0:0", "intel-rapl:2", "intel-rapl-mmio:0"):
        plant(tmp_path, {f"{POWERCAP}{part}/energy_uj": "50000000\n"})
    plant(tmp_path, energy(110_000_000, 85_000_000))
    assert cpu_of(look.sample()).power_w == pytest.approx((120 + 80) / 2)
    clock.advance(2)
    (tmp_path / POWERCAP / "intel-rapl:1/energy_uj").unlink()
    assert cpu_of(look.sample()).power_w is None


def test_the_clock_is_that_of_the_fastest_core(tmp_path: Path) -> None:
    clocks = {
        f"sys/devices/system/cpu/cpufreq/policy{n}/scaling_cur_freq": f"{mhz}000\n" for n, mhz in enumerate((800, 5100))
    }
    plant(tmp_path, LAPTOP | clocks)
    assert cpu_of(meter(tmp_path).sample()).clock_mhz == 5100.0


def test_a_board_without_hwmon_has_a_thermal_zone(tmp_path: Path) -> None:
    plant(tmp_path, {"proc/stat": "cpu 1 1 1 1 1 1 1 1\n"})
    zone = "sys/class/thermal/thermal_zone0/"
    plant(tmp_path, {zone + "type": "cpu-thermal\n", zone + "temp": "61000\n"})
    assert cpu_of(CpuMeter(read_facts(tmp_path), root=tmp_path).sample()).temperature_c == 61.0


def test_memory_in_use_is_what_nobody_else_could_have(tmp_path: Path) -> None:
    memory = memory_of(meter(tmp_path).sample())
    assert (memory.memory_total_bytes, memory.memory_used_bytes) == (16_000_000 * 1024, 4_000_000 * 1024)


def test_in_a_container_its_limit_is_the_memory_and_the_file_cache_is_not_in_use(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/"
    look = meter(
        tmp_path,
        **{
            "proc/self/cgroup": "0::/\n",
            group + "cgroup.controllers": "memory\n",
            group + "memory.max": f"{2 * GIB}\n",
            group + "memory.current": f"{GIB}\n",
            group + "memory.stat": f"anon 1\ninactive_file {GIB // 4}\n",
        },
    )
    memory = memory_of(look.sample())
    assert (memory.memory_total_bytes, memory.memory_used_bytes) == (2 * GIB, GIB - GIB // 4)


def test_files_that_vanish_make_values_unknown(tmp_path: Path) -> None:
    look = meter(tmp_path)
    for name in ("proc/stat", "proc/meminfo", "sys/class/hwmon/hwmon1/temp1_input"):
        (tmp_path / name).unlink()
    cpu, memory = look.sample()
    assert (cpu.utilisation, cpu.temperature_c) == (None, None)
    assert (memory.memory_used_bytes, memory.memory_total_bytes) == (None, None)
