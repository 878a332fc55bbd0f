"""What is asked of a daemon that has only just begun: its first look at the machine may be yet to come."""

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from quart import Quart

from hal0.daemon.admin import devices, models, slots
from hal0.daemon.config.schema import Models, Slot
from hal0.daemon.events import EventBus
from hal0.daemon.models.peaks import Peaks
from hal0.daemon.models.registry import Registry
from hal0.daemon.providers import make_providers
from hal0.daemon.providers.base import spec_of
from hal0.daemon.providers.llama_devices import ListedDevices
from hal0.daemon.sampler import Sampler
from hal0.daemon.slots.admission import Fits
from hal0.daemon.slots.appraisal import Appraisal, Appraised
from hal0.daemon.slots.room import Preview, amounts
from hal0.hardware.facts import Facts
from hal0.hardware.processes import ProcessMeter
from hal0.wire import DeviceView

GIB = 2**30
GPU = DeviceView(id="gpu0", kind="gpu", name="GPU", vendor="nvidia", memory_total_bytes=24 * GIB, memory_used_bytes=0)
CONFIG = Slot(provider="command", command=(sys.executable, "${port}", "${model}"), model="hal0-starter", gpus=(0,))


class Meter:
    """One GPU; counts the looks."""

    def __init__(self) -> None:
        self.looks = 0

    def sample(self) -> list[DeviceView]:
        self.looks += 1
        return [GPU]


class Room:
    """Tells what is asked of it."""

    async def preview(self, name: str, appraised: Appraised | None, config: Slot) -> Preview:
        return Preview(Fits(), amounts(appraised, config), {}, {})


class Supervisor:
    """One slot, which has never run."""

    room = Room()

    def __init__(self, slot: Any) -> None:
        self.slot = slot

    def get(self, name: str) -> Any:
        return self.slot

    def __iter__(self) -> Any:
        return iter([self.slot])


@pytest.fixture
def meter() -> Meter:
    return Meter()


@pytest.fixture
def app(tmp_path: Path, meter: Meter) -> Quart:
    registry = Registry(Models(), state=tmp_path)
    providers = make_providers(Facts(physical_cores=2, memory_bytes=GIB))
    provider = providers["command"]
    slot = SimpleNamespace(
        name="s",
        config=CONFIG,
        provider=provider,
        plan=lambda: spec_of("s", CONFIG, provider=provider, find=registry.find),
    )
    services: Any = SimpleNamespace(
        supervisor=Supervisor(slot),
        listing=SimpleNamespace(registry=lambda: registry),
        sampler=Sampler(EventBus(), meters=[meter], processes=ProcessMeter(root=tmp_path), process_groups=dict),
        appraisal=Appraisal(
            registry=lambda: registry,
            providers=providers,
            peaks=Peaks(tmp_path / "peaks.json"),
            listed=ListedDevices({}),
        ),
    )
    made = Quart(__name__, static_folder=None)
    for module in (devices, slots, models):
        made.register_blueprint(module.make(services))
    return made


async def ask(app: Quart, path: str) -> Any:
    return await (await app.test_client().get(path)).get_json()


async def test_the_devices_are_looked_at(app: Quart, meter: Meter) -> None:
    for _ in range(2):
        assert [device["id"] for device in (await ask(app, "/devices"))["devices"]] == ["gpu0"]
    assert meter.looks == 1


async def test_a_slot_is_judged_with_the_gpus_it_will_be_on(app: Quart) -> None:
    assert "gpu0" in [room["device"] for room in (await ask(app, "/slots/s/fit"))["rooms"]]


async def test_so_is_a_model(app: Quart) -> None:
    assert (await ask(app, "/models/hal0-starter?slot=s"))["gpus"] == ["gpu0"]
