"""NVIDIA GPUs, through NVML (the package nvidia-ml-py and the driver's libnvidia-ml.so.1).

The package is imported at the first look, in the thread that looks. What NVML does not support on a GPU is unknown;
a GPU that is lost is unknown as a whole, and NVML is begun anew from time to time until it is back.
"""

import importlib
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hal0.hardware.card import Card, as_unknown, largest, process_name, scaled, share
from hal0.wire import DeviceView, GpuProcess

RETRY_SECONDS = 10.0
# What says that the GPU or the library is gone; any other error is about one value.
GONE = frozenset(
    "NVMLError_" + name
    for name in ("GpuIsLost", "ResetRequired", "Uninitialized", "DriverNotLoaded", "LibRmVersionMismatch")
)


def load_nvml() -> Any:
    """The module as it is; it has no types."""
    return importlib.import_module("pynvml")


class NvidiaMeter:
    """Holds NVML open between looks, and the last good view of each GPU."""

    def __init__(
        self,
        cards: Sequence[Card],
        *,
        next_index: int,
        root: Path = Path("/"),
        load: Callable[[], Any] = load_nvml,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._proc = root / "proc"
        self._load = load
        self._clock = clock
        self._next_index = next_index  # for GPUs that only NVML knows: in WSL, in sandboxes
        self._nvml: Any = None
        self._is_open = False
        self._is_missing_some = False
        self._retry_at = float("-inf")
        self._why = ""
        self._driver = "nvidia"
        self._known = {card.pci or f"#{card.vendor_index}": card.view() for card in cards}

    def sample(self) -> list[DeviceView]:
        """The devices now; those that do not answer are unknown."""
        if self._is_open and self._is_missing_some and self._clock() >= self._retry_at:
            self._close()
        seen = self._look() if self._is_open or self._open() else {}
        self._known |= seen
        self._is_missing_some = len(seen) < len(self._known)
        missing = self._why or "NVML does not list it"
        return [seen.get(key) or as_unknown(known, missing) for key, known in self._known.items()]

    def _open(self) -> bool:
        """Whether NVML can be asked; a failure is tried again, but not at every look."""
        if self._clock() < self._retry_at:
            return False
        try:
            self._nvml = self._nvml or self._load()
        except ImportError:
            self._why, self._retry_at = "the package nvidia-ml-py is not installed", float("inf")
            return False
        self._retry_at = self._clock() + RETRY_SECONDS
        try:
            self._nvml.nvmlInit()
            self._driver = f"nvidia {_text(self._nvml.nvmlSystemGetDriverVersion())}"
        except self._nvml.NVMLError as error:
            self._why = str(error)
            return False
        self._is_open = True
        return True

    def _close(self) -> None:
        with suppress(self._nvml.NVMLError):
            self._nvml.nvmlShutdown()
        self._is_open = False

    def _look(self) -> dict[str, DeviceView]:
        """Each GPU that answers, by its place on the bus."""
        seen: dict[str, DeviceView] = {}
        self._why = ""
        try:
            count = self._nvml.nvmlDeviceGetCount()
        except self._nvml.NVMLError as error:
            self._why = str(error)
            return seen
        for number in range(count):
            try:
                key, view = self._view(number)
            except self._nvml.NVMLError as error:
                self._why = str(error)
            else:
                seen[key] = view
        return seen

    def _view(self, number: int) -> tuple[str, DeviceView]:
        nvml = self._nvml
        gpu = nvml.nvmlDeviceGetHandleByIndex(number)
        address = _address(_text(nvml.nvmlDeviceGetPciInfo(gpu).busId))
        key = next((key for key in (address, f"#{number}") if key in self._known), address)
        if key not in self._known:
            self._known[key] = DeviceView(id=f"gpu{self._next_index}", kind="gpu", name="NVIDIA GPU", vendor="nvidia")
            self._next_index += 1
        memory = self._ask(nvml.nvmlDeviceGetMemoryInfo, gpu)
        rates = self._ask(nvml.nvmlDeviceGetUtilizationRates, gpu)
        return key, self._known[key].model_copy(
            update={
                "name": _text(self._ask(nvml.nvmlDeviceGetName, gpu) or self._known[key].name),
                "driver": self._driver,
                "utilisation": share(rates.gpu) if rates else None,
                "memory_used_bytes": memory.used if memory else None,
                "memory_total_bytes": memory.total if memory else self._known[key].memory_total_bytes,
                "temperature_c": self._ask(nvml.nvmlDeviceGetTemperature, gpu, nvml.NVML_TEMPERATURE_GPU),
                "power_w": scaled(self._ask(nvml.nvmlDeviceGetPowerUsage, gpu), 1000),
                "power_limit_w": scaled(self._ask(nvml.nvmlDeviceGetEnforcedPowerLimit, gpu), 1000),
                "clock_mhz": self._ask(nvml.nvmlDeviceGetClockInfo, gpu, nvml.NVML_CLOCK_SM),
                "memory_clock_mhz": self._ask(nvml.nvmlDeviceGetClockInfo, gpu, nvml.NVML_CLOCK_MEM),
                "fan_percent": self._ask(nvml.nvmlDeviceGetFanSpeed, gpu),
                "processes": self._processes(gpu),
                "note": "",
            }
        )

    def _processes(self, gpu: Any) -> list[GpuProcess]:
        """A process that computes and draws is in both lists, with the same memory."""
        sizes: dict[int, int | None] = {}
        for ask in (self._nvml.nvmlDeviceGetComputeRunningProcesses, self._nvml.nvmlDeviceGetGraphicsRunningProcesses):
            for process in self._ask(ask, gpu) or []:
                told = [size for size in (sizes.get(process.pid), process.usedGpuMemory) if size is not None]
                sizes[process.pid] = max(told, default=None)
        return largest(
            GpuProcess(pid=pid, name=process_name(self._proc, pid), memory_bytes=size) for pid, size in sizes.items()
        )

    def _ask(self, question: Callable[..., Any], *about: Any) -> Any:
        """One value; None if this GPU does not have it."""
        try:
            return question(*about)
        except self._nvml.NVMLError as error:
            if type(error).__name__ in GONE:
                raise
            return None


def _text(value: Any) -> str:
    """Some of NVML's texts are bytes in some of its releases."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _address(bus_id: str) -> str:
    """NVML writes the domain with eight digits, the kernel with four."""
    domain, _, rest = bus_id.lower().partition(":")
    return f"{domain[-4:]}:{rest}" if len(domain) == 8 and domain.startswith("0000") else f"{domain}:{rest}"
