import asyncio
import os
import pwd
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from hal0.daemon.events import EventBus
from hal0.daemon.sampler import MOST_STRANGERS, PeakUsage, Sampler
from hal0.hardware.cpu import CpuMeter
from hal0.hardware.facts import read_facts
from hal0.hardware.meter import Meter
from hal0.hardware.processes import ProcessMeter
from hal0.wire import DeviceView, EventKind, GpuProcess
from tests.hardware.trees import LAPTOP, plant, process

PERIOD_SECONDS = 0.01
PAGE = os.sysconf("SC_PAGE_SIZE")


class BrokenMeter:
    """A device that fails as often as it is told to."""

    def __init__(self, failures: int) -> None:
        self.failures = failures

    def sample(self) -> list[DeviceView]:
        if self.failures:
            self.failures -= 1
            raise OSError("the sensor is gone")
        return [DeviceView(id="gpu0", kind="gpu", name="A Card")]


def sampler(
    root: Path,
    bus: EventBus,
    *more: Meter,
    groups: Mapping[str, int] | None = None,
    interval_seconds: float = PERIOD_SECONDS,
) -> Sampler:
    plant(root, {**LAPTOP, **process(10, group=10, pages=3)})
    return Sampler(
        bus,
        meters=[CpuMeter(read_facts(root), root=root), *more],
        processes=ProcessMeter(root=root),
        process_groups=lambda: {"primary": 10} if groups is None else groups,
        interval_seconds=interval_seconds,
        watched_interval_seconds=PERIOD_SECONDS / 4,
    )


class LoopsOwnBus(EventBus):
    """Those who listen come and go in the loop: a thread that counts them meanwhile fails now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.asked_by: set[int] = set()

    def watches(self, kind: EventKind) -> bool:
        self.asked_by.add(threading.get_ident())
        return super().watches(kind)


async def test_who_listens_is_asked_in_the_loop(tmp_path: Path) -> None:
    bus = LoopsOwnBus()
    await sampler(tmp_path, bus).sample()
    assert bus.asked_by == {threading.get_ident()}


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


async def test_a_look_in_between_is_not_told(tmp_path: Path) -> None:
    bus = EventBus()
    look = sampler(tmp_path, bus)
    with bus.subscribe():
        for _ in range(5):
            await look.look()
        assert bus.last_id == 0
        assert look.slots["primary"].memory_bytes > 0
        await look.sample()
        assert bus.last_id == 1


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


async def test_it_looks_more_often_while_somebody_watches_the_devices(tmp_path: Path) -> None:
    bus = EventBus()
    look = sampler(tmp_path, bus)
    assert look.pause_seconds == PERIOD_SECONDS
    with bus.subscribe(topics=("slot",)):
        assert look.pause_seconds == PERIOD_SECONDS
    with bus.subscribe(topics=("device",)):
        assert look.pause_seconds == PERIOD_SECONDS / 4
    assert look.pause_seconds == PERIOD_SECONDS


class LongMeter:
    """A driver that takes its time."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def sample(self) -> list[DeviceView]:
        time.sleep(self.seconds)
        return []


@pytest.mark.parametrize(("look_seconds", "least", "most"), [(0.06, 0.6, 100), (0.2, 2, 100), (0.3, 3, 3)])
async def test_where_looks_take_long_they_are_fewer_but_as_many_as_when_nobody_watches(
    tmp_path: Path, look_seconds: float, least: float, most: float
) -> None:
    bus = EventBus()
    look = Sampler(
        bus,
        meters=[LongMeter(look_seconds)],
        processes=ProcessMeter(root=tmp_path),
        process_groups=dict,
        interval_seconds=most,
        watched_interval_seconds=0.25,
    )
    with bus.subscribe():
        await look.sample()
        assert least <= look.pause_seconds <= most


async def test_a_slots_memory_is_kept_once_a_second_however_often_it_is_looked_at(tmp_path: Path) -> None:
    look = sampler(tmp_path, EventBus(), interval_seconds=1000)
    for _ in range(5):
        await look.sample()
    assert len(look.memory_of("primary")) == 1
    look = sampler(tmp_path, EventBus(), interval_seconds=0)
    for _ in range(5):
        await look.sample()
    assert len(look.memory_of("primary")) == 5


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


