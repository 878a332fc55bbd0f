"""How hot the processor is, what it draws and how fast it runs, where the kernel says so.

Its energy is told to root alone since it was found to betray secrets (PLATYPUS, 2020), unless a machine's owner allows
more; virtual machines have none of these.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from hal0.hardware.files import find, read_amount, read_number, read_text
from hal0.hardware.rates import Rates

SENSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "cputemp")
ZONES = ("x86_pkg_temp", "cpu-thermal", "cpu_thermal", "soc_thermal")
MOST_CLOCKS = 16  # of so many groups of cores the fastest is told


class CpuSensors:
    """The files are found once; what they say is read at each look."""

    def __init__(self, root: Path, *, clock: Callable[[], float]) -> None:
        self._thermometer = _find_thermometer(root)
        self._packages = _find_packages(root)
        self._clocks = find(root / "sys/devices/system/cpu/cpufreq", "policy*/scaling_cur_freq")[:MOST_CLOCKS]
        self._rates = Rates(clock)

    def temperature_c(self) -> float | None:
        value = read_number(self._thermometer) if self._thermometer is not None else None
        return None if value is None else value / 1000

    def power_w(self) -> float | None:
        """Of all packages together; None unless each of them tells."""
        watts = [self._package_w(package) for package in self._packages]
        known = [value for value in watts if value is not None]
        return sum(known) if watts and len(known) == len(watts) else None

    def clock_mhz(self) -> float | None:
        """Of the fastest core."""
        known = [value for file in self._clocks if (value := read_amount(file)) is not None]
        return max(known) / 1000 if known else None

    def _package_w(self, package: Path) -> float | None:
        energy = read_amount(package / "energy_uj")
        if energy is None:
            return None
        rate = self._rates.per_second(package, energy, wraps_at=read_amount(package / "max_energy_range_uj") or 0)
        return None if rate is None else rate / 1e6


def _find_packages(root: Path) -> list[Path]:
    """AMD's are called so too. Beside them lie their parts ("core") and the whole machine ("psys")."""
    zones = find(root / "sys/class/powercap", "intel-rapl:*")
    return [zone for zone in zones if (read_text(zone / "name") or "").startswith("package")]


def _find_thermometer(root: Path) -> Path | None:
    """The first sensor of a processor; sensors have no order, so the name decides."""
    for folder, names, value in (
        (root / "sys/class/hwmon", SENSORS, "temp1_input"),
        (root / "sys/class/thermal", ZONES, "temp"),
    ):
        with suppress(OSError):
            for sensor in sorted(folder.iterdir()):
                is_named = any(read_text(sensor / label) in names for label in ("name", "type"))
                if is_named and os.path.exists(sensor / value):
                    return sensor / value
    return None
