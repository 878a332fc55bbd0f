"""NVML without a GPU: the functions and errors of the module pynvml that hal0 uses, over GPUs made up by a test."""

# ruff: noqa: N801, N802, N818 (the names are those of pynvml)

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

GIB = 2**30


class NVMLError(Exception):
    text = "Unknown Error"

    def __str__(self) -> str:
        return self.text


class NVMLError_NotSupported(NVMLError):
    text = "Not Supported"


class NVMLError_GpuIsLost(NVMLError):
    text = "GPU is lost"


class NVMLError_Uninitialized(NVMLError):
    text = "Uninitialized"


class NVMLError_DriverNotLoaded(NVMLError):
    text = "Driver Not Loaded"


class NVMLError_LibraryNotFound(NVMLError):
    text = "NVML Shared Library Not Found"


class NVMLError_NoPermission(NVMLError):
    text = "Insufficient Permissions"


class NVMLError_InvalidArgument(NVMLError):
    text = "Invalid Argument"


@dataclass
class Gpu:
    """What a GPU answers; an exception instead of a value is raised."""

    bus: str = "00000000:01:00.0"
    name: Any = "NVIDIA GeForce RTX 4090"
    memory: Any = (int(20.1 * GIB), 24 * GIB)
    utilisation: Any = 97
    temperature: Any = 71
    power_mw: Any = 338_250
    power_limit_mw: Any = 450_000
    clocks: Any = (2520, 10501)
    fan: Any = 62
    computing: list[tuple[int, int | None]] = field(default_factory=list)
    drawing: list[tuple[int, int | None]] = field(default_factory=list)
    lost: bool = False


class Nvml:
    """Stands where the module `pynvml` stands."""

    NVML_TEMPERATURE_GPU = 0
    NVML_CLOCK_SM = 1
    NVML_CLOCK_MEM = 2

    NVMLError = NVMLError
    NVMLError_NotSupported = NVMLError_NotSupported
    NVMLError_GpuIsLost = NVMLError_GpuIsLost
    NVMLError_Uninitialized = NVMLError_Uninitialized
    NVMLError_DriverNotLoaded = NVMLError_DriverNotLoaded
    NVMLError_LibraryNotFound = NVMLError_LibraryNotFound
    NVMLError_NoPermission = NVMLError_NoPermission
    NVMLError_InvalidArgument = NVMLError_InvalidArgument

    def __init__(self, *gpus: Gpu) -> None:
        self.gpus = list(gpus)
        self.refuses: NVMLError | None = None  # what nvmlInit says
        self.opened = 0
        self.is_open = False
        self._lost: list[Gpu] = []  # once lost, a GPU does not answer before NVML is begun anew
        self.hold: threading.Event | None = None  # a driver that hangs, until it is set

    def nvmlInit(self) -> None:
        self.opened += 1
        if self.refuses:
            raise self.refuses
        self.is_open = True
        self._lost.clear()

    def nvmlShutdown(self) -> None:
        self._check_open()
        self.is_open = False

    def nvmlSystemGetDriverVersion(self) -> str:
        return "580.95.05"

    def nvmlDeviceGetCount(self) -> int:
        self._check_open()
        if self.hold:
            self.hold.wait()
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> Gpu:
        self._check_open()
        if index >= len(self.gpus):
            raise NVMLError_InvalidArgument
        return self._answering(self.gpus[index])

    def nvmlDeviceGetPciInfo(self, handle: Gpu) -> Any:
        return SimpleNamespace(busId=self._answering(handle).bus)

    def nvmlDeviceGetName(self, handle: Gpu) -> Any:
        return self._value(handle, lambda gpu: gpu.name)

    def nvmlDeviceGetMemoryInfo(self, handle: Gpu) -> Any:
        used, total = self._value(handle, lambda gpu: gpu.memory)
        return SimpleNamespace(used=used, total=total, free=total - used)

    def nvmlDeviceGetUtilizationRates(self, handle: Gpu) -> Any:
        return SimpleNamespace(gpu=self._value(handle, lambda gpu: gpu.utilisation), memory=0)

    def nvmlDeviceGetTemperature(self, handle: Gpu, sensor: int) -> int:
        assert sensor == self.NVML_TEMPERATURE_GPU
        return int(self._value(handle, lambda gpu: gpu.temperature))

    def nvmlDeviceGetPowerUsage(self, handle: Gpu) -> int:
        return int(self._value(handle, lambda gpu: gpu.power_mw))

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: Gpu) -> int:
        return int(self._value(handle, lambda gpu: gpu.power_limit_mw))

    def nvmlDeviceGetClockInfo(self, handle: Gpu, type: int) -> int:
        clocks = self._value(handle, lambda gpu: gpu.clocks)
        return int(clocks[{self.NVML_CLOCK_SM: 0, self.NVML_CLOCK_MEM: 1}[type]])

    def nvmlDeviceGetFanSpeed(self, handle: Gpu) -> int:
        return int(self._value(handle, lambda gpu: gpu.fan))

    def nvmlDeviceGetComputeRunningProcesses(self, handle: Gpu) -> list[Any]:
        held = self._value(handle, lambda gpu: gpu.computing)
        return [SimpleNamespace(pid=pid, usedGpuMemory=size) for pid, size in held]

    def nvmlDeviceGetGraphicsRunningProcesses(self, handle: Gpu) -> list[Any]:
        held = self._value(handle, lambda gpu: gpu.drawing)
        return [SimpleNamespace(pid=pid, usedGpuMemory=size) for pid, size in held]

    def _value(self, handle: Gpu, pick: Callable[[Gpu], Any]) -> Any:
        value = pick(self._answering(handle))
        if isinstance(value, Exception):
            raise value
        return value

    def _answering(self, gpu: Gpu) -> Gpu:
        self._check_open()
        if gpu.lost or any(gpu is lost for lost in self._lost):
            self._lost.append(gpu)
            raise NVMLError_GpuIsLost
        return gpu

    def _check_open(self) -> None:
        if not self.is_open:
            raise NVMLError_Uninitialized
