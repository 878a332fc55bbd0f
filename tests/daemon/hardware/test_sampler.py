import asyncio
from pathlib import Path

import pytest

from hal0.daemon.events import EventBus
from hal0.daemon.hardware.cpu import CpuMeter
from hal0.daemon.hardware.facts import read_facts
from hal0.daemon.hardware.processes import ProcessMeter
from hal0.daemon.hardware.sampler import Meter, Sampler
from hal0.wire import DeviceView, GpuProcess
from tests.daemon.hardware.trees import LAPTOP, plant, process

PERIOD_SECONDS = 0.01


class BrokenMeter:
    """A device that fails as often as it is told to."""

    def __init__(self, failures: int) -> None:
        self.failures = failures

    def sample(self) -> list[DeviceView]:
        if self.failures:
            self.failures -= 1
            raise OSError("the sensor is gone")
        return [DeviceView(id="gpu0", kind="gpu", name="A Card")]


def sampler(root: Path, bus: EventBus, *more: Meter) -> Sampler:
    plant(root, {**LAPTOP, **process(10, group=10, pages=3)})
    return Sampler(
        bus,
        meters=[CpuMeter(read_facts(root), root=root), *more],
        processes=ProcessMeter(root=root),
        process_groups=lambda: {"primary": 10},
        interval_seconds=PERIOD_SECONDS,
    )


async def test_a_look_is_told_on_the_bus(tmp_path: Path) -> None:
    bus = EventBus()
    look = sampler(tmp_path, bus)
    with bus.subscribe() as subscription:
        await look.sample()
        [event] = await subscription.next_batch()
    data = event.json_data()
    assert event.kind == "device.sample"
    assert [device["id"] for device in data["devices"]] == ["cpu", "memory"]
    assert data["slots"]["primary"]["memory_bytes"] > 0
    assert data["slots"]["primary"]["cpu_percent"] is None


async def test_without_an_audience_nothing_is_published_but_the_state_is_known(tmp_path: Path) -> None:
    bus = EventBus()
    look = sampler(tmp_path, bus)
    await look.sample()
    assert bus.last_id == 0
    assert [device.id for device in look.devices] == ["cpu", "memory"]
    assert look.slots["primary"].memory_bytes > 0


async def test_it_goes_on_until_it_is_cancelled(tmp_path: Path) -> None:
    bus = EventBus()
    with bus.subscribe() as subscription:
        task = asyncio.create_task(sampler(tmp_path, bus).run())
        seen = 0
        async with asyncio.timeout(10):
            while seen < 3:
                seen += len(await subscription.next_batch())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_device_that_fails_is_logged_once_and_asked_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bus = EventBus()
    look = sampler(tmp_path, bus, BrokenMeter(failures=3))
    with bus.subscribe() as subscription:
        for _ in range(3):
            await look.sample()
        assert bus.last_id == 0
        await look.sample()
        [event] = await subscription.next_batch()
    assert [device["id"] for device in event.json_data()["devices"]] == ["cpu", "memory", "gpu0"]
    assert [record.message for record in caplog.records] == ["the devices could not be looked at"]


class Card:
    """A GPU whose memory three processes hold."""

    def sample(self) -> list[DeviceView]:
        holders = [GpuProcess(pid=10, memory_bytes=3), GpuProcess(pid=11), GpuProcess(pid=999, memory_bytes=1)]
        return [DeviceView(id="gpu0", kind="gpu", name="A Card", processes=holders)]


async def test_a_holder_of_gpu_memory_is_told_with_its_slot_and_a_stranger_without(tmp_path: Path) -> None:
    look = sampler(tmp_path, EventBus(), Card())
    plant(tmp_path, process(11, group=10))
    await look.sample()
    gpu = look.devices[-1]
    assert [(holder.pid, holder.slot) for holder in gpu.processes] == [(10, "primary"), (11, "primary"), (999, "")]
