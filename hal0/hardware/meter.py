"""What looks at one kind of device: the processor, or one make of GPU."""

from typing import Protocol

from hal0.wire import DeviceView


class Meter(Protocol):
    def sample(self) -> list[DeviceView]:
        """The devices now; called in a thread, never twice at a time."""
        ...
