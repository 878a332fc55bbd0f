"""The last hour of the devices and the slots, in coarse steps: what a dashboard shows that was not there to see it.

About 12 kB for a device and 1 kB for a slot, however much happens.
"""

import time
from collections.abc import Callable, Iterable

from hal0.history import DeviceHistory, States
from hal0.wire import DeviceView, PastView, SlotState

STEP_SECONDS = 5.0
STEPS = 720  # an hour


class Past:
    """Told of each look at the devices and of each change of a slot. `clock` in Unix seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._began = clock()
        self._devices: dict[str, DeviceHistory] = {}
        self._slots: dict[str, States] = {}

    def looked(self, devices: Iterable[DeviceView]) -> None:
        now = self._clock()
        for device in devices:
            if device.id not in self._devices:
                self._devices[device.id] = DeviceHistory(STEPS, STEP_SECONDS)
            self._devices[device.id].note(now, device)

    def changed(self, slot: str, state: SlotState, since: float) -> None:
        if slot not in self._slots:
            self._slots[slot] = States(STEPS, STEP_SECONDS)
        self._slots[slot].note(since, state, self._clock())

    def forget(self, slot: str) -> None:
        self._slots.pop(slot, None)

    def view(self) -> PastView:
        now = self._clock()
        last = int(now // STEP_SECONDS)
        first = max(last - STEPS + 1, int(self._began // STEP_SECONDS))
        for states in self._slots.values():
            states.go_on(now)
        return PastView(
            step_seconds=STEP_SECONDS,
            end=(last + 1) * STEP_SECONDS,
            devices={
                id: {
                    metric: [_short(mean) for mean in ring.steps_from(first, last)] for metric, ring in kept.of.items()
                }
                for id, kept in self._devices.items()
            },
            slots={name: states.letters(first, last) for name, states in self._slots.items()},
        )


def _short(mean: float | None) -> float | None:
    """As many digits as are drawn: an hour of four figures is sent over slow links too."""
    return None if mean is None else round(mean) if mean >= 1000 else round(mean, 3)
