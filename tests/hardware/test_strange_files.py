"""Files that cannot be read, break off, vanish or say nonsense cost their own values, never a look."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hal0.hardware.cpu import CpuMeter
from hal0.hardware.drm import DrmMeter
from hal0.hardware.facts import read_facts
from hal0.hardware.gpus import find_cards
from hal0.hardware.processes import ProcessMeter
from hal0.hardware.room import free_memory_bytes
from hal0.wire import DeviceView
from tests.fakes.clock import Clock
from tests.hardware.gpu_trees import (
    NAMES,
    XTX,
    arc_a770_i915,
    arc_a770_xe,
    compute_nodes,
    compute_process,
    gpu_file,
    iris_xe,
    rx_7900_xtx,
    strix_halo,
)
from tests.hardware.trees import LAPTOP, POWERCAP, TWO_SOCKETS, plant, process

CARDS = (rx_7900_xtx, strix_halo, arc_a770_xe, arc_a770_i915, iris_xe)
CONTAINER = {
    "proc/self/cgroup": "4:memory:/a\n3:cpu,cpuacct:/a\n0::/b\n",
    "sys/fs/cgroup/memory/a/memory.limit_in_bytes": "1000000\n",
    "sys/fs/cgroup/memory/a/memory.usage_in_bytes": "1000\n",
    "sys/fs/cgroup/memory/a/memory.stat": "total_inactive_file 10\n",
    "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "200000\n",
    "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000\n",
}
SERVICE = {
    "proc/self/cgroup": "0::/b\n",
    "sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
    "sys/fs/cgroup/b/cgroup.controllers": "cpu memory\n",
    "sys/fs/cgroup/b/memory.max": "1000000\n",
    "sys/fs/cgroup/b/memory.current": "1000\n",
    "sys/fs/cgroup/b/memory.stat": "inactive_file 10\n",
    "sys/fs/cgroup/b/cpu.max": "200000 100000\n",
}


def write(data: bytes) -> Callable[[Path], None]:
    return lambda file: file.write_bytes(data) and None


def forbid(file: Path) -> None:
    """It cannot be opened, not even by root."""
    file.unlink()
    file.mkdir()


def break_off(file: Path) -> None:
    """It can be opened; reading it fails, as that of a device that went away."""
    file.unlink()
    file.symlink_to("/proc/self/mem")


DAMAGES = {
    "unreadable": forbid,
    "breaks off": break_off,
    "vanished": Path.unlink,
    "empty": write(b""),
    "no text": write(b"\xff\xfe\x00\x80"),
    "one line": write(b"\n"),
    "words": write(b"N/A : : x\nmax max max\n"),
    "no decimal digits": write("²³ kB\nMemTotal: ²\n".encode()),
    "negative": write(b"-1\n"),
    "too long a number": write(b"9" * 5000),
    "beyond a float": write(b"1e999\n"),
    "numbers": write(b"1:2:3\n9 9 9 9 9 9 9 9 9 9\n0 0\n"),
}


def files_of(root: Path) -> Iterator[Path]:
    return (file for file in sorted(root.rglob("*")) if file.is_file() and not file.is_symlink())


def check(devices: list[DeviceView]) -> None:
    """What is shown is a device, and plausible where it is known."""
    for device in devices:
        DeviceView.model_validate_json(device.model_dump_json())
        assert device.utilisation is None or 0 <= device.utilisation <= 1
        assert device.fan_percent is None or 0 <= device.fan_percent <= 100
        for size in (device.memory_used_bytes, device.memory_total_bytes):
            assert size is None or size >= 0


def card(make: Callable[[Path], Path], root: Path) -> None:
    plant(root, NAMES)
    device = make(root)
    address = device.name
    keys = "drm-memory-vram:\t4 MiB\ndrm-engine-gfx:\t5 ns\ndrm-cycles-ccs:\t5\ndrm-total-cycles-ccs:\t9\n"
    gpu_file(root, 50, 3, address, 1, keys)
    compute_nodes(root, (7, address))
    compute_process(root, 51, {7: 4096})


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("make", CARDS, ids=lambda make: make.__name__)
def test_of_a_gpu(tmp_path: Path, make: Callable[[Path], Path], damage: str) -> None:
    clock = Clock()
    root = tmp_path / "known"
    card(make, root)
    meter = DrmMeter(find_cards(root), root=root, clock=clock)
    for file in files_of(root):  # one after the other, until nothing is left in order
        DAMAGES[damage](file)
        clock.advance(10)
        check(meter.sample())
        check(DrmMeter(find_cards(root), root=root, clock=clock).sample())


def test_of_one_card_do_not_touch_another(tmp_path: Path) -> None:
    device = rx_7900_xtx(tmp_path, number=1)
    arc_a770_xe(tmp_path, number=2)
    meter = DrmMeter(find_cards(tmp_path), root=tmp_path)
    for file in files_of(device):
        if file.name not in ("uevent", "runtime_status"):
            break_off(file)
    broken, whole = meter.sample()
    assert (broken.utilisation, broken.temperature_c, broken.power_w, broken.fan_rpm) == (None,) * 4
    assert broken.memory_total_bytes is not None  # as it was found
    assert (whole.temperature_c, whole.fan_rpm, whole.clock_mhz) == (52.0, 1100, 2400.0)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("limits", [CONTAINER, SERVICE], ids=["version 1", "version 2"])
def test_of_the_machine(tmp_path: Path, limits: dict[str, str], damage: str) -> None:
    energy = {f"{POWERCAP}intel-rapl:{n}/energy_uj": "5\n" for n in (0, 1)}
    speed = {"sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq": "800000\n"}
    plant(tmp_path, LAPTOP | limits | TWO_SOCKETS | energy | speed)
    clock = Clock()
    meter = CpuMeter(read_facts(tmp_path), root=tmp_path, clock=clock)
    for file in files_of(tmp_path):
        DAMAGES[damage](file)
        clock.advance(10)
        check(meter.sample())
        facts = read_facts(tmp_path)
        assert facts.physical_cores >= 1
        check(CpuMeter(facts, root=tmp_path).sample())
        room = free_memory_bytes(tmp_path)
        assert room is None or room >= 0


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("file", ["stat", "status"])
def test_of_a_process(tmp_path: Path, file: str, damage: str) -> None:
    plant(tmp_path, process(10, group=10, pages=1) | process(11, group=10, pages=2))
    clock = Clock()
    meter = ProcessMeter(root=tmp_path, clock=clock)
    meter.sample({"a": 10})
    DAMAGES[damage](tmp_path / "proc/11" / file)
    for _ in range(2):
        clock.advance(10)
        usage = meter.sample({"a": 10, "b": 11})["a"]
        assert usage.memory_bytes > 0
        assert usage.cpu_percent == 0.0
        assert meter.group_of(10) == 10
        meter.group_of(11)


def test_a_folder_of_sensors_that_may_not_be_looked_into_is_none(tmp_path: Path) -> None:
    plant(tmp_path, LAPTOP)
    for name in ("hwmon1", "hwmon0"):
        for file in files_of(tmp_path / f"sys/class/hwmon/{name}"):
            file.unlink()
        (tmp_path / f"sys/class/hwmon/{name}").rmdir()
    (tmp_path / "sys/class/hwmon").rmdir()
    plant(tmp_path, {"sys/class/hwmon": "no folder"})
    [cpu, _] = CpuMeter(read_facts(tmp_path), root=tmp_path).sample()
    assert cpu.temperature_c is None


def test_nonsense_in_one_line_of_a_client_leaves_the_others(tmp_path: Path) -> None:
    rx_7900_xtx(tmp_path)
    keys = "drm-memory-gtt:\t² KiB\ndrm-engine-gfx:\t" + "9" * 5000 + " ns\ndrm-memory-vram:\t7 KiB\n"
    gpu_file(tmp_path, 50, 3, XTX, 1, keys)
    [device] = DrmMeter(find_cards(tmp_path), root=tmp_path).sample()
    assert [holder.memory_bytes for holder in device.processes] == [7 * 1024]
