"""Searching in a text: a word typed in the filter line, then from match to match."""

from hal0.tui.keymap import Need
from hal0.tui.screens.base import ScrollingScreen
from hal0.tui.screens.filtering import FilteringScreen
from hal0.tui.view import View
from hal0.tui.widgets.searched import Searched

SEARCH_HINT = "text to find"


class SearchingScreen(FilteringScreen, ScrollingScreen, inherit_bindings=False):
    """What is typed is for the text in `searched` after `do_search`, else for the screen's own filter."""

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self._searched: Searched | None = None  # what the line was opened for

    @property
    def searched(self) -> Searched:
        """The pane with the text that the keys are about."""
        raise NotImplementedError

    @property
    def reads(self) -> bool:
        """Whether the focus is on a text."""
        return isinstance(self.focused, Searched)

    def has(self, need: Need) -> bool:
        if need == "text":
            return self.searched.has_text
        return self.searched.is_searched if need == "found" else super().has(need)

    def do_search(self) -> None:
        pane = self._searched = self.searched
        pane.begin_search()
        self.open_line(pane.search.word, SEARCH_HINT)

    def do_filter(self) -> None:
        self._searched = None
        super().do_filter()

    def typed(self, text: str) -> None:
        if self._searched is not None:
            self._searched.look_for(text)
            self.mark_scrolled()
        else:
            super().typed(text)

    def untyped(self) -> None:
        if self._searched is not None:
            self._searched.take_search_back()
            self.mark_scrolled()
        else:
            super().untyped()

    def focus_typed_for(self) -> None:
        if self._searched is not None:
            self.give_focus(self._searched)
        else:
            super().focus_typed_for()

    def do_next_match(self) -> None:
        self.searched.step_search(1)
        self.mark_scrolled()

    def do_previous_match(self) -> None:
        self.searched.step_search(-1)
        self.mark_scrolled()

    def end_search(self) -> bool:
        """Take the marks out of the text that has the focus; False: there are none."""
        if not (self.reads and self.searched.is_searched):
            return False
        self.searched.look_for("")
        self.mark_scrolled()
        return True
