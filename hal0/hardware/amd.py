"""AMD GPUs, from the files of amdgpu (docs.kernel.org/gpu/amdgpu/thermal.html and driver-misc.html).

An APU computes in the machine's RAM: what firmware carved out for it (VRAM) and what the kernel lends it (GTT) both
count. `gpu_busy_percent` says 100 for ever on some APUs, and on any card while a compute queue merely exists; so 100 is
believed only when the clocks do not contradict it.
"""

import re
from pathlib import Path

from hal0.hardware.card import Card, find_sensors, scaled, share
from hal0.hardware.clients import Use
from hal0.hardware.files import read_amount, read_number, read_text
from hal0.wire import DeviceView

APU_METRICS = (2, 3)  # the major version of gpu_metrics: 1 is a card's, the others are of processors with graphics
VRAM = ("vram",)
UNIFIED = ("vram", "gtt")


def is_unified(folder: Path) -> bool:
    """Whether it shares the processor's memory."""
    try:
        with (folder / "gpu_metrics").open("rb") as file:
            header = file.read(4)
    except OSError:
        header = b""
    if len(header) == 4:
        return header[2] in APU_METRICS
    sensors = find_sensors(folder)  # older kernels: only APUs tell the voltage of the north bridge
    return sensors is not None and read_text(sensors / "in1_label") == "vddnb"


def memory_total(folder: Path, *, unified: bool) -> int | None:
    return _memory(folder, "total", unified)


def carve_out(folder: Path) -> int | None:
    """What of a unified one's memory the processor does not have, in bytes."""
    return read_amount(folder / "mem_info_vram_total")


def read(card: Card, use: Use) -> DeviceView:
    """Look at a card that is awake."""
    folder = card.folder
    sensors = find_sensors(folder) or folder / "no-sensors"
    power = read_amount(sensors / "power1_average")
    fan, fan_full = read_amount(sensors / "pwm1"), read_amount(sensors / "pwm1_max") or 255
    return card.view().model_copy(
        update={
            "utilisation": _utilisation(folder, use),
            "memory_used_bytes": _memory(folder, "used", card.unified),
            "memory_total_bytes": _memory(folder, "total", card.unified) or card.memory_bytes,
            "carved_used_bytes": read_amount(folder / "mem_info_vram_used") if card.unified else None,
            "temperature_c": scaled(_temperature(sensors), 1000),
            "power_w": scaled(power if power is not None else read_amount(sensors / "power1_input"), 1e6),
            "power_limit_w": scaled(read_amount(sensors / "power1_cap") or None, 1e6),
            "clock_mhz": scaled(read_amount(sensors / "freq1_input"), 1e6),
            "memory_clock_mhz": scaled(read_amount(sensors / "freq2_input"), 1e6),
            "fan_percent": None if fan is None else min(100.0, 100 * fan / fan_full),
            "fan_rpm": read_amount(sensors / "fan1_input"),
            "processes": use.processes(UNIFIED if card.unified else VRAM),
        }
    )


def _memory(folder: Path, what: str, unified: bool) -> int | None:
    vram = read_amount(folder / f"mem_info_vram_{what}")
    gtt = read_amount(folder / f"mem_info_gtt_{what}") if unified else 0
    return None if vram is None or gtt is None else vram + gtt


def _temperature(sensors: Path) -> int | None:
    """At the edge of the chip; cards for servers tell only the junction's."""
    edge = read_number(sensors / "temp1_input")
    return edge if edge is not None else read_number(sensors / "temp2_input")


def _utilisation(folder: Path, use: Use) -> float | None:
    busy = read_amount(folder / "gpu_busy_percent")
    if busy is None or (busy >= 100 and _is_resting(folder)):
        return use.busy
    return share(busy)


def _is_resting(folder: Path) -> bool:
    """Whether the shader or the memory clock is at the lowest of several steps ("0: 500Mhz *")."""
    for name in ("pp_dpm_sclk", "pp_dpm_mclk"):
        steps = re.findall(r"^\S+:\s*(\d+)\s*mhz\s*(\*?)", read_text(folder / name) or "", re.I | re.M)
        speeds = [int(speed) for speed, _ in steps]
        now = [int(speed) for speed, mark in steps if mark]
        if now and len(set(speeds)) > 1 and now[0] == min(speeds):
            return True
    return False
