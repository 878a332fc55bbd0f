"""What the daemon's event stream says, checked where it enters: everything after this is typed and frozen."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from hal0.errors import Hal0Error
from hal0.wire import ConfigView, DeviceView, ErrorRecord, PullView, RequestView, SlotView, TokenBatch


@dataclass(frozen=True, slots=True)
class SlotMemory:
    """What a slot's processes hold, in bytes."""

    ram: int
    private: int | None  # of it, without what is mapped from files
    gpus: dict[str, int]  # by device


@dataclass(frozen=True, slots=True)
class DeviceSample:
    """One reading of all devices, and the memory of each slot's processes."""

    devices: tuple[DeviceView, ...]
    slots: dict[str, SlotMemory]


@dataclass(frozen=True, slots=True)
class Fact:
    """One event of the daemon, its data already of the type that belongs to its kind."""

    id: int
    at: float
    kind: str
    data: Any


def _sample(data: dict[str, Any]) -> DeviceSample:
    slots = {
        str(name): SlotMemory(
            int(usage["memory_bytes"]),
            None if usage.get("private_bytes") is None else int(usage["private_bytes"]),
            {str(k): int(v) for k, v in usage["gpu_bytes"].items()},
        )
        for name, usage in data.get("slots", {}).items()
    }
    return DeviceSample(tuple(DeviceView.model_validate(device) for device in data.get("devices", ())), slots)


def _model(model: type[BaseModel]) -> Callable[[dict[str, Any]], BaseModel]:
    return model.model_validate


_READERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "slot.transition": _model(SlotView),
    "slot.removed": lambda data: str(data["name"]),
    "request.started": _model(RequestView),
    "request.phase": _model(RequestView),
    "request.tokens": _model(TokenBatch),
    "request.finished": _model(RequestView),
    "device.sample": _sample,
    "config.applied": _model(ConfigView),
    "config.rejected": _model(ConfigView),
    "error": _model(ErrorRecord),
    "model.progress": _model(PullView),
    "model.changed": lambda data: str(data["name"]),
    "daemon.warnings": lambda data: tuple(str(warning) for warning in data["warnings"]),
    "gap": lambda data: None,
    "daemon.stopping": lambda data: None,
}


def read_fact(event: dict[str, Any]) -> Fact | None:
    """One event as it came; None for a kind that only a newer daemon knows."""
    try:
        reader = _READERS.get(event["kind"])
        if reader is None:
            return None
        return Fact(int(event["id"]), float(event["at"]), event["kind"], reader(event["data"]))
    except (KeyError, TypeError, ValueError, AttributeError, ValidationError) as error:
        raise Hal0Error("system.bad_answer", where="the event stream", reason=str(error).splitlines()[0]) from error
