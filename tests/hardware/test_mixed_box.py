"""One machine with GPUs of three vendors, and slots on each of them, as the sampler tells it."""

from pathlib import Path

from hal0.daemon.events import EventBus
from hal0.daemon.sampler import Sampler
from hal0.hardware.cpu import CpuMeter
from hal0.hardware.drm import DrmMeter
from hal0.hardware.facts import read_facts
from hal0.hardware.nvidia import NvidiaMeter
from hal0.hardware.processes import ProcessMeter
from tests.fakes.nvml import Gpu, Nvml
from tests.hardware.gpu_trees import ARC, GIB, MIB, STRIX, XTX, gpu_file, mixed_box
from tests.hardware.trees import plant, process


def sampler(root: Path, nvml: Nvml, groups: dict[str, int]) -> Sampler:
    mixed_box(root)
    facts = read_facts(root)
    nvidia = [card for card in facts.gpus if card.vendor == "nvidia"]
    others = [card for card in facts.gpus if card.vendor != "nvidia"]
    return Sampler(
        EventBus(),
        meters=[
            CpuMeter(facts, root=root),
            NvidiaMeter(nvidia, next_index=len(facts.gpus), root=root, load=lambda: nvml),
            DrmMeter(others, root=root),
        ],
        processes=ProcessMeter(root=root),
        process_groups=lambda: groups,
    )


async def test_memory_of_each_slot_is_told_by_gpu_and_strangers_by_name(tmp_path: Path) -> None:
    plant(tmp_path, process(10, group=10) | process(11, group=10) | process(20, group=20) | process(90, group=90))
    # `big` spans two cards of different vendors, with a worker that inherited an open file.
    for pid in (10, 11):
        gpu_file(tmp_path, pid, 3, XTX, 1, "drm-memory-vram:\t8 GiB\n", name="llama-server")
    gpu_file(tmp_path, 11, 4, XTX, 2, "drm-memory-vram:\t1 GiB\n", name="llama-server")
    gpu_file(tmp_path, 20, 3, STRIX, 1, "drm-memory-vram:\t100 MiB\ndrm-memory-gtt:\t40 GiB\n", name="llama-server")
    gpu_file(tmp_path, 20, 4, ARC, 1, "drm-resident-vram0:\t2 GiB\n", name="llama-server")
    gpu_file(tmp_path, 90, 3, ARC, 2, "drm-resident-vram0:\t3 GiB\n", name="blender")
    nvml = Nvml(Gpu(computing=[(10, 5 * GIB), (90, GIB)]))
    look = sampler(tmp_path, nvml, {"big": 10, "shared": 20, "cold": 30})
    await look.sample()
    assert {name: dict(usage.gpu_bytes) for name, usage in look.slots.items()} == {
        "big": {"gpu0": 5 * GIB, "gpu1": 9 * GIB},
        "shared": {"gpu2": 40 * GIB + 100 * MIB, "gpu3": 2 * GIB},
    }
    strangers = {
        device.id: [(each.name, each.memory_bytes) for each in device.processes if not each.slot]
        for device in look.devices
    }
    assert strangers == {
        "cpu": [],
        "memory": [],
        "gpu0": [("blender", GIB)],
        "gpu1": [],
        "gpu2": [],
        "gpu3": [("blender", 3 * GIB)],
    }


async def test_figures_of_all_vendors_are_there_at_once(tmp_path: Path) -> None:
    look = sampler(tmp_path, Nvml(Gpu()), {})
    await look.sample()
    figures = {
        device.id: (device.vendor, device.temperature_c, device.clock_mhz, device.fan_percent, device.fan_rpm)
        for device in look.devices
    }
    assert figures == {
        "cpu": ("", 54.25, None, None, None),
        "memory": ("", None, None, None, None),
        "gpu0": ("nvidia", 71, 2520, 62, None),
        "gpu1": ("amd", 61.0, 2304.0, 40.0, 1480),
        "gpu2": ("amd", 55.0, 1500.0, None, None),
        "gpu3": ("intel", 52.0, 2400.0, None, 1100),
    }
