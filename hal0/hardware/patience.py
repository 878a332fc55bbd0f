"""Keeps a driver that does not answer from holding up anything but its own devices.

A look happens in a thread of its own, never two at a time. One that takes long makes a late sample; while it goes on
the last values are shown, and when those are old the devices are unknown. A call that never returns costs that one
thread, which does not keep the daemon from ending.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence

from hal0.hardware.card import Card, as_unknown
from hal0.hardware.meter import Meter
from hal0.wire import DeviceView

PATIENCE_SECONDS = 0.25  # how long the other devices wait for these
STALE_SECONDS = 3.0

log = logging.getLogger("hal0.hardware")


class PatientMeter:
    """A meter that always answers."""

    def __init__(
        self,
        meter: Meter,
        cards: Sequence[Card],
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        stale_seconds: float = STALE_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._meter = meter
        self._patience_seconds = patience_seconds
        self._stale_seconds = stale_seconds
        self._clock = clock
        self._views = [card.view("not looked at yet") for card in cards]
        self._asked_at = clock()
        self._answered = threading.Event()
        self._answered.set()
        self._failed = False

    def sample(self) -> list[DeviceView]:
        """The devices as of this look, or of the last one that came back."""
        until = time.monotonic() + self._patience_seconds
        if self._answered.wait(self._patience_seconds):  # one that was late may end just now
            self._answered.clear()
            self._asked_at = self._clock()
            threading.Thread(target=self._look, name="hal0-gpu", daemon=True).start()
        if not self._answered.wait(max(0.0, until - time.monotonic())):
            waited = self._clock() - self._asked_at
            if waited >= self._stale_seconds:
                return [as_unknown(view, f"the driver has not answered for {waited:.0f} s") for view in self._views]
        return self._views

    def _look(self) -> None:
        try:
            self._views = self._meter.sample()
            self._failed = False
        except Exception as error:  # a strange file or driver costs these devices' values, and one entry in the log
            if not self._failed:
                log.warning("the GPUs could not be looked at", exc_info=True)
            self._failed = True
            self._views = [as_unknown(view, f"could not be looked at: {error}") for view in self._views]
        finally:
            self._answered.set()
