"""The way in: which GPUs are there, and the meters that look at them.

On a machine without a GPU this costs the listing of two folders: no vendor's code is imported, no library opened.
"""

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hal0.hardware.card import Card
    from hal0.hardware.meter import Meter

DRM = "sys/class/drm"
NVIDIA = "proc/driver/nvidia/gpus"
NVIDIA_SIGNS = ("dev/nvidiactl", "usr/lib/wsl/lib/libnvidia-ml.so.1")  # sandboxes and WSL have no such folder


def find_cards(root: Path = Path("/")) -> "tuple[Card, ...]":
    """Every GPU with a driver we can read: NVIDIA's first, then AMD's, then Intel's, each in PCI order."""
    if not _may_have_gpus(root):
        return ()
    from hal0.hardware.discovery import discover

    return discover(root, drm=root / DRM, nvidia=root / NVIDIA)


def gpu_meters(root: Path = Path("/"), *, cards: "tuple[Card, ...] | None" = None) -> "list[Meter]":
    """A meter for NVML and one for the kernel's own files, where there is such a GPU.

    `cards`: what was found before (`Facts.gpus`), so as not to search again.
    """
    cards = find_cards(root) if cards is None else cards
    has_nvidia = _has_nvidia(root)
    if not cards and not has_nvidia:
        return []
    from hal0.hardware.patience import PatientMeter

    meters: list[Meter] = []
    if has_nvidia:
        from hal0.hardware.nvidia import NvidiaMeter

        nvidia = [card for card in cards if card.vendor == "nvidia"]
        meters.append(PatientMeter(NvidiaMeter(nvidia, next_index=len(cards), root=root), nvidia))
    if others := [card for card in cards if card.vendor != "nvidia"]:
        from hal0.hardware.drm import DrmMeter

        meters.append(PatientMeter(DrmMeter(others, root=root), others))
    return meters


def _may_have_gpus(root: Path) -> bool:
    with suppress(OSError):
        if any(name.startswith("card") for name in os.listdir(root / DRM)):
            return True
    return _has_nvidia(root)


def _has_nvidia(root: Path) -> bool:
    with suppress(OSError):
        if os.listdir(root / NVIDIA):
            return True
    return any(os.path.exists(root / sign) for sign in NVIDIA_SIGNS)
