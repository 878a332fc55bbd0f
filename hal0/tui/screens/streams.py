"""The streams view: every request of late, and the text of the selected one."""

from collections.abc import Set
from typing import ClassVar

from textual.app import ComposeResult

from hal0.tui.keymap import Need, Place
from hal0.tui.screens.base import bindings
from hal0.tui.screens.requests import RequestScreen
from hal0.tui.screens.searching import SearchingScreen
from hal0.tui.store import Topic
from hal0.tui.view import View
from hal0.tui.widgets.footer import Footer
from hal0.tui.widgets.pane import Pane
from hal0.tui.widgets.requests import RequestList
from hal0.tui.widgets.stream import StreamPane
from hal0.tui.widgets.truth import Truth

LIST_SHARE = 0.4  # of the rows
LIST_LEAST = 4


class StreamView(SearchingScreen, RequestScreen, inherit_bindings=False):
    """Key 3."""

    PLACE = "stream view"
    BINDINGS: ClassVar = bindings("stream view", "filter")

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self.list = RequestList(view, id="requests")
        self.text = StreamPane(view, id="text")

    def compose(self) -> ComposeResult:
        yield Truth(self.view, id="truth")
        yield self.list
        yield self.text
        yield self.make_filter_line()
        yield Footer(self.view, self.offered)

    def on_mount(self) -> None:
        self.list.focus()

    @property
    def place(self) -> Place:
        return "filter" if self.is_filtering else self.PLACE

    def flush(self, dirty: Set[Topic]) -> None:
        self._place()
        self.text.show(self.list.stream())
        self.fetch_text(self.text.stream)
        super().flush(dirty)

    def _place(self) -> None:
        """As many rows for the list as it needs, up to its share."""
        wanted = len(self.store.streams) + 2
        self.list.styles.height = max(LIST_LEAST, min(wanted, int(self.app.size.height * LIST_SHARE)))

    @property
    def request_pane(self) -> StreamPane:
        return self.text

    @property
    def searched(self) -> StreamPane:
        return self.text

    def has(self, need: Need) -> bool:
        return self.request_runs if need == "running" else super().has(need)

    @property
    def scrolled(self) -> Pane:
        return self.text if self.text.has_focus else self.list

    def mark_scrolled(self) -> None:
        self.store.mark("requests", "text")

    def do_next_pane(self) -> None:
        self.give_focus(self.list if self.text.has_focus else self.text)

    def do_previous_pane(self) -> None:
        self.do_next_pane()

    def do_follow(self) -> None:
        self.list.follow()
        self.text.follows = True
        self.mark_scrolled()

    def do_back(self) -> None:
        if self.end_search():
            return
        if self.text.has_focus:
            self.give_focus(self.list)
        else:
            super().do_back()

    def do_copy(self) -> None:
        self.dashboard.copy(self.text.text(), "the text")

    def do_copy_command(self) -> None:
        if self.text.stream is not None:
            self.dashboard.copy(self.dashboard.curl(f"/api/requests/{self.text.stream.view.id}"), "the curl command")
