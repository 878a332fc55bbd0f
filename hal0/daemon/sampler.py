"""Looks at the machine and at the slots' processes: once a second, and more often while somebody watches the devices.

A look never ends the daemon: what cannot be read is unknown. It happens in a thread, as sensors may make one wait.
Those beyond one a second take a tenth of the time at most, so a slow driver is asked less often.
"""

import asyncio
import logging
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from hal0.daemon.events import EventBus
from hal0.hardware.card import largest
from hal0.hardware.holders import Users
from hal0.hardware.meter import Meter
from hal0.hardware.processes import ProcessMeter, Usage
from hal0.wire import DeviceView, GpuProcess

INTERVAL_SECONDS = 1.0
WATCHED_INTERVAL_SECONDS = 0.25
LARGEST_SHARE = 0.1  # of the time, that more frequent looks may take
KEPT_LOOKS = 60  # at a slot's memory, one a second, for the bundle of a crash
MOST_STRANGERS = 32  # a desktop has dozens of programs with a few megabytes; the largest are told
MOST_PEAKS = 256  # of slots that have no process any more; those ended first are forgotten

log = logging.getLogger("hal0.hardware")


@dataclass(frozen=True, slots=True)
class PeakUsage:
    """The most that one run of a slot was seen to take, in bytes; each part at its own time."""

    group: int  # the run's process group
    private_bytes: int | None = None  # see `Usage`; None: the kernel does not say
    gpu_bytes: Mapping[str, int] = field(default_factory=dict)  # by device id

    def or_more(self, usage: Usage) -> "PeakUsage":
        """The larger of both, part by part."""
        told = [size for size in (self.private_bytes, usage.private_bytes) if size is not None]
        devices = self.gpu_bytes.keys() | usage.gpu_bytes.keys()
        on_gpus = {each: max(self.gpu_bytes.get(each, 0), usage.gpu_bytes.get(each, 0)) for each in devices}
        return PeakUsage(self.group, max(told, default=None), on_gpus)


