import importlib.util
import time
from pathlib import Path
from typing import Any

import pytest

from hal0.hardware.gpus import find_cards
from hal0.hardware.nvidia import RETRY_SECONDS, NvidiaMeter, load_nvml
from hal0.wire import DeviceView, GpuProcess
from tests.fakes import nvml
from tests.fakes.clock import Clock
from tests.fakes.nvml import GIB, Gpu, Nvml
from tests.hardware.gpu_trees import nvidia
from tests.hardware.trees import plant

NOT_SUPPORTED = nvml.NVMLError_NotSupported()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def meter(root: Path, library: Nvml, clock: Clock) -> NvidiaMeter:
    cards = [card for card in find_cards(root) if card.vendor == "nvidia"]
    return NvidiaMeter(cards, next_index=len(find_cards(root)), root=root, load=lambda: library, clock=clock)


def test_a_card_tells_everything(tmp_path: Path, clock: Clock) -> None:
    nvidia(tmp_path)
    plant(tmp_path, {"proc/4242/comm": "llama-server\n", "proc/77/comm": "Xorg\n"})
    gpu = Gpu(computing=[(4242, 18 * GIB)], drawing=[(77, 2**28)])
    assert meter(tmp_path, Nvml(gpu), clock).sample() == [
        DeviceView(
            id="gpu0",
            kind="gpu",
            name="NVIDIA GeForce RTX 4090",
            vendor="nvidia",
            driver="nvidia 580.95.05",
            utilisation=0.97,
            memory_used_bytes=int(20.1 * GIB),
            memory_total_bytes=24 * GIB,
            temperature_c=71,
            power_w=338.25,
            power_limit_w=450.0,
            clock_mhz=2520,
            memory_clock_mhz=10501,
            fan_percent=62,
            processes=[
                GpuProcess(pid=4242, name="llama-server", memory_bytes=18 * GIB),
                GpuProcess(pid=77, name="Xorg", memory_bytes=2**28),
            ],
        )
    ]


def test_a_process_that_computes_and_draws_counts_once(tmp_path: Path, clock: Clock) -> None:
    nvidia(tmp_path)
    gpu = Gpu(computing=[(77, GIB)], drawing=[(77, None), (78, None)])
    [device] = meter(tmp_path, Nvml(gpu), clock).sample()
    assert sorted((process.pid, process.memory_bytes) for process in device.processes) == [(77, GIB), (78, None)]


def test_in_a_container_a_holder_is_told_without_its_share_and_name(tmp_path: Path, clock: Clock) -> None:
    nvidia(tmp_path)
    [device] = meter(tmp_path, Nvml(Gpu(computing=[(4242, None)])), clock).sample()
    assert device.processes == [GpuProcess(pid=4242)]
    assert device.memory_used_bytes == int(20.1 * GIB)


@pytest.mark.parametrize(
    ("trait", "fields"),
    [
        ("memory", ["memory_used_bytes", "memory_total_bytes"]),
        ("utilisation", ["utilisation"]),
        ("temperature", ["temperature_c"]),
        ("power_mw", ["power_w"]),
        ("power_limit_mw", ["power_limit_w"]),
        ("clocks", ["clock_mhz", "memory_clock_mhz"]),
        ("fan", ["fan_percent"]),
    ],
)
def test_what_a_card_does_not_support_is_unknown_and_the_rest_is_there(
    tmp_path: Path, clock: Clock, trait: str, fields: list[str]
) -> None:
    nvidia(tmp_path)
    [full] = meter(tmp_path, Nvml(Gpu()), clock).sample()
    [device] = meter(tmp_path, Nvml(Gpu(**{trait: NOT_SUPPORTED})), clock).sample()
    assert device == full.model_copy(update=dict.fromkeys(fields))


def test_processes_that_may_not_be_asked_for_are_none(tmp_path: Path, clock: Clock) -> None:
    nvidia(tmp_path)
    refused: Any = nvml.NVMLError_NoPermission()
    [device] = meter(tmp_path, Nvml(Gpu(computing=refused, drawing=refused)), clock).sample()
    assert (device.processes, device.utilisation) == ([], 0.97)


def test_old_releases_answer_in_bytes(tmp_path: Path, clock: Clock) -> None:
    nvidia(tmp_path)
    [device] = meter(tmp_path, Nvml(Gpu(name=b"Tesla P40", bus="00000000:01:00.0")), clock).sample()
    assert device.name == "Tesla P40"


def test_a_lost_card_is_unknown_while_the_other_goes_on_and_comes_back(tmp_path: Path, clock: Clock) -> None:
    nvidia(tmp_path, "0000:01:00.0", "First")
    nvidia(tmp_path, "0000:02:00.0", "Second")
    library = Nvml(Gpu(name="First"), Gpu(name="Second", bus="00000000:02:00.0"))
    look = meter(tmp_path, library, clock)
    look.sample()
    library.gpus[0].lost = True
    lost, other = look.sample()
    assert lost == DeviceView(
        id="gpu0",
        kind="gpu",
        name="First",
        vendor="nvidia",
        driver="nvidia 580.95.05",
        memory_total_bytes=24 * GIB,
        note="GPU is lost",
    )
    assert (other.id, other.utilisation) == ("gpu1", 0.97)
    library.gpus[0].lost = False
    assert [device.note for device in look.sample()] == ["GPU is lost", ""]
    clock.advance(RETRY_SECONDS)
    assert [device.note for device in look.sample()] == ["", ""]
    assert library.opened == 2


