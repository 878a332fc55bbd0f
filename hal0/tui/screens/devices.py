"""The devices view: the history of each device, and below it what the slots did meanwhile, on the same axis of time."""

from collections.abc import Set
from typing import ClassVar

from textual.app import ComposeResult
from textual.events import Resize

from hal0.tui import device_text, layout
from hal0.tui.keymap import Need
from hal0.tui.screens.base import ScrollingScreen, bindings
from hal0.tui.store import Topic
from hal0.tui.timeline import Scrub
from hal0.tui.view import View
from hal0.tui.widgets.device_graphs import DeviceGraphs
from hal0.tui.widgets.footer import Footer
from hal0.tui.widgets.lanes import Lanes
from hal0.tui.widgets.pane import Pane
from hal0.tui.widgets.truth import Truth

LANES_SHARE = 0.4  # of the rows
LANES_LEAST = 3  # rows: the rule, a lane, the times
FAR = 10  # cells


class DeviceView(ScrollingScreen, inherit_bindings=False):
    """Key 2."""

    PLACE = "device view"
    BINDINGS: ClassVar = bindings("device view")

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self.scrub = Scrub()
        self.devices = DeviceGraphs(view, self.scrub, id="devices")
        self.lanes = Lanes(view, self.scrub, id="lanes")

    def compose(self) -> ComposeResult:
        yield Truth(self.view, id="truth")
        yield self.devices
        yield self.lanes
        yield Footer(self.view, self.offered)

    def on_mount(self) -> None:
        self.devices.focus()

    def on_resize(self, event: Resize) -> None:
        self._place()
        super().on_resize(event)

    def flush(self, dirty: Set[Topic]) -> None:
        if dirty & {"slots", "link"}:
            self._place()
        super().flush(dirty)

    def _place(self) -> None:
        """As many rows for the lanes as there are slots, up to their share; one device that is large may need them."""
        high = self.app.size.height
        share = LANES_LEAST if self.devices.is_zoomed and high < layout.SMALL_ROWS else int(high * LANES_SHARE)
        rows = max(LANES_LEAST, min(len(self.store.slots) + 2, share))
        if self.lanes.styles.height is None or self.lanes.styles.height.value != rows:
            self.lanes.styles.height = rows

    def has(self, need: Need) -> bool:
        match need:
            case "device":
                return self.devices.current is not None
            case "scrubbed":
                return self.scrub.at is not None
            case _:
                return super().has(need)

    @property
    def scrolled(self) -> Pane:
        return self.devices

    def mark_scrolled(self) -> None:
        self.store.mark("devices", "slots")

    def do_zoom(self) -> None:
        self.devices.is_zoomed = not self.devices.is_zoomed
        self._place()
        self.mark_scrolled()

    def do_open_device(self) -> None:
        self.do_zoom()

    def do_back(self) -> None:
        if self.scrub.at is not None:
            self.do_scrub_live()
        elif self.devices.is_zoomed:
            self.do_zoom()
        else:
            super().do_back()

    def do_copy(self) -> None:
        self.dashboard.copy(self.devices.text(), "the device's figures")

    def do_copy_command(self) -> None:
        self.dashboard.copy(device_text.COMMAND, "the hal0 command")

    # The axis of time ------------------------------------------------------------------------------------------
    def _scrub(self, cells: int) -> None:
        self.scrub.move(cells, self.devices.axis, self.store.now)
        self.mark_scrolled()

    def do_scrub_back(self) -> None:
        self._scrub(-1)

    def do_scrub_on(self) -> None:
        self._scrub(1)

    def do_scrub_far_back(self) -> None:
        self._scrub(-FAR)

    def do_scrub_far_on(self) -> None:
        self._scrub(FAR)

    def do_scrub_live(self) -> None:
        self.scrub.at = None
        self.mark_scrolled()

    def do_time_scale(self) -> None:
        self.scrub.longer()
        self.mark_scrolled()
