"""The logs view: what a slot's backend prints, live, with a search, a filter, and steps in time."""

import asyncio
import shlex
from typing import ClassVar

from textual.worker import Worker

from hal0.errors import Hal0Error
from hal0.tui import figures
from hal0.tui.keymap import Need
from hal0.tui.screens.base import bindings
from hal0.tui.screens.log_reading import LogReader
from hal0.tui.view import View
from hal0.tui.widgets.log import KEPT_LINES, LogPane

AGAIN_SECONDS = 1.0  # after the connection broke
LOG_STEPS = (60, 600, 3_600)  # seconds


class LogView(LogReader, inherit_bindings=False):
    """Key 5, and `L` on a slot."""

    PLACE = "log view"
    BINDINGS: ClassVar = bindings("log view", "filter")

    def __init__(self, view: View) -> None:
        super().__init__(view, LogPane(view, id="log"))
        self._reading: Worker[None] | None = None

    def on_mount(self) -> None:
        super().on_mount()
        slot = self.view.slot()
        self.show(slot.name if slot else "")

    def show(self, slot: str) -> None:
        """Read the output of this slot, instead of the one before."""
        if self._reading is not None:
            self._reading.cancel()
        self.log_pane.begin(slot)
        self._reading = self.run_worker(self._read(slot)) if slot else None
        self.mark_scrolled()

    async def _read(self, slot: str) -> None:
        while True:
            is_first = True
            try:
                async for log in self.dashboard.client.log(slot, KEPT_LINES):
                    if is_first:
                        self.log_pane.renew()
                        is_first = False
                    self.log_pane.add(log.lines, log.times)
                    self.store.mark("log")
                    self.dashboard.wake()
            except Hal0Error as error:
                self.log_pane.problem = f"{error.code}: {error.message}"
                self.store.mark("log")
                self.dashboard.wake()
            await asyncio.sleep(AGAIN_SECONDS)

    def has(self, need: Need) -> bool:
        match need:
            case "many":
                return len(self.store.slots) > 1
            case "timed":
                return self.log_pane.is_timed
            case _:
                return super().has(need)

    def _turn(self, by: int) -> None:
        names = list(self.store.slots)
        at = names.index(self.log_pane.slot) if self.log_pane.slot in names else 0
        self.view.select(names[(at + by) % len(names)])
        self.show(self.view.selected)

    def do_next_log(self) -> None:
        self._turn(1)

    def do_previous_log(self) -> None:
        self._turn(-1)

    # Time -----------------------------------------------------------------------------------------------------
    def _step(self, by: int) -> None:
        seconds = by * LOG_STEPS[self.view.log_step]
        if not self.log_pane.step(seconds):
            self.store.tell("what is further up has no time: it came before hal0d was started", "warn")
        self.mark_scrolled()

    def do_log_back(self) -> None:
        self._step(-1)

    def do_log_on(self) -> None:
        self._step(1)

    def do_log_scale(self) -> None:
        self.view.log_step = (self.view.log_step + 1) % len(LOG_STEPS)
        self.store.tell(f"{{ and }} go {figures.span(LOG_STEPS[self.view.log_step])} back and on")
        self.mark_scrolled()

    def _to_run(self, by: int) -> None:
        if not self.log_pane.to_run(by):
            self.store.tell(f"no run begins further {'up' if by < 0 else 'down'}", "warn")
        self.mark_scrolled()

    def do_run_before(self) -> None:
        self._to_run(-1)

    def do_run_after(self) -> None:
        self._to_run(1)

    def do_follow(self) -> None:
        self.log_pane.to_end()
        self.mark_scrolled()

    def do_copy_command(self) -> None:
        self.dashboard.copy(f"hal0 slot logs {shlex.quote(self.log_pane.slot)} -f", "the hal0 command")