class Sampler:
    """The latest look at every device and slot."""

    def __init__(
        self,
        bus: EventBus,
        *,
        meters: Sequence[Meter],
        processes: ProcessMeter,
        process_groups: Callable[[], Mapping[str, int]],
        users: Users | None = None,
        on_look: Callable[[list[DeviceView]], object] = lambda devices: None,
        interval_seconds: float = INTERVAL_SECONDS,
        watched_interval_seconds: float = WATCHED_INTERVAL_SECONDS,
    ) -> None:
        self.devices: list[DeviceView] = []
        self.slots: dict[str, Usage] = {}
        self._bus = bus
        self._meters = meters
        self._processes = processes
        self._process_groups = process_groups
        self._users = users or Users()
        self._on_look = on_look
        self._interval_seconds = interval_seconds
        self._watched_interval_seconds = watched_interval_seconds
        self._look_seconds = 0.0  # what the latest look took
        self._kept_at = float("-inf")
        self._failed = False
        self._memory: dict[str, deque[int]] = {}
        self._peaks: dict[str, PeakUsage] = {}
        self._groups: Mapping[str, int] = {}  # of the latest look
        self._looking = threading.Lock()  # not of asyncio: a look goes on in its thread when its caller is cancelled

    def memory_of(self, slot: str) -> list[int]:
        """Resident bytes of a slot's processes at the last looks, one a second, oldest first."""
        return list(self._memory.get(slot, ()))

    def peak_of(self, slot: str) -> PeakUsage | None:
        """What the slot's present run took at most so far, or its last one if it has none; None: no look has met it."""
        return self._peaks.get(slot)

    async def known_devices(self) -> list[DeviceView]:
        """The devices as of the latest look; before the first one it looks, since what is there is to be known."""
        if not self.devices:
            await self.look()
        return list(self.devices)

    async def run(self) -> None:
        """Sample until cancelled."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            await self.sample()
            # After a stall (a suspended machine) it goes on from now, instead of catching up.
            due = max(due + self.pause_seconds, loop.time())
            await asyncio.sleep(due - loop.time())

    @property
    def pause_seconds(self) -> float:
        """Until the next regular look."""
        if not self._bus.watches("device.sample"):
            return self._interval_seconds
        bearable = self._look_seconds / LARGEST_SHARE
        return min(self._interval_seconds, max(self._watched_interval_seconds, bearable))

    async def sample(self) -> None:
        """A regular look: whoever watches the devices is told."""
        await self.look()
        if not self._failed and self._bus.watches("device.sample"):
            self._bus.publish("device.sample", self.event(), keep=False)

    async def look(self) -> None:
        """Look once, from now on; may be called between the regular looks, and waits for one that is under way."""
        groups, strangers = dict(self._process_groups()), self._bus.watches("device.sample")
        try:
            self.devices, self.slots, self._look_seconds = await asyncio.to_thread(self._look, groups, strangers)
            self._failed = False
        except Exception:  # a strange file in /proc or /sys costs the picture of a second, and one entry in the log
            if not self._failed:
                log.warning("the devices could not be looked at", exc_info=True)
            self._failed = True
            return
        self._on_look(self.devices)
        self._keep_memory()
        self._note_peaks(groups)

    def event(self) -> dict[str, object]:
        """The latest look as the data of a `device.sample` event."""
        return {
            "devices": [device.model_dump(mode="json") for device in self.devices],
            "slots": {
                name: {
                    "memory_bytes": usage.memory_bytes,
                    "private_bytes": usage.private_bytes,
                    "gpu_bytes": dict(usage.gpu_bytes),
                    "cpu_percent": usage.cpu_percent,
                }
                for name, usage in self.slots.items()
            },
        }

    def _keep_memory(self) -> None:
        """Looks that are more frequent than one a second do not shorten the time that is remembered."""
        now = asyncio.get_running_loop().time()
        if now - self._kept_at < self._interval_seconds * 0.9:
            return
        self._kept_at = now
        self._memory = {name: self._memory.get(name, deque(maxlen=KEPT_LOOKS)) for name in self.slots}
        for name, usage in self.slots.items():
            self._memory[name].append(usage.memory_bytes)

    def _note_peaks(self, groups: Mapping[str, int]) -> None:
        for name, usage in self.slots.items():
            group, before = groups[name], self._peaks.pop(name, None)
            # A slot that was without a process has begun anew, even if the number is the same again.
            if before is None or before.group != group or name not in self._groups:
                before = PeakUsage(group)
            self._peaks[name] = before.or_more(usage)
        self._groups = groups
        ended = [name for name in self._peaks if name not in groups]
        for name in ended[: max(0, len(ended) - MOST_PEAKS)]:
            del self._peaks[name]

    def _look(self, groups: Mapping[str, int], strangers: bool) -> tuple[list[DeviceView], dict[str, Usage], float]:
        with self._looking:
            began = time.perf_counter()
            devices = [device for meter in self._meters for device in meter.sample()]
            names: dict[int | None, str] = {group: name for name, group in groups.items()}
            usages = self._processes.sample(groups, strangers=strangers)
            devices = [self._with_holders(device, names, groups, usages) for device in devices]
            took = time.perf_counter() - began
        on_gpus = _on_gpus(devices)
        slots = {name: replace(usage, gpu_bytes=on_gpus.get(name, {})) for name, usage in usages.items()}
        return devices, slots, took

    def _with_holders(
        self,
        device: DeviceView,
        slots: Mapping[int | None, str],
        groups: Mapping[str, int],
        usages: Mapping[str, Usage],
    ) -> DeviceView:
        """Say who holds its memory: slots, and programs of others, of which the smallest of many are left out."""
        if device.kind == "memory":
            ours = [
                GpuProcess(pid=groups[name], slot=name, memory_bytes=size)
                for name, usage in usages.items()
                if (size := usage.memory_bytes if usage.private_bytes is None else usage.private_bytes)
            ]
            # Within the limit of a control group, what others hold of the machine is not part of what is in use.
            others = [] if device.note else self._processes.strangers()
            strangers = [
                GpuProcess(pid=pid, name=self._processes.name_of(pid), memory_bytes=size, user=self._users.of(pid))
                for pid, size in others
            ]
            return device.model_copy(update={"processes": largest([*ours, *strangers])})
        if not device.processes:
            return device
        named, count = [], 0
        for process in device.processes:
            slot = slots.get(self._processes.group_of(process.pid), "")
            count += not slot
            if slot:
                named.append(process.model_copy(update={"slot": slot}))
            elif count <= MOST_STRANGERS:
                # A number without a name is one of another container: here it may be somebody else.
                user = self._users.of(process.pid) if process.name else ""
                named.append(process.model_copy(update={"user": user}))
        return device.model_copy(update={"processes": named})


def _on_gpus(devices: Iterable[DeviceView]) -> dict[str, dict[str, int]]:
    """The memory of each slot on each GPU that tells it."""
    sizes: dict[str, dict[str, int]] = defaultdict(dict)
    for device in devices:
        for process in device.processes if device.kind == "gpu" else ():
            if process.slot and process.memory_bytes is not None:
                sizes[process.slot][device.id] = sizes[process.slot].get(device.id, 0) + process.memory_bytes
    return sizes
