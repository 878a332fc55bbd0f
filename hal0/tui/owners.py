"""Who holds the memory of a device: slots, programs of others, what is promised, what is free. Pure.

The parts add up to what the device says that it has, and those before `promised` to what is in use: what nobody is
known to hold is a part too. Only memory that processes share, and that counts for each, can make it more.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from hal0.wire import DeviceView, SlotView

Kind = Literal["slot", "stranger", "rest", "promised", "free"]


@dataclass(frozen=True, slots=True)
class Part:
    """A share of a device's memory."""

    kind: Kind
    name: str  # of the slot or the program
    size: int | None  # bytes; None: it holds some, the driver does not tell how much
    pid: int = 0
    user: str = ""


def outstanding(slot: SlotView, device: str) -> int:
    """What the slot was promised of a device, by its id, and has not taken yet."""
    if device == "memory":
        taken = (slot.memory_bytes if slot.private_bytes is None else slot.private_bytes) or 0
    else:
        taken = slot.gpu_bytes.get(device, 0)
    return max(0, slot.reserved_bytes.get(device, 0) - taken)


def parts_of(device: DeviceView, slots: Iterable[SlotView]) -> list[Part]:
    """The slots with the sum of their processes, then others, each the largest first; then what is left."""
    held: dict[str, int | None] = {}
    strangers: list[Part] = []
    for process in device.processes:
        if not process.slot:
            name = process.name or f"pid {process.pid}"
            strangers.append(Part("stranger", name, process.memory_bytes, process.pid, process.user))
        elif process.memory_bytes is None:
            held.setdefault(process.slot, None)
        else:
            held[process.slot] = (held.get(process.slot) or 0) + process.memory_bytes
    ours = [Part("slot", name, size) for name, size in held.items()]
    parts = [*sorted(ours, key=_size, reverse=True), *sorted(strangers, key=_size, reverse=True)]
    used, total = device.memory_used_bytes, device.memory_total_bytes
    if used is None:
        return parts
    if rest := max(0, used - sum(part.size or 0 for part in parts)):
        parts.append(Part("rest", "", rest))
    if total is None:
        return parts
    free = max(0, total - max(used, sum(part.size or 0 for part in parts)))
    for slot in slots:
        if promised := min(free, outstanding(slot, device.id)):
            parts.append(Part("promised", slot.name, promised))
            free -= promised
    return [*parts, Part("free", "", free)]


def _size(part: Part) -> int:
    return part.size or 0
