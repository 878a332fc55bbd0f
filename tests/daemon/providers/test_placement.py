"""On which GPUs of the machine a backend is expected, where there are several vendors'."""

import pytest

from hal0.daemon.providers.base import Launch, Word
from hal0.daemon.providers.llama_devices import Listed
from hal0.daemon.providers.placement import gpus_of, gpus_of_llama, gpus_of_vllm
from hal0.wire import DeviceView


def gpu(index: int, vendor: str, name: str, *, unified: bool = False) -> DeviceView:
    return DeviceView(id=f"gpu{index}", kind="gpu", name=name, vendor=vendor, unified=unified)


RTX = gpu(0, "nvidia", "NVIDIA GeForce RTX 4090")
SECOND = gpu(1, "nvidia", "NVIDIA GeForce RTX 3060")
XTX = gpu(1, "amd", "AMD Radeon RX 7900 XTX")
STRIX = gpu(2, "amd", "AMD Radeon 8060S Graphics", unified=True)
ARC = gpu(3, "intel", "Intel Arc A770")
MIXED = (DeviceView(id="cpu", kind="cpu", name="CPU"), RTX, XTX, STRIX, ARC)

CUDA = Listed("CUDA0", RTX.name)
ROCM = (Listed("ROCm0", XTX.name), Listed("ROCm1", STRIX.name))
VULKAN = (
    Listed("Vulkan0", "AMD Radeon 8060S Graphics (RADV STRIX_HALO)"),
    Listed("Vulkan1", "NVIDIA GeForce RTX 4090"),
    Listed("Vulkan2", "AMD Radeon RX 7900 XTX (RADV NAVI31)"),
    Listed("Vulkan3", "Intel(R) Arc(tm) A770 Graphics (DG2)"),
    Listed("Vulkan4", "llvmpipe (LLVM 22.1.6, 256 bits)"),
)


def launch(device: str, *words: str) -> Launch:
    return Launch(tuple(Word(word, "test") for word in words), device=device)


@pytest.mark.parametrize(
    ("listed", "device", "words", "used"),
    [
        ((CUDA,), "auto", (), ("gpu0",)),  # a build for CUDA leaves the others alone
        (ROCM, "auto", (), ("gpu1",)),  # a card is there, so graphics in the processor are not used
        (ROCM[1:], "auto", (), ("gpu2",)),
        (ROCM, "auto", ("-dev", "ROCm1"), ("gpu2",)),
        (ROCM, "auto", ("--device=ROCm0,ROCm1",), ("gpu1", "gpu2")),
        ((CUDA,), "auto", ("--device", "none"), ()),
        ((Listed("SYCL0", "whatever it calls it"),), "auto", (), ("gpu3",)),
        (VULKAN, "auto", (), ("gpu0", "gpu1", "gpu3")),
        ((CUDA, VULKAN[1]), "auto", (), ("gpu0",)),  # one card by two interfaces
        ((), "auto", (), ()),  # a build for the processor
        ((), "0", (), ()),  # also if a GPU is named for it
        (ROCM[:1], "1", (), ("gpu1",)),
        (VULKAN[1:2], "1", (), ("gpu0",)),  # where it is, not where it was meant to be
        (None, "auto", (), ("gpu0",)),
        (None, "1,2", (), ("gpu1", "gpu2")),
    ],
)
def test_a_llama_server_is_where_it_says(
    listed: tuple[Listed, ...] | None, device: str, words: tuple[str, ...], used: tuple[str, ...]
) -> None:
    assert gpus_of_llama(launch(device, *words), MIXED, listed) == used


def test_cards_of_one_name_are_told_apart_by_their_order() -> None:
    twins = (RTX, RTX.model_copy(update={"id": "gpu1"}))
    assert gpus_of_llama(launch("auto"), twins, (CUDA,)) == ("gpu0",)
    assert gpus_of_llama(launch("1"), twins, (CUDA,)) == ("gpu1",)  # it sees that one alone, as its first


@pytest.mark.parametrize(
    ("devices", "device", "used"),
    [
        (MIXED, "auto", ("gpu0",)),
        ((XTX, STRIX), "auto", ("gpu1",)),
        ((STRIX,), "auto", ("gpu2",)),
        ((RTX, SECOND), "auto", ("gpu0", "gpu1")),
        (MIXED, "2,1", ("gpu2", "gpu1")),
        (MIXED, "7", ()),
        (MIXED, "npu", ()),
        ((), "auto", ()),
    ],
)
def test_of_other_programs_the_first_vendors_cards_are_expected(
    devices: tuple[DeviceView, ...], device: str, used: tuple[str, ...]
) -> None:
    assert gpus_of(launch(device), devices) == used


@pytest.mark.parametrize(
    ("device", "words", "used"),
    [
        ("auto", (), ("gpu0",)),
        ("auto", ("--tensor-parallel-size", "2"), ("gpu0", "gpu1")),
        ("auto", ("--tensor_parallel_size=2",), ("gpu0", "gpu1")),
        ("auto", ("-pp", "2", "-tp", "1"), ("gpu0", "gpu1")),
        ("1", (), ("gpu1",)),
    ],
)
def test_vllm_takes_as_many_as_it_splits_a_model_over(
    device: str, words: tuple[str, ...], used: tuple[str, ...]
) -> None:
    assert gpus_of_vllm(launch(device, *words), (RTX, SECOND)) == used
