"""What a GPU is called in a shop, from the lists that distributions install; its numbers where there is none."""

from pathlib import Path

AMD_LIST = "usr/share/libdrm/amdgpu.ids"  # "744C,\tC8,\tAMD Radeon RX 7900 XTX"
PCI_LISTS = ("usr/share/hwdata/pci.ids", "usr/share/misc/pci.ids")
MAKERS = {"1002": "AMD", "8086": "Intel"}


def name_of(root: Path, pci_id: str, *, revision: str = "") -> str:
    """The name for a "1002:744C"; AMD's own list knows the models that share a number and differ in revision."""
    vendor, _, device = pci_id.lower().partition(":")
    maker = MAKERS.get(vendor, "")
    if maker == "AMD" and (name := _in_amd_list(root / AMD_LIST, device, revision.lower().removeprefix("0x"))):
        return name
    for file in PCI_LISTS:
        if name := _in_pci_list(root / file, vendor, device):
            return name if name.startswith(maker) else f"{maker} {name}".strip()
    return f"{maker} GPU {device}".strip()


def _in_amd_list(file: Path, device: str, revision: str) -> str:
    try:
        with file.open(errors="replace") as lines:
            for line in lines:
                words = [word.strip() for word in line.split(",", 2)]
                if len(words) == 3 and [word.lower() for word in words[:2]] == [device, revision]:
                    return words[2]
    except OSError:
        pass
    return ""


def _in_pci_list(file: Path, vendor: str, device: str) -> str:
    """ "DG2 [Arc A770]" is a chip and, in brackets, what is sold with it."""
    try:
        with file.open(errors="replace") as lines:
            in_vendor = False
            for line in lines:
                if not line.startswith(("\t", "#", "\n")):
                    if in_vendor:
                        break
                    in_vendor = line.lower().startswith(vendor + " ")
                elif in_vendor and line.startswith(f"\t{device} "):
                    name = line.split(None, 1)[1].strip()
                    return name.partition("[")[2].rstrip("]") or name
    except OSError:
        pass
    return ""
