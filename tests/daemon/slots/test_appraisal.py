"""What slots of each provider are expected to need, and where, before any run of them was measured."""

import sys
from pathlib import Path
from typing import Any

import pytest

from hal0.daemon.config.schema import Models, Slot
from hal0.daemon.models.peaks import Peaks
from hal0.daemon.models.registry import Registry
from hal0.daemon.providers import make_providers
from hal0.daemon.providers.base import spec_of
from hal0.daemon.providers.llama_devices import ListedDevices
from hal0.daemon.slots.admission import need_of
from hal0.daemon.slots.appraisal import Appraisal, Appraised
from hal0.hardware.facts import Facts
from hal0.models import CARDS
from hal0.wire import DeviceView
from tests.fakes.gguf_projector import write_projector
from tests.fakes.programs import install_fake_llama_server, install_stand_in, write_model_folder

MIB, GIB = 2**20, 2**30
RTX = DeviceView(id="gpu0", kind="gpu", name="NVIDIA GeForce RTX 4090", vendor="nvidia", memory_total_bytes=24 * GIB)
SMALL = RTX.model_copy(update={"id": "gpu1", "memory_total_bytes": 8 * GIB})
XTX = DeviceView(id="gpu2", kind="gpu", name="AMD Radeon RX 7900 XTX", vendor="amd", memory_total_bytes=24 * GIB)
STARTER = next(card for card in CARDS if card.id == "hal0-starter")