HOLDERS = (GpuProcess(pid=10, memory_bytes=3), GpuProcess(pid=11), GpuProcess(pid=999, memory_bytes=1))


class Card:
    """A GPU whose memory some processes hold."""

    def __init__(self, id: str = "gpu0", processes: Iterable[GpuProcess] = HOLDERS) -> None:
        self.id = id
        self.processes = list(processes)

    def sample(self) -> list[DeviceView]:
        return [DeviceView(id=self.id, kind="gpu", name="A Card", processes=self.processes)]


async def test_a_holder_of_gpu_memory_is_told_with_its_slot_and_a_stranger_without(tmp_path: Path) -> None:
    look = sampler(tmp_path, EventBus(), Card())
    plant(tmp_path, process(11, group=10))
    await look.sample()
    gpu = look.devices[-1]
    assert [(holder.pid, holder.slot) for holder in gpu.processes] == [(10, "primary"), (11, "primary"), (999, "")]


async def test_ram_is_told_with_its_slots_and_the_largest_strangers_their_names_and_users(tmp_path: Path) -> None:
    bus = EventBus()
    look = sampler(tmp_path, bus)
    plant(tmp_path, process(10, group=10, pages=900, anonymous_kib=70, file_kib=5000))
    for pid in range(20, 30):
        plant(tmp_path, process(pid, group=pid, pages=pid, anonymous_kib=pid))
        plant(tmp_path, {f"proc/{pid}/comm": f"program {pid}\n"})
    await look.sample()
    me = pwd.getpwuid(os.getuid()).pw_name
    told = [(each.pid, each.name, each.slot, each.user, each.memory_bytes) for each in look.devices[1].processes]
    assert told == [
        (10, "", "primary", "", 70 * 1024),
        *((pid, f"program {pid}", "", me, pid * 1024) for pid in range(29, 23, -1)),
    ]
    assert look.slots["primary"].gpu_bytes == {}, "RAM is no GPU"


async def test_without_a_slot_strangers_are_looked_for_only_while_somebody_watches(tmp_path: Path) -> None:
    bus = EventBus()
    look = sampler(tmp_path, bus, groups={})
    plant(tmp_path, process(20, group=20, pages=9, anonymous_kib=9))
    await look.sample()
    assert look.devices[1].processes == []
    with bus.subscribe():
        await look.sample()
    assert [each.pid for each in look.devices[1].processes] == [20]


async def test_under_a_limit_of_our_control_group_the_rest_of_the_machine_is_not_part_of_what_is_in_use(
    tmp_path: Path,
) -> None:
    group = "sys/fs/cgroup/user.slice/"
    limits = {f"{group}memory.max": f"{2**30}\n", f"{group}memory.current": f"{2**20}\n"}
    for folder in ("sys/fs/cgroup/", group):
        limits[f"{folder}cgroup.controllers"] = "memory\n"
    plant(tmp_path, {**limits, **LAPTOP})
    look = sampler(tmp_path, EventBus())
    plant(tmp_path, {**process(10, group=10, anonymous_kib=7), **process(20, group=20, pages=9, anonymous_kib=9)})
    await look.sample()
    memory = look.devices[1]
    assert memory.memory_total_bytes == 2**30, memory
    assert [each.pid for each in memory.processes] == [10]


async def test_the_user_of_a_stranger_is_told_unless_it_is_of_another_container(tmp_path: Path) -> None:
    holders = [GpuProcess(pid=20, name="blender", memory_bytes=5), GpuProcess(pid=21, memory_bytes=3)]
    look = sampler(tmp_path, EventBus(), Card("gpu0", holders))
    plant(tmp_path, {**process(20, group=20), **process(21, group=21)})
    await look.sample()
    me = pwd.getpwuid(os.getuid()).pw_name
    assert [(each.pid, each.user) for each in look.devices[-1].processes] == [(20, me), (21, "")]


