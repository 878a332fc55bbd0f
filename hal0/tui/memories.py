"""What the dashboard remembers of the last hour: figures of the devices, states of the slots, how fast they were.

No I/O and no Textual. The seconds before the dashboard was there are filled in from what the daemon tells of them.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TypeVar

from hal0.history import METRICS, DeviceHistory, Means, States
from hal0.wire import DeviceView, PastView, SlotView

HISTORY_SECONDS = 3_600
T = TypeVar("T")


class Memories:
    """One hour, in seconds. Times are those of the daemon's clock."""

    def __init__(self) -> None:
        self.devices: dict[str, DeviceHistory] = {}
        self.lanes: dict[str, States] = {}
        self.speeds: dict[str, Means] = {}  # tokens per second of the slots that have decoded

    def note_devices(self, at: float, devices: Iterable[DeviceView]) -> None:
        for device in devices:
            self._device(device.id).note(at, device)

    def note_slot(self, slot: SlotView, now: float) -> None:
        if slot.name not in self.lanes:
            self.lanes[slot.name] = States(HISTORY_SECONDS)
        self.lanes[slot.name].note(slot.since, slot.state, now)

    def note_speeds(self, at: float, speeds: Mapping[str, float]) -> None:
        """By slot, of those that decode now."""
        for name, speed in speeds.items():
            if name not in self.speeds:
                self.speeds[name] = Means(HISTORY_SECONDS)
            self.speeds[name].add(at, speed)

    def go_on(self, now: float) -> None:
        """The slots are as they were."""
        for lane in self.lanes.values():
            lane.go_on(now)

    def lose_sight(self, now: float) -> None:
        """What the slots do from now on is not known."""
        for lane in self.lanes.values():
            lane.lose(now)

    def keep_only(self, slots: Collection[str]) -> None:
        for remembered in (self.lanes, self.speeds):
            for name in remembered.keys() - slots:
                del remembered[name]

    def fill_in(self, past: PastView, now: float) -> None:
        """What the daemon remembers, where the dashboard does not know better."""
        for id, figures in past.devices.items():
            for metric in METRICS:
                ring = self._device(id).ring(metric) if metric in figures else None
                for start, end, value in _steps(figures.get(metric, ()), past, now):
                    if ring is not None and value is not None:
                        ring.fill(start, end, value)
        for name, letters in past.slots.items():
            if (lane := self.lanes.get(name)) is not None:
                for start, end, letter in _steps(letters, past, now):
                    lane.fill(start, end, letter)

    def _device(self, id: str) -> DeviceHistory:
        if id not in self.devices:
            self.devices[id] = DeviceHistory(HISTORY_SECONDS)
        return self.devices[id]


def _steps(values: Sequence[T], past: PastView, now: float) -> Iterable[tuple[float, float, T]]:
    """Each value with the time it was for, up to now."""
    start = past.end - len(values) * past.step_seconds
    for value in values:
        yield start, min(start + past.step_seconds, now), value
        start += past.step_seconds
