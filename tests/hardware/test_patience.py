"""A driver that hangs, is slow or breaks."""

import threading
from pathlib import Path

import pytest

from hal0.hardware.gpus import find_cards
from hal0.hardware.nvidia import NvidiaMeter
from hal0.hardware.patience import PatientMeter
from hal0.wire import DeviceView
from tests.fakes.clock import Clock
from tests.fakes.nvml import Gpu, Nvml
from tests.hardware.gpu_trees import nvidia

GENEROUS_SECONDS = 30.0


class Driver:
    """Answers each look when it is let; counts those under way."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.begun = 0
        self.error: Exception | None = None

    def sample(self) -> list[DeviceView]:
        self.begun += 1
        look = self.begun
        assert self.free.wait(GENEROUS_SECONDS)
        if self.error:
            raise self.error
        return [DeviceView(id="gpu0", kind="gpu", name="A Card", utilisation=look / 10, memory_total_bytes=8)]


def patient(driver: Driver, root: Path, clock: Clock, *, patience_seconds: float = GENEROUS_SECONDS) -> PatientMeter:
    nvidia(root)
    return PatientMeter(driver, find_cards(root), patience_seconds=patience_seconds, stale_seconds=3, clock=clock)


def test_a_quick_driver_is_shown_as_of_now(tmp_path: Path) -> None:
    driver = Driver()
    driver.free.set()
    meter = patient(driver, tmp_path, Clock())
    assert [meter.sample()[0].utilisation for _ in range(3)] == [0.1, 0.2, 0.3]


def test_a_driver_that_hangs_shows_the_last_values_then_none_and_is_asked_only_once(tmp_path: Path) -> None:
    driver, clock = Driver(), Clock()
    driver.free.set()
    meter = patient(driver, tmp_path, clock, patience_seconds=0.01)
    while not driver.begun or meter.sample()[0].utilisation is None:
        meter.sample()
    driver.free.clear()
    meter.sample()
    before = driver.begun
    last = meter.sample()[0].utilisation
    assert last is not None
    for _ in range(5):
        clock.advance(1)
        [device] = meter.sample()
    assert driver.begun == before
    assert (device.utilisation, device.memory_total_bytes) == (None, 8)
    assert device.note == "the driver has not answered for 5 s"
    driver.free.set()


def test_it_is_shown_again_when_the_driver_answers(tmp_path: Path) -> None:
    driver, clock = Driver(), Clock()
    meter = patient(driver, tmp_path, clock, patience_seconds=0.01)
    meter.sample()
    clock.advance(10)
    assert meter.sample()[0].note == "the driver has not answered for 10 s"
    driver.free.set()
    for _ in range(1000):
        if meter.sample()[0].utilisation is not None:
            break
    [device] = meter.sample()
    assert (device.note, device.utilisation is not None) == ("", True)


def test_after_a_late_answer_it_looks_again_instead_of_showing_what_was(tmp_path: Path) -> None:
    def shown_after_a_late_answer(root: Path) -> float | None:
        driver = Driver()
        meter = patient(driver, root, Clock(), patience_seconds=0.1)
        meter.sample()
        threading.Timer(0.02, driver.free.set).start()
        return meter.sample()[0].utilisation

    # A busy machine may use up the patience with waiting, but not at every attempt.
    assert any(shown_after_a_late_answer(tmp_path / str(attempt)) == 0.2 for attempt in range(30))


def test_before_the_first_answer_the_cards_are_known_by_name(tmp_path: Path) -> None:
    driver = Driver()
    [device] = patient(driver, tmp_path, Clock(), patience_seconds=0.01).sample()
    assert (device.id, device.name, device.note) == ("gpu0", "NVIDIA GeForce RTX 4090", "not looked at yet")
    driver.free.set()


def test_a_driver_that_breaks_is_logged_once_and_its_devices_are_unknown(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    driver = Driver()
    driver.free.set()
    meter = patient(driver, tmp_path, Clock())
    meter.sample()
    driver.error = OSError("the bus fell off")
    for _ in range(3):
        [device] = meter.sample()
        assert (device.utilisation, device.note) == (None, "could not be looked at: the bus fell off")
    assert [record.message for record in caplog.records] == ["the GPUs could not be looked at"]
    driver.error = None
    assert meter.sample()[0].note == ""


def test_a_hanging_library_does_not_hold_up_the_processor(tmp_path: Path) -> None:
    nvidia(tmp_path)
    library = Nvml(Gpu())
    library.hold = threading.Event()
    cards = find_cards(tmp_path)
    nvml_meter = NvidiaMeter(cards, next_index=1, root=tmp_path, load=lambda: library)
    meter = PatientMeter(nvml_meter, cards, patience_seconds=0.01)
    for _ in range(3):
        assert meter.sample()[0].note == "not looked at yet"
    [looker] = [thread for thread in threading.enumerate() if thread.name == "hal0-gpu"]
    assert looker.daemon  # it would not keep the daemon from ending
    library.hold.set()
    looker.join(GENEROUS_SECONDS)
    assert not looker.is_alive()