async def test_what_a_slot_holds_of_each_gpu_is_summed_over_its_processes(tmp_path: Path) -> None:
    look = sampler(tmp_path, EventBus(), Card(), Card("gpu1", [GpuProcess(pid=11, memory_bytes=5)]), Card("gpu2", []))
    plant(tmp_path, process(11, group=10))
    await look.sample()
    assert look.slots["primary"].gpu_bytes == {"gpu0": 3, "gpu1": 5}  # 11 on gpu0 does not tell its share
    assert look.event()["slots"] == {
        "primary": {
            "memory_bytes": 3 * PAGE,
            "private_bytes": 0,
            "gpu_bytes": {"gpu0": 3, "gpu1": 5},
            "cpu_percent": None,
        }
    }


async def test_of_many_strangers_the_smallest_are_left_out_and_never_a_slot(tmp_path: Path) -> None:
    strangers = [GpuProcess(pid=1000 + number, memory_bytes=100 - number) for number in range(MOST_STRANGERS + 1)]
    look = sampler(tmp_path, EventBus(), Card("gpu0", [*strangers, GpuProcess(pid=10, memory_bytes=1)]))
    await look.sample()
    pids = [holder.pid for holder in look.devices[-1].processes]
    assert pids == [*range(1000, 1000 + MOST_STRANGERS), 10]


async def test_the_peak_of_a_run_outlives_it_and_the_next_run_begins_anew(tmp_path: Path) -> None:
    card = Card("gpu0", [GpuProcess(pid=10, memory_bytes=700)])
    groups = {"primary": 10}
    look = sampler(tmp_path, EventBus(), card, groups=groups)
    assert look.peak_of("primary") is None
    plant(tmp_path, process(10, group=10, anonymous_kib=300, file_kib=5000))
    await look.sample()
    plant(tmp_path, process(10, group=10, anonymous_kib=100))
    card.processes = [GpuProcess(pid=10, memory_bytes=900)]
    await look.sample()
    most = PeakUsage(10, private_bytes=300 * 1024, gpu_bytes={"gpu0": 900})
    assert look.peak_of("primary") == most
    groups.clear()
    await look.sample()
    assert look.peak_of("primary") == most
    groups["primary"] = 20
    plant(tmp_path, process(20, group=20, anonymous_kib=50))
    await look.sample()
    assert look.peak_of("primary") == PeakUsage(20, private_bytes=50 * 1024)
    groups["primary"] = 30  # restarted between two looks
    plant(tmp_path, process(30, group=30, anonymous_kib=40))
    await look.sample()
    assert look.peak_of("primary") == PeakUsage(30, private_bytes=40 * 1024)


async def test_a_number_that_comes_again_is_another_run(tmp_path: Path) -> None:
    groups = {"primary": 10}
    look = sampler(tmp_path, EventBus(), groups=groups)
    plant(tmp_path, process(10, group=10, anonymous_kib=300))
    await look.sample()
    groups.clear()
    await look.sample()
    groups["primary"] = 10
    plant(tmp_path, process(10, group=10, anonymous_kib=100))
    await look.sample()
    assert look.peak_of("primary") == PeakUsage(10, private_bytes=100 * 1024)


class SlowMeter:
    """Looks when it is allowed to, and tells whether two looks met."""

    def __init__(self) -> None:
        self.looks = 0
        self.met = False
        self.begun, self.go = threading.Event(), threading.Event()
        self._busy = threading.Lock()

    def sample(self) -> list[DeviceView]:
        self.met = self.met or not self._busy.acquire(blocking=False)
        self.looks += 1
        self.begun.set()
        self.go.wait(10)
        self._busy.release()
        return [DeviceView(id="gpu0", kind="gpu", name=f"look {self.looks}")]


async def test_a_look_in_between_waits_for_the_one_under_way_and_is_a_fresh_one(tmp_path: Path) -> None:
    meter = SlowMeter()
    look = sampler(tmp_path, EventBus(), meter)
    regular = asyncio.create_task(look.sample())
    await asyncio.to_thread(meter.begun.wait, 10)
    regular.cancel()  # its thread goes on
    between = asyncio.create_task(look.look())
    await asyncio.sleep(0)
    assert meter.looks == 1
    meter.go.set()
    async with asyncio.timeout(10):
        await between
    assert (look.devices[-1].name, meter.looks, meter.met) == ("look 2", 2, False)
