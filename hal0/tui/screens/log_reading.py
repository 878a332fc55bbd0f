"""What views of a log share: something is found in it as in a stream, and a filter leaves only some of its lines."""

from hal0.tui.keymap import Need
from hal0.tui.screens.filtering import NarrowingView
from hal0.tui.screens.searching import SearchingScreen
from hal0.tui.view import View
from hal0.tui.widgets.log import LogPane


class LogReader(SearchingScreen, NarrowingView, inherit_bindings=False):
    """A view that is one log; `esc` takes the marks out, then the filter, then leads back."""

    MARKS = "log"

    def __init__(self, view: View, pane: LogPane) -> None:
        super().__init__(view)
        self.log_pane = pane

    @property
    def narrowed(self) -> LogPane:
        return self.log_pane

    @property
    def searched(self) -> LogPane:
        return self.log_pane

    def why_not(self, need: Need) -> str:
        return "there is no slot" if need == "text" else super().why_not(need)

    def do_filter_lines(self) -> None:
        self.do_filter()

    def do_back(self) -> None:
        if not self.end_search():
            super().do_back()

    def do_copy(self) -> None:
        self.dashboard.copy(self.log_pane.text(), "the log")
