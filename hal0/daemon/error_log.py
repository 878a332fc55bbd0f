"""The failures a person should see, grouped by code and slot; the oldest group is forgotten first.

In memory and bounded: the log file has the whole history.
"""

import time
from collections.abc import Callable

from hal0.daemon.events import EventBus
from hal0.errors import Hal0Error
from hal0.wire import ErrorRecord, ErrorView

KEPT_GROUPS = 100


class ErrorLog:
    """Counts failures and tells the bus of each."""

    def __init__(self, bus: EventBus, *, clock: Callable[[], float] = time.time) -> None:
        self._bus = bus
        self._clock = clock
        self._groups: dict[tuple[str, str], ErrorRecord] = {}
        self._last_id = 0

    def record(self, error: Hal0Error, *, slot: str = "", request: str = "") -> None:
        now = self._clock()
        view = ErrorView(code=error.code, message=error.message, details=error.details)
        earlier = self._groups.pop((error.code, slot), None)  # re-inserted at the end: the order is by last time
        if earlier is None:
            self._last_id += 1
            record = ErrorRecord(id=self._last_id, error=view, slot=slot, request=request, first_at=now, last_at=now)
        else:
            changes = {"error": view, "request": request, "last_at": now, "count": earlier.count + 1}
            record = earlier.model_copy(update=changes)
        self._groups[error.code, slot] = record
        if len(self._groups) > KEPT_GROUPS:
            del self._groups[next(iter(self._groups))]
        self._bus.publish("error", record)

    def records(self) -> list[ErrorRecord]:
        """The groups, the most recent first."""
        return list(reversed(self._groups.values()))
