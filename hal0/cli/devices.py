"""The machine in words: the processor and its memory in one line, each GPU with all that is known of it."""

from collections.abc import Iterator, Sequence

from hal0.cli.output import Cell, heading, say
from hal0.tui import figures
from hal0.wire import DeviceView, GpuProcess

HOLDERS_SHOWN = 6


def print_devices(devices: Sequence[DeviceView]) -> None:
    say(Cell("  ".join(_in_short(device) for device in devices if device.kind != "gpu"), "dim"))
    for memory in devices:
        if memory.kind == "memory" and (text := _holders("others", memory, ours=False)):
            say("      ", text)
    gpus = [device for device in devices if device.kind == "gpu"]
    if gpus:
        heading(f"GPUs {len(gpus)}")
    for gpu in gpus:
        say(Cell(gpu.id, "bold"), f"  {gpu.name}  ", Cell(gpu.driver, "dim"))
        for text in (_figures(gpu), _holders("slots", gpu, ours=True), _holders("others", gpu, ours=False)):
            if text:
                say("      ", text)
        if gpu.note:
            say("      ", Cell(gpu.note, "yellow"))


def _in_short(device: DeviceView) -> str:
    parts = [device.id]
    if device.utilisation is not None:
        parts.append(figures.percent(device.utilisation).strip())
    if device.memory_total_bytes is not None:
        parts.append(figures.pair(device.memory_used_bytes, device.memory_total_bytes))
    if device.temperature_c is not None:
        parts.append(f"{device.temperature_c:.0f}°C")
    if device.power_w is not None:
        parts.append(f"{device.power_w:.0f} W")
    if device.clock_mhz is not None:
        parts.append(f"{device.clock_mhz:.0f} MHz")
    return " ".join(parts)


def _figures(gpu: DeviceView) -> str:
    return "  ".join(_known_figures(gpu))


def _known_figures(gpu: DeviceView) -> Iterator[str]:
    if gpu.utilisation is not None:
        yield figures.percent(gpu.utilisation).strip()
    used, total = gpu.memory_used_bytes, gpu.memory_total_bytes
    shared = " shared with the processor" if gpu.unified else ""
    if used is not None or total is not None:
        known = figures.pair(used, total) if used is not None and total is not None else figures.size(used or total)
        yield f"{known}{' in use' if total is None else ' in all' if used is None else ''}{shared}"
    if gpu.temperature_c is not None:
        yield f"{gpu.temperature_c:.0f}°C"
    if gpu.power_w is not None:
        yield f"{gpu.power_w:.0f}{'' if gpu.power_limit_w is None else f' of {gpu.power_limit_w:.0f}'} W"
    if gpu.clock_mhz is not None:
        yield f"{gpu.clock_mhz:.0f} MHz"
    if gpu.memory_clock_mhz is not None:
        yield f"memory {gpu.memory_clock_mhz:.0f} MHz"
    fan = [f"{gpu.fan_percent:.0f}%"] if gpu.fan_percent is not None else []
    fan += [f"{gpu.fan_rpm} rpm"] if gpu.fan_rpm is not None else []
    if fan:
        yield f"fan {' '.join(fan)}"


def _holders(label: str, gpu: DeviceView, *, ours: bool) -> str:
    """Who holds its memory: slots with the sum of their processes, or everybody else by name."""
    sizes: dict[str, int | None] = {}
    for process in gpu.processes:
        if bool(process.slot) == ours:
            who = process.slot or _name(process)
            told = [size for size in (sizes.get(who), process.memory_bytes) if size is not None]
            sizes[who] = sum(told) if told else None
    texts = [who if size is None else f"{who} {figures.size(size)}" for who, size in sizes.items()]
    more = f" and {len(texts) - HOLDERS_SHOWN} more" if len(texts) > HOLDERS_SHOWN else ""
    return f"{label}: {', '.join(texts[:HOLDERS_SHOWN])}{more}" if texts else ""


def _name(process: GpuProcess) -> str:
    """With its number, by which it can be ended, and its user; those of other containers have no name."""
    user = f", {process.user}" if process.user else ""
    return f"{process.name} (pid {process.pid}{user})" if process.name else f"pid {process.pid}"
