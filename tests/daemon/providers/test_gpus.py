"""Which GPUs a program is shown, on machines with one vendor's and with several."""

from pathlib import Path

import pytest

from hal0.daemon.config.schema import Slot
from hal0.daemon.models.file import ModelFile
from hal0.daemon.providers import make_providers
from hal0.daemon.providers.base import Launch, SlotSpec
from hal0.daemon.providers.gpus import visible_gpus
from hal0.errors import Hal0Error
from hal0.hardware.card import Card
from hal0.hardware.facts import Facts, read_facts
from hal0.wire import Kind
from hal0.workflows import CURATED
from tests.fakes.programs import install_stand_in, write_model_folder
from tests.hardware.gpu_trees import mixed_box, nvidia, rx_7900_xtx
from tests.hardware.trees import LAPTOP, plant

NAMES = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "GGML_VK_VISIBLE_DEVICES")


def shown(cards: tuple[Card, ...], *gpus: int) -> tuple[str | None, ...]:
    env = visible_gpus(gpus, cards, slot="s")
    assert env["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    return tuple(env.get(name) for name in NAMES)


@pytest.fixture
def mixed(tmp_path: Path) -> Facts:
    """gpu0 is NVIDIA's, gpu1 and gpu2 (in the processor) are AMD's, gpu3 is Intel's."""
    mixed_box(tmp_path)
    return read_facts(tmp_path)


@pytest.mark.parametrize(
    ("gpus", "cuda", "rocr", "hip", "vulkan"),
    [
        ((0,), "0", "-1", "-1", "0"),
        ((1,), "-1", "0", "0", "1"),
        ((2,), "-1", "1", "0", "3"),  # Vulkan has graphics in processors last
        ((2, 1), "-1", "1,0", "0,1", "3,1"),
        ((3,), "-1", "-1", "-1", "2"),
        ((), "-1", "-1", "-1", None),
    ],
)
def test_gpus_of_a_mixed_box_have_the_numbers_of_their_vendor(
    mixed: Facts, gpus: tuple[int, ...], cuda: str, rocr: str, hip: str, vulkan: str | None
) -> None:
    assert shown(mixed.gpus, *gpus) == (cuda, rocr, hip, vulkan)


def test_one_of_intels_is_chosen_by_level_zero_in_the_order_of_the_bus(mixed: Facts) -> None:
    env = visible_gpus((3,), mixed.gpus, slot="s")
    assert (env["ZE_AFFINITY_MASK"], env["ZE_ENABLE_PCI_ID_DEVICE_ORDER"]) == ("0", "1")


def test_several_of_nvidias_keep_the_order_they_are_named_in(tmp_path: Path) -> None:
    for place in ("0000:01:00.0", "0000:81:00.0", "0000:c1:00.0"):
        nvidia(tmp_path, place)
    assert shown(read_facts(tmp_path).gpus, 2, 0) == ("2,0", "-1", "-1", "2,0")


def test_where_all_are_amds_cuda_and_hip_say_the_same(tmp_path: Path) -> None:
    plant(tmp_path, LAPTOP)
    rx_7900_xtx(tmp_path)
    assert shown(read_facts(tmp_path).gpus, 0) == ("0", "0", "0", "0")


def test_where_no_gpu_was_found_the_numbers_are_the_programs_own() -> None:
    assert shown((), 1, 0) == ("1,0", "1,0", "0,1", "1,0")


def test_gpus_of_two_vendors_are_refused_with_their_place(mixed: Facts) -> None:
    with pytest.raises(Hal0Error) as caught:
        visible_gpus((0, 1), mixed.gpus, slot="s")
    assert caught.value.code == "config.invalid"
    assert "slots.s.gpus" in caught.value.message
    assert "gpu0 is of nvidia and gpu1 of amd" in caught.value.message


def test_a_gpu_that_is_not_there_is_named_with_those_that_are(mixed: Facts) -> None:
    with pytest.raises(Hal0Error) as caught:
        visible_gpus((4,), mixed.gpus, slot="s")
    assert caught.value.code == "slot.engine_missing"
    assert "gpu4" in caught.value.message
    assert "gpu0, gpu1, gpu2, gpu3" in caught.value.message


@pytest.mark.parametrize("provider", ["llama", "vllm", "comfyui", "command"])
def test_every_provider_counts_as_the_machine_does(provider: str, mixed: Facts, tmp_path: Path) -> None:
    program = install_stand_in(tmp_path, "program", "any_server.py")
    folder = write_model_folder(tmp_path / "folder")
    (tmp_path / "main.py").touch()
    where = {
        "command": {"command": (str(program), "${port}")},
        "comfyui": {"cwd": str(tmp_path), "binary": str(program), "workflow": str(CURATED["sdxl-turbo"].path)},
    }.get(provider, {"binary": str(program)})
    path = folder if provider == "vllm" else tmp_path / "m.gguf"
    kind: Kind = "image" if provider == "comfyui" else "chat"
    model = ModelFile("m", path, kind, 1, format="folder" if provider == "vllm" else "gguf")
    spec = SlotSpec("s", Slot.model_validate({"provider": provider, "model": "m", "gpus": (2,), **where}), model, 1)
    launch: Launch = make_providers(mixed)[provider].launch(spec)
    assert dict(launch.env)["ROCR_VISIBLE_DEVICES"] == "1"
    assert launch.device == "2"
