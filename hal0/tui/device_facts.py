"""What is to be said of a device beside its history: its names, who is on it, why values are missing. Pure."""

from collections.abc import Iterator

from hal0.tui import figures, places
from hal0.tui.lines import Span, span
from hal0.tui.store import Store
from hal0.tui.text import cells, cut
from hal0.wire import DeviceView

HOT_C = 85.0


def rows_of(store: Store) -> Iterator[tuple[DeviceView, DeviceView | None]]:
    """The devices as they are drawn: the CPU together with the machine's memory, then each GPU."""
    memory = store.devices.get("memory")
    for device in store.devices.values():
        if device.kind == "cpu":
            yield device, memory
        elif device.kind == "gpu":
            yield device, None


def label_of(device: DeviceView) -> str:
    return "CPU" if device.kind == "cpu" else f"G{device.id.removeprefix('gpu')}"


def short_name(device: DeviceView) -> str:
    """The part of a GPU's name that tells it from others: `4090` of `NVIDIA GeForce RTX 4090`."""
    words = device.name.split()
    numbered = [word for word in words if any(char.isdigit() for char in word)]
    return numbered[-1] if numbered and device.kind == "gpu" else ""


def memory_of(device: DeviceView, memory: DeviceView | None) -> tuple[int | None, int | None]:
    source = memory or device
    return source.memory_used_bytes, source.memory_total_bytes


def tenants(device: DeviceView, store: Store) -> str:
    """The slots that run on a device: those that hold its memory, and those that are told to."""
    if store.devices_are_read_here:  # nobody knows what the slots do now
        return ""
    return " ".join(
        slot.name
        for slot in store.slots.values()
        if slot.state not in ("offline", "error")
        and (slot.device == "cpu" if device.kind == "cpu" else device.id in places.gpus_of(slot))
    )


def residents(device: DeviceView, width: int) -> str:
    """What slots hold of a GPU's memory, cut where there is no room for more of them."""
    sizes: dict[str, int | None] = {}
    for process in device.processes if device.kind == "gpu" else ():
        if process.slot:
            before, more = sizes.get(process.slot, 0), process.memory_bytes
            sizes[process.slot] = None if before is None or more is None else before + more
    told = ", ".join(f"{name} {figures.size(size)}" for name, size in sizes.items())
    return cut(f"slots: {told}", width) if told else ""


def strangers(device: DeviceView, width: int) -> str:
    """The processes of others that hold a GPU's memory, as many as fit; empty if not even one does."""
    others = [process for process in device.processes if not process.slot] if device.kind == "gpu" else []
    names = [f"{each.name or f'pid {each.pid}'} {figures.size(each.memory_bytes)}" for each in others]
    for count in range(len(names), 0, -1):
        more = f" +{len(names) - count} more" if count < len(names) else ""
        told = f"others: {', '.join(names[:count])}{more}"
        if cells(told) <= width:
            return told
    return ""


def note_of(device: DeviceView) -> Span:
    """Why values of a GPU are unknown; louder if all of them are."""
    blind = device.utilisation is None and device.memory_used_bytes is None
    return span(device.note if device.kind == "gpu" else "", "warn" if blind else "muted")


def share(used: int | None, total: int | None) -> float | None:
    return used / total if used is not None and total else None
