"""One GPU as the kernel knows it."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hal0.hardware.files import parse_fields, read_text
from hal0.wire import DeviceView, GpuProcess

Vendor = Literal["nvidia", "amd", "intel"]

# What a GPU that does not answer still is.
LASTING = ("id", "kind", "name", "vendor", "driver", "unified", "memory_total_bytes", "carved_total_bytes")


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU with a driver that can be read."""

    index: int  # "gpu0"; the number that people see
    vendor_index: int  # what CUDA_VISIBLE_DEVICES or HIP_VISIBLE_DEVICES call it, in PCI order
    vendor: Vendor
    driver: str
    pci: str  # "0000:03:00.0"; empty: not told
    name: str
    folder: Path  # its PCI device in sysfs
    memory_bytes: int | None = None  # None: only the driver's library knows
    unified: bool = False
    carved_bytes: int | None = None  # of a unified one: what firmware set aside for it alone; None: not known

    @property
    def id(self) -> str:
        return f"gpu{self.index}"

    def view(self, note: str = "") -> DeviceView:
        """What is known without looking."""
        return DeviceView(
            id=self.id,
            kind="gpu",
            name=self.name,
            vendor=self.vendor,
            driver=self.driver,
            unified=self.unified,
            memory_total_bytes=self.memory_bytes,
            carved_total_bytes=self.carved_bytes,
            note=note,
        )


def as_unknown(view: DeviceView, note: str) -> DeviceView:
    """The same GPU with nothing but what lasts, and the reason."""
    return DeviceView(**{name: getattr(view, name) for name in LASTING}, note=note)


def largest(holders: Iterable[GpuProcess]) -> list[GpuProcess]:
    """Those that hold most first; one whose share is not told may hold anything."""
    return sorted(holders, key=_size, reverse=True)


def _size(holder: GpuProcess) -> float:
    return float("inf") if holder.memory_bytes is None else holder.memory_bytes


def facts_of(folder: Path) -> dict[str, str]:
    """What the kernel tells of a device: DRIVER, PCI_ID, PCI_SLOT_NAME. No DRIVER: none is bound to it."""
    return parse_fields(read_text(folder / "uevent") or "", "=")


def scaled(value: float | None, divisor: float) -> float | None:
    return None if value is None else value / divisor


def share(value: float | None) -> float | None:
    """A percentage as 0..1."""
    return None if value is None else min(1.0, max(0.0, value / 100))


def find_sensors(folder: Path) -> Path | None:
    """The card's hwmon folder; its number changes when a driver is loaded again, so it is looked up at each look."""
    try:
        names = sorted(name for name in os.listdir(folder / "hwmon") if name.startswith("hwmon"))
    except OSError:
        return None
    return folder / "hwmon" / names[0] if names else None


def is_asleep(folder: Path) -> bool:
    """Reading the sensors of a suspended card would wake it, once a second, for ever."""
    return read_text(folder / "power/runtime_status") == "suspended"


def process_name(proc: Path, pid: int) -> str:
    """The command name, empty for a process we cannot see."""
    return read_text(proc / str(pid) / "comm") or ""
