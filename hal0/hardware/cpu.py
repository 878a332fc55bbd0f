"""The processor and the memory of the machine, as devices of the dashboard.

Utilisation is the share of time between two looks; where our control group has a memory limit, that is the memory.
"""

import time
from collections.abc import Callable
from pathlib import Path

from hal0.hardware.cgroup import find_cgroup
from hal0.hardware.cpu_sensors import CpuSensors
from hal0.hardware.facts import Facts, read_meminfo
from hal0.hardware.files import as_number
from hal0.wire import DeviceView

LIMITED = "the limit of hal0's control group"
TICKS_APART = 10  # of each processor, 0.1 s: over less than that they tell 0 or 100 percent


class CpuMeter:
    """Remembers the processor's clock ticks of the last look."""

    def __init__(self, facts: Facts, *, root: Path = Path("/"), clock: Callable[[], float] = time.monotonic) -> None:
        self._facts = facts
        self._root = root
        self._cgroup = find_cgroup(root)
        self._sensors = CpuSensors(root, clock=clock)
        self._ticks = self._read_ticks()
        self._share: float | None = None

    def sample(self) -> list[DeviceView]:
        """The devices now. The first look tells the utilisation since the meter was made."""
        return [
            DeviceView(
                id="cpu",
                kind="cpu",
                name=self._facts.cpu_model,
                utilisation=self._utilisation(),
                temperature_c=self._sensors.temperature_c(),
                power_w=self._sensors.power_w(),
                clock_mhz=self._sensors.clock_mhz(),
                cores=self._facts.physical_cores,
            ),
            self._memory(),
        ]

    def _utilisation(self) -> float | None:
        """Since the last look, or as of then if that was just now; None: not known."""
        before, now = self._ticks, self._read_ticks()
        if now is None or before is None:
            self._ticks, self._share = now, None
            return None
        spent, passed = now[0] - before[0], now[1] - before[1]
        if not 0 <= passed < TICKS_APART * self._facts.logical_cpus:
            self._ticks = now
            self._share = min(1.0, max(0.0, spent / passed)) if passed > 0 else None
        return self._share

    def _read_ticks(self) -> tuple[int, int] | None:
        """Busy and all clock ticks since boot; None: the kernel does not say.

        Time that a hypervisor took away is neither busy nor idle; that of our own guests is user time already.
        """
        try:
            with (self._root / "proc/stat").open(errors="replace") as file:
                words = [as_number(word) for word in file.readline().split()[1:8]]
        except OSError:
            return None
        ticks = [word for word in words if word is not None]
        if len(ticks) < max(4, len(words)):
            return None
        idle = sum(ticks[3:5])  # idle and waiting for a disk
        return sum(ticks) - idle, sum(ticks)

    def _memory(self) -> DeviceView:
        sizes = read_meminfo(self._root)
        total = sizes.get("MemTotal")
        available = sizes.get("MemAvailable", sizes.get("MemFree"))
        used = total - available if total is not None and available is not None else None
        limit, note = self._cgroup.memory_limit_bytes(), ""
        if limit is not None and total is not None and limit < total:
            total, used, note = limit, self._cgroup.memory_used_bytes(), LIMITED
        return DeviceView(
            id="memory", kind="memory", name="RAM", memory_used_bytes=used, memory_total_bytes=total, note=note
        )
