"""Finds the GPUs in sysfs and in the NVIDIA driver's files, without asking a driver's library.

A graphics chip that only draws a server's console, or one given away to a virtual machine, has no driver named here
and is not counted.
"""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hal0.hardware import amd, intel
from hal0.hardware.card import Card, Vendor, facts_of
from hal0.hardware.files import parse_fields, read_text
from hal0.hardware.pci_names import name_of

VENDORS: dict[str, Vendor] = {"amdgpu": "amd", "i915": "intel", "xe": "intel"}
ORDER: tuple[Vendor, ...] = ("nvidia", "amd", "intel")
PCI_ADDRESS = re.compile(r"[0-9a-f]{4,}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f]")


@dataclass(frozen=True, slots=True)
class _Found:
    vendor: Vendor
    driver: str
    pci: str
    name: str
    folder: Path
    memory_bytes: int | None = None
    unified: bool = False
    carved_bytes: int | None = None


def discover(root: Path, *, drm: Path, nvidia: Path) -> tuple[Card, ...]:
    """Number what was found; the numbers hold until the daemon is started again."""
    cards: list[Card] = []
    found_all = [*_nvidia(root, nvidia), *_drm(root, drm)]
    for vendor in ORDER:
        of_vendor = sorted((found for found in found_all if found.vendor == vendor), key=lambda found: found.pci)
        for number, found in enumerate(of_vendor):
            cards.append(
                Card(
                    index=len(cards),
                    vendor_index=number,
                    vendor=found.vendor,
                    driver=found.driver,
                    pci=found.pci,
                    name=found.name,
                    folder=found.folder,
                    memory_bytes=found.memory_bytes,
                    unified=found.unified,
                    carved_bytes=found.carved_bytes,
                )
            )
    return tuple(cards)


def _nvidia(root: Path, listed: Path) -> Iterator[_Found]:
    """The driver lists its GPUs; a container sees those that were given to it."""
    addresses: list[str] = []
    with suppress(OSError):
        addresses = [name for name in os.listdir(listed) if PCI_ADDRESS.fullmatch(name.lower())]
    for address in addresses:
        model = parse_fields(read_text(listed / address / "information") or "", ":").get("Model", "")
        folder = root / "sys/bus/pci/devices" / address.lower()
        yield _Found("nvidia", "nvidia", address.lower(), model or "NVIDIA GPU", folder)
    if not addresses:
        with suppress(OSError):
            for node in os.listdir(root / "dev"):
                if re.fullmatch(r"nvidia\d+", node):
                    yield _Found("nvidia", "nvidia", "", "NVIDIA GPU", root / "dev" / node)


def _drm(root: Path, listed: Path) -> Iterator[_Found]:
    """Connectors ("card0-DP-1") lie beside the cards."""
    try:
        names = [name for name in os.listdir(listed) if re.fullmatch(r"card\d+", name)]
    except OSError:
        return
    for name in names:
        device = listed / name / "device"
        facts = facts_of(device)
        driver, address = facts.get("DRIVER", ""), facts.get("PCI_SLOT_NAME", "").lower()
        if driver not in VENDORS or not PCI_ADDRESS.fullmatch(address):
            continue
        # The card's number may change when its driver is loaded again, its place on the bus does not.
        folder = root / "sys/bus/pci/devices" / address
        folder = folder if os.path.isdir(folder) else device
        make = amd if VENDORS[driver] == "amd" else intel
        unified = make.is_unified(folder)
        yield _Found(
            vendor=VENDORS[driver],
            driver=driver,
            pci=address,
            name=name_of(root, facts.get("PCI_ID", ""), revision=read_text(folder / "revision") or ""),
            folder=folder,
            memory_bytes=make.memory_total(folder, unified=unified),
            unified=unified,
            carved_bytes=make.carve_out(folder) if unified else None,
        )
