"""Who computes on AMD's GPUs, from the files of amdkfd, which ROCm works through.

Everybody may read them, so they name processes of others as well, which /proc/PID/fdinfo hides. They tell a card's own
memory only, and no programs that draw; so the larger of both counts for a process.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from hal0.hardware.card import largest, process_name
from hal0.hardware.files import find, parse_fields, read_amount, read_number, read_text
from hal0.wire import GpuProcess

KFD = "sys/class/kfd/kfd"


class ComputeProcesses:
    """Knows the driver's own number of each GPU."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._proc = root / "proc"
        self._holders = root / KFD / "proc"
        self._numbers = dict(_numbers(root / KFD / "topology/nodes"))

    def added_to(self, seen: Iterable[GpuProcess], address: str) -> list[GpuProcess]:
        """The holders of a GPU's memory, with those that only amdkfd names."""
        holders = {process.pid: process for process in seen}
        for pid, size in self._sizes(address).items():
            known = holders.get(pid) or GpuProcess(pid=pid, name=process_name(self._proc, pid), memory_bytes=0)
            holders[pid] = known.model_copy(update={"memory_bytes": max(known.memory_bytes or 0, size)})
        return largest(holders.values())

    def _sizes(self, address: str) -> dict[int, int]:
        number = self._numbers.get(address)
        if number is None:
            return {}
        try:
            pids = [name for name in os.listdir(self._holders) if name.isdecimal()]
        except OSError:
            return {}
        sizes = ((int(pid), read_amount(self._holders / pid / f"vram_{number}")) for pid in pids)
        return {pid: size for pid, size in sizes if size}


def _numbers(nodes: Path) -> Iterable[tuple[str, int]]:
    """PCI address and number of each GPU; processors have the number 0."""
    for file in find(nodes, "*/gpu_id"):
        about = parse_fields((read_text(file.with_name("properties")) or "").replace(" ", ":"), ":")
        place, domain = about.get("location_id", ""), about.get("domain", "0")
        number = read_number(file)
        if number and place.isdecimal() and domain.isdecimal():
            bus, device = int(place) >> 8, int(place) & 0xFF
            yield f"{int(domain):04x}:{bus:02x}:{device >> 3:02x}.{device & 7}", number
