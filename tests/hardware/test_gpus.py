"""Which GPUs are found, and what it costs where there is none."""

import subprocess
import sys
from pathlib import Path

from hal0.hardware.facts import read_facts
from hal0.hardware.gpus import find_cards, gpu_meters
from hal0.hardware.pci_names import name_of
from tests.hardware import gpu_trees
from tests.hardware.gpu_trees import ARC, GIB, MIB, RTX, STRIX, XTX, drm_card, mixed_box, nvidia
from tests.hardware.trees import LAPTOP, plant

NOTHING_LOADED = """
import sys
from pathlib import Path
from hal0.hardware.facts import read_facts
from hal0.hardware.gpus import gpu_meters
root = Path(sys.argv[1])
print(gpu_meters(root), read_facts(root).gpu_count, sorted(set(sys.modules) & set(sys.argv[2].split())))
"""
VENDOR_MODULES = ("amd", "card", "clients", "discovery", "drm", "intel", "kfd", "nvidia")
VENDOR_CODE = " ".join(["pynvml", *(f"hal0.hardware.{name}" for name in VENDOR_MODULES)])


def names_of_meters(root: Path) -> list[list[str]]:
    return [[device.id for device in meter.sample()] for meter in gpu_meters(root)]


def test_a_mixed_box_is_numbered_by_vendor_and_then_by_place(tmp_path: Path) -> None:
    mixed_box(tmp_path)
    cards = read_facts(tmp_path).gpus
    assert [(card.id, card.vendor, card.vendor_index, card.pci, card.name) for card in cards] == [
        ("gpu0", "nvidia", 0, RTX, "NVIDIA GeForce RTX 4090"),
        ("gpu1", "amd", 0, XTX, "AMD Radeon RX 7900 XTX"),
        ("gpu2", "amd", 1, STRIX, "AMD Radeon 8060S Graphics"),
        ("gpu3", "intel", 0, ARC, "Intel Arc A770"),
    ]
    assert [card.memory_bytes for card in cards] == [None, 24 * GIB - 16 * MIB, 110 * GIB + 512 * MIB, 16 * GIB]
    assert [card.unified for card in cards] == [False, False, True, False]
    assert read_facts(tmp_path).gpu_count == 4


def test_a_mixed_box_is_read_in_full(tmp_path: Path) -> None:
    mixed_box(tmp_path)
    assert names_of_meters(tmp_path) == [["gpu0"], ["gpu1", "gpu2", "gpu3"]]


def test_a_machine_without_a_gpu_has_no_meter(tmp_path: Path) -> None:
    plant(tmp_path, LAPTOP)
    assert gpu_meters(tmp_path) == []
    assert read_facts(tmp_path).gpu_count == 0


def test_a_machine_without_a_gpu_loads_no_code_for_them(tmp_path: Path) -> None:
    plant(tmp_path, LAPTOP)
    command = [sys.executable, "-c", NOTHING_LOADED, str(tmp_path), VENDOR_CODE]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[] 0 []\n"


def test_a_chip_for_the_console_or_a_card_given_away_is_not_a_gpu(tmp_path: Path) -> None:
    drm_card(tmp_path, 0, "0000:0a:00.0", "ast", "1A03:2000", {})
    drm_card(tmp_path, 1, XTX, "vfio-pci", "1002:744C", {})
    assert find_cards(tmp_path) == ()
    assert gpu_meters(tmp_path) == []


def test_several_nvidia_cards_are_in_the_order_of_the_bus(tmp_path: Path) -> None:
    for address, model in (("0000:81:00.0", "Second"), ("0000:01:00.0", "First")):
        nvidia(tmp_path, address, model)
    assert [(card.id, card.name) for card in find_cards(tmp_path)] == [("gpu0", "First"), ("gpu1", "Second")]


def test_a_sandbox_shows_only_the_device_files(tmp_path: Path) -> None:
    plant(tmp_path, {"dev/nvidiactl": "", "dev/nvidia0": "", "dev/nvidia1": "", "dev/nvidia-uvm": ""})
    assert [card.name for card in find_cards(tmp_path)] == ["NVIDIA GPU", "NVIDIA GPU"]
    assert len(gpu_meters(tmp_path)) == 1


def test_wsl_has_a_library_and_no_devices(tmp_path: Path) -> None:
    plant(tmp_path, {"usr/lib/wsl/lib/libnvidia-ml.so.1": ""})
    assert find_cards(tmp_path) == ()
    assert len(gpu_meters(tmp_path)) == 1


def test_files_that_cannot_be_read_cost_their_values_only(tmp_path: Path) -> None:
    device = gpu_trees.rx_7900_xtx(tmp_path)
    for name in ("gpu_metrics", "mem_info_vram_total", "revision"):
        (device / name).unlink()
        (device / name).mkdir()
    [card] = find_cards(tmp_path)
    assert (card.name, card.memory_bytes, card.unified) == ("AMD GPU 744c", None, False)


def test_a_card_whose_facts_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    device = gpu_trees.rx_7900_xtx(tmp_path)
    (device / "uevent").unlink()
    (device / "uevent").mkdir()
    assert find_cards(tmp_path) == ()


def test_a_name_is_looked_up_with_its_maker_and_never_with_anothers(tmp_path: Path) -> None:
    plant(tmp_path, gpu_trees.NAMES)
    assert name_of(tmp_path, "8086:56A0") == "Intel Arc A770"
    assert name_of(tmp_path, "1002:744C", revision="0xC8") == "AMD Radeon RX 7900 XTX"
    assert name_of(tmp_path, "1002:744C", revision="0x01") == "AMD GPU 744c"
    assert name_of(tmp_path, "8086:FFFF") == "Intel GPU ffff"
    assert name_of(tmp_path, "") == "GPU"
