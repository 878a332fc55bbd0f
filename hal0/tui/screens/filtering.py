"""The filter line: a row to type in, over the footer, that narrows what a screen lists."""

from textual.widgets import Input

from hal0.tui.screens.base import KeyedScreen


class FilteringScreen(KeyedScreen, inherit_bindings=False):
    """A subclass composes `filter_line`, says "filter" as its place while that has the focus, and narrows its list."""

    FILTER_HINT = "word  !without"

    def make_filter_line(self) -> Input:
        return Input(id="filter", placeholder=self.FILTER_HINT, compact=True, select_on_focus=False, disabled=True)

    @property
    def filter_line(self) -> Input:
        return self.query_one("#filter", Input)

    @property
    def is_filtering(self) -> bool:
        """Whether the person is typing in the filter line."""
        return self.focused is not None and self.focused.id == "filter"

    @property
    def filter(self) -> str:
        raise NotImplementedError

    @filter.setter
    def filter(self, expression: str) -> None:
        raise NotImplementedError

    def focus_list(self) -> None:
        """Give the focus back to what is filtered."""
        raise NotImplementedError

    def do_filter(self) -> None:
        line = self.filter_line
        line.disabled = False
        line.display = True
        line.value = self.filter
        line.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        self.filter = event.value
        self.dashboard.paint_now()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self._end_filter()

    def do_filter_clear(self) -> None:
        self.filter = ""
        self._end_filter()

    def _end_filter(self) -> None:
        self.filter_line.display = False
        self.filter_line.disabled = True
        self.focus_list()
        self.dashboard.paint_now()
