"""The filter line: a row to type in, over the footer, that narrows what a screen lists or finds a word in it."""

from typing import ClassVar, Protocol, cast

from textual.app import ComposeResult
from textual.widgets import Input

from hal0.tui.keymap import Place
from hal0.tui.screens.base import KeyedScreen, ScrollingScreen
from hal0.tui.store import Topic
from hal0.tui.widgets.footer import Footer
from hal0.tui.widgets.pane import Pane
from hal0.tui.widgets.truth import Truth
from hal0.tui.widgets.typed import TypedLine


class FilteringScreen(KeyedScreen, inherit_bindings=False):
    """A subclass composes `filter_line`, says "filter" as its place while that has the focus, and narrows its list."""

    FILTER_HINT = "word  !without"

    def make_filter_line(self) -> Input:
        return TypedLine(id="filter", placeholder=self.FILTER_HINT, compact=True, select_on_focus=False, disabled=True)

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

    def focus_typed_for(self) -> None:
        """Give the focus back to what the line was for."""
        self.focus_list()

    def typed(self, text: str) -> None:
        self.filter = text

    def untyped(self) -> None:
        """Nothing that was typed counts."""
        self.filter = ""

    def open_line(self, text: str, hint: str) -> None:
        line = self.filter_line
        line.disabled = False
        line.display = True
        line.placeholder = hint
        line.value = text
        self.give_focus(line)

    def do_filter(self) -> None:
        self.open_line(self.filter, self.FILTER_HINT)

    def on_input_changed(self, event: Input.Changed) -> None:
        self.typed(event.value)
        self.dashboard.paint_now()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self._end_filter()

    def do_filter_clear(self) -> None:
        self.untyped()
        self._end_filter()

    def _end_filter(self) -> None:
        self.filter_line.display = False
        self.filter_line.disabled = True
        self.focus_typed_for()
        self.dashboard.paint_now()


class Narrowed(Protocol):
    """A pane that shows what fits its filter."""

    filter: str

    def narrow(self, expression: str) -> None: ...


class NarrowingView(FilteringScreen, ScrollingScreen, inherit_bindings=False):
    """A view that is one pane with a filter, which `esc` clears before it leads back."""

    MARKS: ClassVar[Topic] = "notice"  # what the pane is painted anew for

    @property
    def narrowed(self) -> Pane:
        raise NotImplementedError

    def compose(self) -> ComposeResult:
        yield Truth(self.view, id="truth")
        yield self.narrowed
        yield self.make_filter_line()
        yield Footer(self.view, self.offered)

    def on_mount(self) -> None:
        self.narrowed.focus()

    @property
    def place(self) -> Place:
        return "filter" if self.is_filtering else self.PLACE

    @property
    def filter(self) -> str:
        return cast(Narrowed, self.narrowed).filter

    @filter.setter
    def filter(self, expression: str) -> None:
        cast(Narrowed, self.narrowed).narrow(expression)
        self.mark_scrolled()

    def focus_list(self) -> None:
        self.give_focus(self.narrowed)

    @property
    def scrolled(self) -> Pane:
        return self.narrowed

    def mark_scrolled(self) -> None:
        self.store.mark(self.MARKS)

    def do_back(self) -> None:
        if self.filter:
            self.filter = ""
        else:
            super().do_back()
