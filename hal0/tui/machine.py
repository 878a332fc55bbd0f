"""The devices of this machine as the dashboard reads them itself, while there is no daemon that tells of them.

With the daemon's own readers, and as gently: in a thread, never two looks at a time, and whatever fails is unknown.
They are imported and opened by the first look, as most dashboards never need one.
"""

import asyncio
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from hal0.wire import DeviceView

if TYPE_CHECKING:
    from hal0.hardware.meter import Meter


class Machine:
    """What is below a root: `/`, or another machine in a test."""

    def __init__(self, root: Path = Path("/")) -> None:
        self._root = root
        self._meters: list[Meter] | None = None
        self._looking = threading.Lock()  # a look goes on in its thread when who asked for it is cancelled

    async def look(self) -> list[DeviceView]:
        """The devices now; none if they cannot be looked at."""
        try:
            return await asyncio.to_thread(self._look)
        except Exception:  # a strange file of the kernel costs the picture, not the dashboard
            return []

    def _look(self) -> list[DeviceView]:
        with self._looking:
            if self._meters is None:
                self._meters = _meters(self._root)
            return [device for meter in self._meters for device in meter.sample()]


def _meters(root: Path) -> "list[Meter]":
    from hal0.hardware.cpu import CpuMeter
    from hal0.hardware.facts import read_facts
    from hal0.hardware.gpus import gpu_meters

    facts = read_facts(root)
    return [CpuMeter(facts, root=root), *gpu_meters(root, cards=facts.gpus)]
