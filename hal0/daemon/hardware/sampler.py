"""Looks at the machine and at the slots' processes once a second, and tells the bus while anyone listens.

A look never ends the daemon: what cannot be read is unknown. It happens in a thread, as sensors may make one wait.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from hal0.daemon.events import EventBus
from hal0.daemon.hardware.processes import ProcessMeter, Usage
from hal0.wire import DeviceView

INTERVAL_SECONDS = 1.0
KEPT_LOOKS = 60  # at a slot's memory, for the bundle of a crash

log = logging.getLogger("hal0.hardware")


class Meter(Protocol):
    """One kind of device: the processor, and each make of GPU."""

    def sample(self) -> list[DeviceView]:
        """The devices now; called in a thread, never twice at a time."""
        ...


class Sampler:
    """The latest look at every device and slot."""

    def __init__(
        self,
        bus: EventBus,
        *,
        meters: Sequence[Meter],
        processes: ProcessMeter,
        process_groups: Callable[[], Mapping[str, int]],
        interval_seconds: float = INTERVAL_SECONDS,
    ) -> None:
        self.devices: list[DeviceView] = []
        self.slots: dict[str, Usage] = {}
        self._bus = bus
        self._meters = meters
        self._processes = processes
        self._process_groups = process_groups
        self._interval_seconds = interval_seconds
        self._failed = False
        self._memory: dict[str, deque[int]] = {}

    def memory_of(self, slot: str) -> list[int]:
        """Resident bytes of a slot's processes at the last looks, oldest first."""
        return list(self._memory.get(slot, ()))

    async def run(self) -> None:
        """Sample until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            await self.sample()
            # After a stall (a suspended machine) it goes on from now, instead of catching up.
            due = max(due + self._interval_seconds, loop.time())
            await asyncio.sleep(due - loop.time())

    async def sample(self) -> None:
        """Look once."""
        groups = dict(self._process_groups())
        try:
            self.devices, self.slots = await asyncio.to_thread(self._look, groups)
            self._failed = False
        except Exception:  # a strange file in /proc or /sys costs the picture of a second, and one entry in the log
            if not self._failed:
                log.warning("the devices could not be looked at", exc_info=True)
            self._failed = True
            return
        self._memory = {name: self._memory.get(name, deque(maxlen=KEPT_LOOKS)) for name in self.slots}
        for name, usage in self.slots.items():
            self._memory[name].append(usage.memory_bytes)
        if self._bus.watched:
            self._bus.publish("device.sample", self.event())

    def event(self) -> dict[str, object]:
        """The latest look as the data of a `device.sample` event."""
        return {
            "devices": [device.model_dump(mode="json") for device in self.devices],
            "slots": {
                name: {"memory_bytes": usage.memory_bytes, "cpu_percent": usage.cpu_percent}
                for name, usage in self.slots.items()
            },
        }

    def _look(self, groups: Mapping[str, int]) -> tuple[list[DeviceView], dict[str, Usage]]:
        devices = [device for meter in self._meters for device in meter.sample()]
        slots: dict[int | None, str] = {group: name for name, group in groups.items()}
        return [self._with_slots(device, slots) for device in devices], self._processes.sample(groups)

    def _with_slots(self, device: DeviceView, slots: Mapping[int | None, str]) -> DeviceView:
        """Say which holders of a GPU's memory are ours."""
        if not device.processes:
            return device
        named = [
            process.model_copy(update={"slot": slots.get(self._processes.group_of(process.pid), "")})
            for process in device.processes
        ]
        return device.model_copy(update={"processes": named})
