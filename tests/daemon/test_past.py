"""What the daemon remembers of an hour, and how much memory that may take."""

import gc
import sys
import tracemalloc
from types import FrameType

from hal0.daemon.past import STEPS, Past
from hal0.wire import DeviceView, PastView, SlotState

NOW = 1_795_350_665.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def gpu(id: str = "gpu0", **figures: float | None) -> DeviceView:
    return DeviceView.model_validate({"id": id, "kind": "gpu", "name": "x", **figures})


def test_devices_and_slots_are_told_step_by_step_up_to_now() -> None:
    clock = Clock()
    past = Past(clock)
    past.changed("primary", "starting", NOW)
    for second in range(12):
        clock.now = NOW + second
        past.looked([gpu(utilisation=second / 10, memory_used_bytes=2**34 + second)])
    past.changed("primary", "ready", NOW + 10)
    view = past.view()
    assert PastView.model_validate_json(view.model_dump_json()) == view
    assert (view.step_seconds, view.end) == (5.0, NOW + 15)
    assert view.devices["gpu0"]["utilisation"] == [0.2, 0.7, 1.05]
    assert view.devices["gpu0"].keys() == {"utilisation", "memory_used_bytes"}, "what it never told is left out"
    assert view.slots == {"primary": "sss"}, "starting tells more than ready"
    past.forget("primary")
    assert past.view().slots == {}


def test_no_more_than_an_hour_is_told_and_of_a_young_daemon_no_more_than_its_age() -> None:
    clock = Clock()
    past = Past(clock)
    past.changed("primary", "ready", NOW - 86_400)
    assert past.view().slots == {"primary": "r"}
    clock.now = NOW + 10_000
    past.looked([gpu(utilisation=1.0)])
    view = past.view()
    assert view.slots == {"primary": "r" * STEPS}
    assert view.devices["gpu0"]["utilisation"] == [None] * (STEPS - 1) + [1.0]


def test_an_hour_of_ten_devices_and_fifty_busy_slots_takes_half_a_megabyte_at_most() -> None:
    clock = Clock()
    gc.collect()
    tracemalloc.start()
    try:
        past = Past(clock)
        devices = [
            gpu(f"gpu{n}", utilisation=0.5, memory_used_bytes=1e10, temperature_c=60.0, power_w=300.0)
            for n in range(10)
        ]
        state: SlotState
        for second in range(0, 4000, 5):
            clock.now = NOW + second
            past.looked(devices)
            for slot in range(50):
                state = "serving" if second % 10 else "ready"
                past.changed(f"slot{slot}", state, clock.now)
        del devices
        gc.collect()
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken < 500_000, f"{taken} bytes"


def test_to_tell_it_takes_hardly_more_than_a_call_for_each_figure() -> None:
    """It is done between two steps of every stream that is under way; with some calls for each it took 60 ms."""
    clock = Clock()
    past = Past(clock)
    for _ in range(STEPS):
        clock.now += 5.0
        past.looked([gpu(f"gpu{n}", utilisation=0.5, power_w=300.0) for n in range(4)])
        past.changed("primary", "ready", NOW)
    calls = 0

    def count(frame: FrameType, event: str, _: object) -> None:
        nonlocal calls
        calls += event == "call"

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        view = past.view()
    finally:
        sys.setprofile(before)
    figures = sum(len(means) for rings in view.devices.values() for means in rings.values())
    assert figures == 4 * 2 * STEPS
    assert calls < 1.5 * (figures + STEPS)
