"""The home screen: devices, slots, live streams. The same panes at every size, only placed differently."""

import shlex
from collections.abc import Iterator, Set
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.events import Resize

from hal0.tui import device_text, layout, problems
from hal0.tui.keymap import HOME, Need, Place
from hal0.tui.screens.base import bindings
from hal0.tui.screens.problem import ProblemPage
from hal0.tui.screens.requests import RequestScreen
from hal0.tui.screens.searching import SearchingScreen
from hal0.tui.screens.verbs import SlotScreen
from hal0.tui.store import ALL_TOPICS, Topic
from hal0.tui.view import View
from hal0.tui.widgets.detail import Detail
from hal0.tui.widgets.devices import Devices
from hal0.tui.widgets.down import Down
from hal0.tui.widgets.footer import Footer
from hal0.tui.widgets.lanes import Lanes
from hal0.tui.widgets.pane import Pane
from hal0.tui.widgets.slots import SlotTable
from hal0.tui.widgets.stream import StreamPane, assign
from hal0.tui.widgets.truth import Truth

STREAMS = 3


class Home(SearchingScreen, RequestScreen, SlotScreen, inherit_bindings=False):
    """What a person sees all day."""

    BINDINGS: ClassVar = bindings(*HOME, "frozen", "filter")
    FILTER_HINT = "word  !without  ~fuzzy"

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self.truth = Truth(view, id="truth")
        self.footer = Footer(view, self.offered)
        self.devices = Devices(view, id="devices")
        self.lanes = Lanes(view, id="lanes")
        self.table = SlotTable(view, id="slots")
        self.detail = Detail(view, id="detail")
        self.streams = [StreamPane(view, id=f"stream{index}", index=index) for index in range(STREAMS)]
        self.down = Down(view, self.offered)
        self._current: Pane = self.table
        self._zoomed = False
        self._zoomed_from: Pane = self.table
        self._rows: dict[str, int | None] = {}

    def compose(self) -> ComposeResult:
        yield self.truth
        yield Horizontal(self.devices, self.lanes, id="top")
        yield Horizontal(self.table, self.detail, id="middle")
        yield Horizontal(*self.streams, id="streams")
        yield self.down
        yield self.make_filter_line()
        yield self.footer

    def on_mount(self) -> None:
        self.table.focus()

    def on_resize(self, event: Resize) -> None:
        self._place()
        super().on_resize(event)

    # Where the person is ---------------------------------------------------------------------------------------
    @property
    def place(self) -> Place:
        if self.is_filtering:
            return "filter"
        if self.store.link.phase != "live":
            return "down"
        if self.view.frozen_at is not None:
            return "frozen"
        if isinstance(self.focused, StreamPane):
            return "stream"
        return "devices" if self.focused is self.devices else "slots"

    def has(self, need: Need) -> bool:
        match need:
            case "editable":
                return self.view.slot() is not None
            case "slot":
                return not self._zoomed if self.place == "stream" else self.view.slot() is not None
            case "chat slot":
                slot = self.view.slot()
                return slot is not None and slot.kind == "chat"
            case "running":
                return self.request_runs
            case "near":
                return self.dashboard.client.address.is_near
            case "recording":
                return self.dashboard.last_recording() is not None
            case "way back":
                has_choice = bool(self.view.filter or self.view.marked)
                return self._zoomed or has_choice or self._current is not self.table
            case _:
                return super().has(need)

    def why_not(self, need: Need) -> str:
        if need == "slot" and self.place == "stream":
            return "the stream has the whole screen already"
        return super().why_not("slot" if need == "editable" else need)

    def panes(self) -> Iterator[Pane]:
        return (pane for pane in self.query(Pane) if pane.display)

    def flush(self, dirty: Set[Topic]) -> None:
        if self.place == "frozen":
            self.truth.flush(dirty)
            self.footer.flush(dirty)
            return
        if dirty & {"requests", "slots", "link"}:
            self._choose_streams()
        if dirty & {"slots", "devices", "link", "requests"}:
            self._place()
        super().flush(dirty)

    # Placing ---------------------------------------------------------------------------------------------------
    def _place(self) -> None:
        """Decide who is shown and how high; Textual hears of it only when something changed."""
        columns, rows = self.app.size
        store = self.store
        lost = store.link.phase != "live"
        boxed = layout.is_boxed(columns, rows)
        one = (self._zoomed or layout.is_small(columns, rows)) and not lost
        current = self._current
        for pane in (self.devices, self.lanes, self.table, self.detail, *self.streams):
            pane.boxed = boxed and not one
            pane.set_class(one and pane is current, "-zoomed")
        shows_all = not one
        beside = shows_all and layout.has_room_for_boxes_of_devices(columns, rows) and self.devices.can_be_beside
        self.devices.beside = beside
        self.query_one("#top").set_class(beside, "-stacked")
        used = max(1, min(layout.stream_count(columns, rows), len(store.streams)))
        reads_here = store.devices_are_read_here
        is_crowded = layout.is_small(columns, rows) if reads_here else rows < layout.MANY_ROWS
        spares_devices = lost and is_crowded
        self.devices.display = (one and current is self.devices) or (shows_all and not spares_devices)
        self.lanes.display = shows_all and boxed and not lost
        self.table.display = (one and current is self.table) or shows_all
        self.detail.display = shows_all and boxed and columns >= layout.HUGE_COLUMNS
        for index, pane in enumerate(self.streams):
            pane.display = not lost and (pane is current if one else index < used)
        self.down.display = lost
        self._show_rows("#top", self.devices.display and (not lost or store.loaded or reads_here))
        self._show_rows("#middle", self.table.display and (not lost or store.loaded))
        self._show_rows("#streams", any(pane.display for pane in self.streams))
        if one:
            self._height("#devices", None)
            self._height("#top", None)
            self._height("#middle", None)
        else:
            slots = len(store.slots)
            devices = self.devices.needed_height(columns) if self.devices.display else 0
            lanes = min(slots, 6) + 3 if self.lanes.display else 0
            self._height("#devices", devices if beside else None)
            found = layout.heights(
                rows,
                slots=slots,
                slot_chrome=self.table.chrome,
                devices=devices + lanes if beside else devices,
                lanes=lanes,
                detail=14 if self.detail.display else 0,
            )
            self._height("#top", found.devices)
            self._height("#middle", found.table)
        if self.focused is None and not lost:
            self._focus_again()

    def _focus_again(self) -> None:
        """Who was hidden, while there was no connection or no request for it, has lost the focus."""
        if not self._current.display:
            self._current = self.table
        self.give_focus(self._current)

    def _show_rows(self, selector: str, shown: bool) -> None:
        self.query_one(selector).display = shown

    def _height(self, selector: str, rows: int | None) -> None:
        """A fixed height, or all there is."""
        if self._rows.get(selector, -1) != rows:
            self._rows[selector] = rows
            self.query_one(selector).styles.height = "1fr" if rows is None else rows

    def _choose_streams(self) -> None:
        """Put the requests worth reading into the panes."""
        slot = None if self.view.follows_newest else self.view.slot()
        ranked = self.store.streams.best_of(slot.name if slot else None)
        columns, rows = self.app.size
        count = 1 if self._zoomed else layout.stream_count(columns, rows)
        shown = [pane.stream.view.id if pane.stream else "" for pane in self.streams]
        chosen = assign(shown, [stream.view.id for stream in ranked], count)
        for pane, id in zip(self.streams, chosen + [""] * STREAMS, strict=False):
            if not pane.is_read or pane.stream is None or pane.stream.view.id not in self.store.streams:
                pane.show(self.store.streams.get(id))
            else:  # leave it to those who read it
                pane.show(self.store.streams[pane.stream.view.id])
        for pane in self.streams:
            self.fetch_text(pane.stream)

    # Moving ----------------------------------------------------------------------------------------------------
    def _focus(self, pane: Pane) -> None:
        self._current = pane
        self._place()
        self.give_focus(pane)

    def on_descendant_focus(self) -> None:
        if isinstance(self.focused, Pane) and self.focused is not self._current:
            self._current = self.focused
            self._place()

    def _cycle(self, by: int) -> None:
        order: list[Pane] = [self.table, *self.streams, self.devices]
        columns, rows = self.app.size
        used = max(1, min(layout.stream_count(columns, rows), len(self.store.streams)))
        order = [pane for pane in order if not isinstance(pane, StreamPane) or pane.index < used]
        at = order.index(self._current) if self._current in order else 0
        self._focus(order[(at + by) % len(order)])

    def do_next_pane(self) -> None:
        self._cycle(1)

    def do_previous_pane(self) -> None:
        self._cycle(-1)

    def do_view_home(self) -> None:
        if self._zoomed:
            self.do_back()
        self._focus(self.table)

    @property
    def scrolled(self) -> Pane:
        return self._current

    def mark_scrolled(self) -> None:
        self.store.mark("slots", "text")

    def do_zoom(self) -> None:
        if self._zoomed:
            self.do_back()
        else:
            self._zoomed = True
            self._zoomed_from = self._current
            self._place()

    def do_back(self) -> None:
        if self.end_search():
            return
        if self._zoomed:
            self._zoomed = False
            self._focus(self._zoomed_from)
        elif self._current is not self.table:
            self._focus(self.table)
        elif self.view.marked:
            self.view.unmark()
        else:
            self.filter = ""

    def do_open(self) -> None:
        slot = self.view.slot()
        if self.place == "stream":
            self.do_zoom()
        elif slot is not None and slot.state == "error":
            self.app.push_screen(ProblemPage(self.view, problems.key_of_slot(slot.name)))
        elif slot is not None:
            self.view.select(slot.name)
            self._choose_streams()
            self.do_zoom()
            self._focus(self.streams[0])

    def do_follow(self) -> None:
        self.view.follows_newest = not self.view.follows_newest
        slot = self.view.slot()
        if self.view.follows_newest:
            self.store.tell("the stream shows the newest request of all slots")
        elif slot is not None:
            self.store.tell(f"the stream stays with {slot.name}")
        for pane in self.streams:
            pane.follows = True
        self.store.mark("requests")

    # The filter ------------------------------------------------------------------------------------------------
    @property
    def filter(self) -> str:
        return self.view.filter

    @filter.setter
    def filter(self, expression: str) -> None:
        self.view.filter = expression
        self.store.mark("slots")

    def focus_list(self) -> None:
        self._focus(self.table)

    # Requests --------------------------------------------------------------------------------------------------
    @property
    def request_pane(self) -> StreamPane:
        """The focused one of the streams, else the first."""
        return self._current if isinstance(self._current, StreamPane) else self.streams[0]

    @property
    def searched(self) -> StreamPane:
        return self.request_pane

    # Everywhere ------------------------------------------------------------------------------------------------
    def do_open_devices(self) -> None:
        self.dashboard.open_view("devices")

    def do_copy(self) -> None:
        slot = self.view.slot()
        if self.place == "stream" and isinstance(self._current, StreamPane):
            what = "the text" if self._current.stream else "the curl command"
            self.dashboard.copy(self._current.text(), what)
        elif self.place == "devices":
            self.dashboard.copy(device_text.text(self.store.devices.values()), "the devices")
        elif slot is not None:
            self.dashboard.copy(slot.name, f"the name {slot.name}")

    def do_copy_command(self) -> None:
        slot = self.view.slot()
        stream = self.request_pane.stream
        if self.place == "stream" and stream is not None:
            self.dashboard.copy(self.dashboard.curl(f"/api/requests/{stream.view.id}"), "the curl command")
        elif self.place == "devices":
            self.dashboard.copy(device_text.COMMAND, "the hal0 command")
        elif slot is not None:
            self.dashboard.copy(f"hal0 slot show {shlex.quote(slot.name)}", "the hal0 command")

    def do_freeze(self) -> None:
        self.view.frozen_at = self.store.facts_seen
        self.store.mark(*ALL_TOPICS)

    def do_thaw(self) -> None:
        self.view.frozen_at = None
        self.store.mark(*ALL_TOPICS)

    def do_daemon_log(self) -> None:
        self.dashboard.open_daemon_log()

    def do_last_recording(self) -> None:
        self.dashboard.play_last_recording()

    def do_retry(self) -> None:
        self.dashboard.retry_now()
