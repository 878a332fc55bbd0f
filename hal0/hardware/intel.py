"""Intel GPUs, from the files of i915 and of xe, which are laid out differently.

Neither tells an ordinary user how busy the whole GPU is or how much of its memory is taken: both are summed over the
processes that can be seen. Where none is, the share of time that the GPU was awake is the nearest thing to the first.
"""

import time
from collections.abc import Callable
from pathlib import Path

from hal0.hardware.card import Card, facts_of, find_sensors, scaled
from hal0.hardware.clients import Use
from hal0.hardware.files import find, read_amount, read_number, read_text
from hal0.hardware.rates import Rates
from hal0.wire import DeviceView

VRAM = ("vram", "local")  # xe, i915
UNIFIED = (*VRAM, "gtt", "system", "stolen")
SMALL_WINDOW_BYTES = 256 * 2**20  # without resizable BAR the window shows this much, whatever the card has
LOCAL_MEMORY_BAR = 2


def is_unified(folder: Path) -> bool:
    """Graphics inside the processor are always device 2 of the first bus; they have no memory of their own."""
    return facts_of(folder).get("PCI_SLOT_NAME", "").endswith(":00:02.0")


def memory_total(folder: Path, *, unified: bool) -> int | None:
    """What xe tells; on i915 what its out-of-tree build tells, else the size of the window onto the memory."""
    if unified:
        return None
    tiles = [read_amount(file) for file in find(folder, "tile*/physical_vram_size_bytes")]
    if sizes := [size for size in tiles if size]:
        return sum(sizes)
    for file in find(folder, "drm/card*/lmem_total_bytes"):
        if size := read_amount(file):
            return size
    return _window(folder)


def carve_out(folder: Path) -> int:
    """Nothing that a program could have: the few megabytes that firmware keeps ("stolen") are for the display."""
    return 0


class IntelReader:
    """Remembers the counters of energy and of sleep at the last look."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._rates = Rates(clock)

    def read(self, card: Card, use: Use) -> DeviceView:
        """Look at a card that is awake."""
        folder, regions = card.folder, UNIFIED if card.unified else VRAM
        sensors = find_sensors(folder) or folder / "no-sensors"
        limit = read_amount(sensors / "power1_max") or read_amount(sensors / "power1_rated_max")  # 0: no limit set
        return card.view().model_copy(
            update={
                "utilisation": use.busy if use.clients else self._awake(card),
                "memory_used_bytes": use.memory_bytes(regions),
                "temperature_c": scaled(_temperature(sensors), 1000),
                "power_w": self._power(card, sensors),
                "power_limit_w": scaled(limit or None, 1e6),
                "clock_mhz": _clock_mhz(folder),
                "fan_rpm": read_amount(sensors / "fan1_input"),
                "processes": use.processes(regions),
                "note": "" if use.complete else "memory in use: of the processes that can be seen",
            }
        )

    def _power(self, card: Card, sensors: Path) -> float | None:
        """Microjoules a second, of the card (1) or else of the chip (2)."""
        for name in ("energy1_input", "energy2_input"):
            if (energy := read_amount(sensors / name)) is not None:
                return scaled(self._rates.per_second((card.pci, name), energy), 1e6)
        return None

    def _awake(self, card: Card) -> float | None:
        for pattern in ("tile0/gt0/gtidle/idle_residency_ms", "drm/card*/gt/gt0/rc6_residency_ms"):
            for file in find(card.folder, pattern):
                if (asleep_ms := read_amount(file)) is not None:
                    rate = self._rates.per_second((card.pci, "asleep"), asleep_ms)
                    return None if rate is None else min(1.0, max(0.0, 1 - rate / 1000))
        return None


def _clock_mhz(folder: Path) -> float | None:
    """What the chip decided on, not what was asked of it; 0 while it sleeps."""
    for pattern in ("tile0/gt0/freq0/act_freq", "drm/card*/gt/gt0/rps_act_freq_mhz", "drm/card*/gt_act_freq_mhz"):
        for file in find(folder, pattern):
            if (clock := read_amount(file)) is not None:
                return float(clock)
    return None


def _temperature(sensors: Path) -> int | None:
    """The chip's: xe has it as number 2, i915 as the only one."""
    chip = read_number(sensors / "temp2_input")
    return chip if chip is not None else read_number(sensors / "temp1_input")


def _window(folder: Path) -> int | None:
    """The size of the region through which the processor reaches the card's memory, from "START END FLAGS" lines."""
    try:
        start, end, _ = (read_text(folder / "resource") or "").splitlines()[LOCAL_MEMORY_BAR].split()
        size = int(end, 16) - int(start, 16) + 1
    except (IndexError, ValueError):
        return None
    return size if size > SMALL_WINDOW_BYTES else None
