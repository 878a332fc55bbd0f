"""The processor and the memory of the machine, as devices of the dashboard.

Utilisation is the share of time between two looks; where our control group has a memory limit, that is the memory.
"""

from contextlib import suppress
from pathlib import Path

from hal0.daemon.hardware.cgroup import find_cgroup
from hal0.daemon.hardware.facts import Facts, read_meminfo
from hal0.wire import DeviceView

CPU_SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "cputemp")
CPU_ZONES = ("x86_pkg_temp", "cpu-thermal", "cpu_thermal", "soc_thermal")


class CpuMeter:
    """Remembers the processor's clock ticks of the last look."""

    def __init__(self, facts: Facts, *, root: Path = Path("/")) -> None:
        self._facts = facts
        self._root = root
        self._cgroup = find_cgroup(root)
        self._thermometer = _find_thermometer(root)
        self._busy, self._total = self._ticks()

    def sample(self) -> list[DeviceView]:
        """The devices now. The first look tells the utilisation since the meter was made."""
        return [
            DeviceView(
                id="cpu",
                kind="cpu",
                name=self._facts.cpu_model,
                utilisation=self._utilisation(),
                temperature_c=self._temperature(),
                cores=self._facts.physical_cores,
            ),
            self._memory(),
        ]

    def _utilisation(self) -> float | None:
        busy, total = self._ticks()
        spent, passed = busy - self._busy, total - self._total
        self._busy, self._total = busy, total
        return min(1.0, max(0.0, spent / passed)) if passed > 0 else None

    def _ticks(self) -> tuple[int, int]:
        """Busy and all clock ticks since boot.

        Time that a hypervisor took away is neither busy nor idle; that of our own guests is user time already.
        """
        try:
            with (self._root / "proc/stat").open() as file:
                ticks = [int(word) for word in file.readline().split()[1:8]]
        except (OSError, ValueError):
            return 0, 0
        idle = sum(ticks[3:5])  # idle and waiting for a disk
        return sum(ticks) - idle, sum(ticks)

    def _memory(self) -> DeviceView:
        sizes = read_meminfo(self._root)
        total = sizes.get("MemTotal")
        available = sizes.get("MemAvailable", sizes.get("MemFree"))
        used = total - available if total is not None and available is not None else None
        limit = self._cgroup.memory_limit_bytes()
        if limit is not None and total is not None and limit < total:
            total, used = limit, self._cgroup.memory_used_bytes()
        return DeviceView(id="memory", kind="memory", name="RAM", memory_used_bytes=used, memory_total_bytes=total)

    def _temperature(self) -> float | None:
        if self._thermometer is not None:
            with suppress(OSError, ValueError):
                return int(self._thermometer.read_text()) / 1000
        return None


def _find_thermometer(root: Path) -> Path | None:
    """The first sensor of a processor; sensors have no order, so the name decides."""
    for folder, names, value in (
        (root / "sys/class/hwmon", CPU_SENSORS, "temp1_input"),
        (root / "sys/class/thermal", CPU_ZONES, "temp"),
    ):
        for sensor in sorted(folder.iterdir()) if folder.is_dir() else []:
            for label in ("name", "type"):
                with suppress(OSError):
                    if (sensor / label).read_text().strip() in names and (sensor / value).exists():
                        return sensor / value
    return None