class House:
    """A machine with three GPUs, its models and its programs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.devices: tuple[DeviceView, ...] = (RTX, SMALL, XTX)
        self.peaks = Peaks(folder / "peaks.json")
        self.llama = str(install_fake_llama_server(folder))
        self.vllm = str(install_stand_in(folder, "vllm", "vllm_server.py"))
        self.model = write_model_folder(folder / "Qwen2")
        self.registry = Registry(Models(), state=folder / "state")
        self.providers = make_providers(Facts(physical_cores=4, memory_bytes=64 * GIB))
        self.appraisal = Appraisal(
            registry=lambda: self.registry, providers=self.providers, peaks=self.peaks, listed=ListedDevices({})
        )

    def of(self, **config: Any) -> Appraised:
        slot = Slot.model_validate(config)
        provider = self.providers[slot.provider]
        spec = spec_of("s", slot, provider=provider, find=self.registry.find)
        return self.appraisal.of(spec, provider.launch(spec), self.devices)

    def of_llama(self, *listed: str, **config: Any) -> Appraised:
        env = {"FAKE_LLAMA_DEVICES": "\n".join(listed) or "(none)", "PATH": "/usr/bin:/bin"}
        return self.of(model="hal0-starter", binary=self.llama, env=env, **config)

    def of_vllm(self, **config: Any) -> Appraised:
        return self.of(provider="vllm", model=str(self.model), binary=self.vllm, **config)

    def of_command(self, *words: str, **config: Any) -> Appraised:
        return self.of(provider="command", command=(sys.executable, "${port}", *words), **config)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_a_llama_server_for_the_processor_needs_ram_for_its_weights_also_beside_gpus(house: House) -> None:
    appraised = house.of_llama()
    assert appraised.gpus == ()
    assert appraised.needs is not None
    assert appraised.needs.gpu is None
    assert appraised.needs.ram.weights_bytes > 0.9 * STARTER.path.stat().st_size


def test_one_for_cuda_needs_nothing_of_a_card_of_another_vendor(house: House) -> None:
    appraised = house.of_llama("CUDA0: NVIDIA GeForce RTX 4090 (24080 MiB, 23000 MiB free)")
    assert appraised.gpus == ("gpu0",)
    assert set(need_of(appraised.needs, appraised.gpus)) == {"memory", "gpu0"}


def test_one_that_does_not_tell_is_expected_on_the_first_vendors_cards(house: House) -> None:
    house.llama = "/bin/false"
    assert house.of_llama().gpus == ("gpu0", "gpu1")


def test_a_projector_counts_and_its_runs_are_remembered_apart(house: House) -> None:
    plain = house.of_llama()
    eyes = write_projector(house.folder / "eyes.gguf", width=192)
    seeing = house.of_llama(mmproj=str(eyes))
    assert seeing.needs is not None
    assert plain.needs is not None
    assert seeing.needs.ram.weights_bytes - plain.needs.ram.weights_bytes == eyes.stat().st_size
    assert seeing.key != plain.key


def test_a_machine_without_gpus_asks_no_program_where_it_computes(house: House) -> None:
    house.devices = (DeviceView(id="cpu", kind="cpu", name="CPU"),)
    program = house.folder / "recording"
    program.write_text(f"#!/bin/sh\ntouch {house.folder}/asked\n")
    program.chmod(0o755)
    house.llama = str(program)
    assert house.of_llama().gpus == ()
    assert not (house.folder / "asked").exists()


def test_vllm_needs_its_share_of_each_of_its_gpus_and_no_margin_on_top(house: House) -> None:
    appraised = house.of_vllm(gpus=(0, 1))
    assert appraised.gpus == ("gpu0", "gpu1")
    need = need_of(appraised.needs, appraised.gpus)
    assert need["gpu0"] + need["gpu1"] == pytest.approx(0.9 * 32 * GIB, abs=2)
    assert need["memory"] > GIB


def test_what_args_say_of_the_share_wins(house: House) -> None:
    appraised = house.of_vllm(args=("--gpu_memory_utilization", "0.5"))
    assert need_of(appraised.needs, appraised.gpus)["gpu0"] == 12 * GIB


def test_a_cache_of_another_size_is_not_guessed_at(house: House) -> None:
    assert house.of_vllm(args=("--kv-cache-memory-bytes", "4G")).needs is None


def test_vllm_on_the_processor_needs_its_weights_and_its_cache_in_ram(house: House) -> None:
    appraised = house.of_vllm(gpus=(), env={"VLLM_CPU_KVCACHE_SPACE": "8"})
    assert appraised.gpus == ()
    assert appraised.needs is not None
    assert (appraised.needs.ram.weights_bytes, appraised.needs.ram.kv_bytes) == (1000, 8 * GIB)
    assert appraised.needs.gpu is None


@pytest.mark.parametrize(("gpus", "pools"), [((), {"memory"}), ((2,), {"memory", "gpu2"})])
def test_a_command_needs_at_least_the_file_it_is_given(gpus: tuple[int, ...], pools: set[str], house: House) -> None:
    appraised = house.of_command("${model}", model="hal0-starter", gpus=gpus)
    assert appraised.needs is not None
    where = appraised.needs.gpu or appraised.needs.ram
    assert where.total_bytes == STARTER.path.stat().st_size
    assert where.uncertainty == 0.25
    assert set(need_of(appraised.needs, appraised.gpus)) == pools


def test_where_a_command_computes_is_not_guessed_at(house: House) -> None:
    assert house.of_command("${model}", model="hal0-starter").needs is None
    house.devices = ()
    needs = house.of_command("${model}", model="hal0-starter").needs
    assert needs is not None
    assert needs.ram.weights_bytes == STARTER.path.stat().st_size


def test_of_a_command_with_a_mere_name_nothing_is_known(house: House) -> None:
    assert house.of_command(model="gpt-oss").needs is None


def test_what_a_run_was_seen_to_take_wins_over_what_its_command_line_tells(house: House) -> None:
    key = house.of_vllm(gpus=(0,)).key
    house.peaks.learn(key, private_bytes=2 * GIB, gpu_bytes=20 * GIB)
    appraised = house.of_vllm(gpus=(0,))
    assert appraised.needs is not None
    assert appraised.needs.gpu is not None
    assert (appraised.needs.gpu.source, appraised.needs.gpu.total_bytes) == ("measured", 20 * GIB)
