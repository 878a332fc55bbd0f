"""The devices as text, for the clipboard. Pure."""

from collections.abc import Iterable

from hal0.tui import figures
from hal0.wire import DeviceView

COMMAND = "hal0 status"


def text(devices: Iterable[DeviceView]) -> str:
    """A line for each device with all that is known of it."""
    return "\n".join("  ".join(filter(None, _parts(device))) for device in devices)


def _parts(device: DeviceView) -> list[str]:
    return [
        device.id,
        device.name if device.name != device.id else "",
        figures.percent(device.utilisation).strip() if device.utilisation is not None else "",
        figures.pair(device.memory_used_bytes, device.memory_total_bytes) if device.memory_total_bytes else "",
        f"{device.temperature_c:.0f}°C" if device.temperature_c is not None else "",
        f"{device.power_w:.0f}W" if device.power_w is not None else "",
        device.note,
    ]
