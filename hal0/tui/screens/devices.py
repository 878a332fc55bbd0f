"""The devices view: each device with its history, and below it what the slots did on the same axis of time."""

from typing import ClassVar

from textual.app import ComposeResult

from hal0.tui import device_text
from hal0.tui.screens.base import KeyedScreen, bindings
from hal0.tui.view import View
from hal0.tui.widgets.devices import Devices
from hal0.tui.widgets.footer import Footer
from hal0.tui.widgets.lanes import Lanes
from hal0.tui.widgets.truth import Truth


class DeviceView(KeyedScreen):
    """Key 2."""

    PLACE = "device view"
    BINDINGS: ClassVar = bindings("device view")

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self.devices = Devices(view, id="devices", classes="-zoomed")
        self.lanes = Lanes(view, id="lanes")

    def compose(self) -> ComposeResult:
        yield Truth(self.view, id="truth")
        yield self.devices
        yield self.lanes
        yield Footer(self.view, self.offered)

    def on_mount(self) -> None:
        self.devices.focus()

    def do_copy(self) -> None:
        self.dashboard.copy(device_text.text(self.store.devices.values()), "the devices")

    def do_copy_command(self) -> None:
        self.dashboard.copy(device_text.COMMAND, "the hal0 command")
