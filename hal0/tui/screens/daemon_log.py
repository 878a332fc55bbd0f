"""hal0d's own log, for when it does not answer: its last lines, with a search and a filter."""

from pathlib import Path
from typing import ClassVar

from hal0.errors import Hal0Error
from hal0.tui.daemon_log import read_daemon_log
from hal0.tui.screens.base import bindings
from hal0.tui.screens.log_reading import LogReader
from hal0.tui.view import View
from hal0.tui.widgets.log import LogPane


class DaemonLogPane(LogPane):
    FADES = False  # it is of now, although there is no daemon


class DaemonLogView(LogReader, inherit_bindings=False):
    """`L` without a connection."""

    PLACE = "daemon log"
    BINDINGS: ClassVar = bindings("daemon log", "filter")

    def __init__(self, view: View, file: Path) -> None:
        super().__init__(view, DaemonLogPane(view, id="log"))
        self._file = file
        self._command = ""

    def on_mount(self) -> None:
        super().on_mount()
        self.log_pane.begin("hal0d")
        self.do_read_again()

    def do_read_again(self) -> None:
        self.run_worker(self._read(), exclusive=True)

    async def _read(self) -> None:
        try:
            log = await read_daemon_log(self.dashboard.client.address, self._file)
        except Hal0Error as error:
            self.log_pane.problem = f"{error.code}: {error.message}"
        else:
            self._command = log.command
            self.log_pane.renew()
            self.log_pane.add(log.lines)
        self.mark_scrolled()
        self.dashboard.wake()

    def do_copy_command(self) -> None:
        self.dashboard.copy(self._command, "the command")
