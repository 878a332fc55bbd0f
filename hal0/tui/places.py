"""Where a slot is: the devices that hold its model, and how much of them. Pure."""

from hal0.tui import figures
from hal0.wire import SlotView


def gpus_of(slot: SlotView) -> list[str]:
    """The GPUs whose memory it holds; before that is known, those that it was told to use."""
    named = [f"gpu{index}" for index in slot.device.split(",") if index.isdecimal()]
    return sorted(slot.gpu_bytes, key=_number) or named


def device_of(slot: SlotView) -> str:
    """As `device`; where its program has chosen by itself, what it has chosen, if that is known."""
    if slot.device != "auto" or not slot.gpu_bytes:
        return slot.device
    return ",".join(gpu.removeprefix("gpu") for gpu in gpus_of(slot))


def memory_of(slot: SlotView) -> int | None:
    """Of its GPUs; where it has none, in RAM. What a program maps there beside a GPU is of no interest."""
    return sum(slot.gpu_bytes.values()) if slot.gpu_bytes else slot.memory_bytes


def memory_in_words(slot: SlotView) -> str:
    """All of it, for people; empty if it has none."""
    on_gpus = [f"{figures.size(slot.gpu_bytes[gpu])} of {gpu}" for gpu in gpus_of(slot) if gpu in slot.gpu_bytes]
    ram = [f"{figures.size(slot.memory_bytes)}{' of RAM' if on_gpus else ''}"] if slot.memory_bytes else []
    return ", ".join([*on_gpus, *ram])


def _number(gpu: str) -> tuple[int, str]:
    digits = gpu.removeprefix("gpu")
    return (int(digits) if digits.isdecimal() else 0), gpu