def test_a_card_lost_while_it_is_asked_is_unknown_as_a_whole(tmp_path: Path, clock: Clock) -> None:
    nvidia(tmp_path)
    [device] = meter(tmp_path, Nvml(Gpu(power_mw=nvml.NVMLError_GpuIsLost())), clock).sample()
    assert (device.note, device.utilisation, device.memory_used_bytes) == ("GPU is lost", None, None)


def test_a_healthy_card_is_shown_while_another_is_lost_for_long(tmp_path: Path, clock: Clock) -> None:
    nvidia(tmp_path, "0000:01:00.0")
    nvidia(tmp_path, "0000:02:00.0")
    library = Nvml(Gpu(lost=True), Gpu(bus="00000000:02:00.0"))
    look = meter(tmp_path, library, clock)
    for _ in range(25):
        assert [device.utilisation for device in look.sample()] == [None, 0.97]
        clock.advance(1)
    assert library.opened == 3  # begun anew every ten seconds, not every second


def test_a_card_that_is_no_longer_listed_is_unknown(tmp_path: Path, clock: Clock) -> None:
    nvidia(tmp_path)
    library = Nvml(Gpu())
    look = meter(tmp_path, library, clock)
    look.sample()
    library.gpus.clear()
    [device] = look.sample()
    assert (device.id, device.note, device.utilisation) == ("gpu0", "NVML does not list it", None)


@pytest.mark.parametrize("refusal", [nvml.NVMLError_LibraryNotFound(), nvml.NVMLError_DriverNotLoaded()])
def test_without_the_driver_the_card_is_shown_with_the_reason_until_it_is_there(
    tmp_path: Path, clock: Clock, refusal: nvml.NVMLError
) -> None:
    nvidia(tmp_path)
    library = Nvml(Gpu())
    library.refuses = refusal
    look = meter(tmp_path, library, clock)
    for _ in range(3):
        [device] = look.sample()
        assert (device.name, device.note) == ("NVIDIA GeForce RTX 4090", str(refusal))
    assert library.opened == 1
    library.refuses = None
    clock.advance(RETRY_SECONDS)
    assert look.sample()[0].utilisation == 0.97


def test_a_driver_that_was_loaded_again_is_found_again(tmp_path: Path, clock: Clock) -> None:
    nvidia(tmp_path)
    library = Nvml(Gpu())
    look = meter(tmp_path, library, clock)
    look.sample()
    library.is_open = False  # what was opened means nothing to the new driver
    assert look.sample()[0].note == "Uninitialized"
    clock.advance(RETRY_SECONDS)
    assert look.sample()[0].utilisation == 0.97


def test_without_the_package_the_card_is_shown_with_what_to_install(tmp_path: Path, clock: Clock) -> None:
    nvidia(tmp_path)
    asked = []

    def load() -> Any:
        asked.append(1)
        raise ModuleNotFoundError("No module named 'pynvml'")

    look = NvidiaMeter(find_cards(tmp_path), next_index=1, root=tmp_path, load=load, clock=clock)
    for _ in range(3):
        [device] = look.sample()
        assert device.note == "the package nvidia-ml-py is not installed"
        clock.advance(60)
    assert len(asked) == 1


def test_a_gpu_that_only_nvml_knows_gets_the_next_number_and_keeps_it(tmp_path: Path, clock: Clock) -> None:
    library = Nvml(Gpu(bus="00000000:0A:00.0", name="In WSL"))
    look = NvidiaMeter([], next_index=2, root=tmp_path, load=lambda: library, clock=clock)
    assert [(device.id, device.name) for device in look.sample()] == [("gpu2", "In WSL")]
    library.gpus.append(Gpu(bus="00010000:0B:00.0"))
    assert [device.id for device in look.sample()] == ["gpu2", "gpu3"]


def test_a_sandbox_without_addresses_has_each_gpu_once(tmp_path: Path, clock: Clock) -> None:
    plant(tmp_path, {"dev/nvidiactl": "", "dev/nvidia0": "", "dev/nvidia1": ""})
    library = Nvml(Gpu(), Gpu(bus="00000000:02:00.0"))
    assert [device.id for device in meter(tmp_path, library, clock).sample()] == ["gpu0", "gpu1"]


needs_package = pytest.mark.skipif(importlib.util.find_spec("pynvml") is None, reason="nvidia-ml-py is not installed")


@needs_package
def test_the_stand_in_has_the_names_of_the_real_library() -> None:
    real = load_nvml()
    for name in (name for name in dir(Nvml) if name.startswith(("nvml", "NVML"))):
        assert hasattr(real, name), name
        if name.startswith("NVML_"):
            assert getattr(real, name) == getattr(Nvml, name)
        if name.startswith("NVMLError_"):
            assert str(getattr(real, name)()) == str(getattr(Nvml, name)())


@needs_package
def test_the_real_library_is_read_or_says_why_not() -> None:
    cards = [card for card in find_cards() if card.vendor == "nvidia"]
    devices = NvidiaMeter(cards, next_index=len(find_cards()), clock=time.monotonic).sample()
    assert len(devices) >= len(cards)
    for device in devices:
        assert device.note or (device.memory_total_bytes and device.driver != "nvidia")
