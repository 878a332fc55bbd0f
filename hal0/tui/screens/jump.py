"""Jump letters: one at each pane and row of the screen below; typing it goes there."""

import string
from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.events import Key as KeyPressed

from hal0.tui.lines import Line, line, span
from hal0.tui.screens.base import KeyedModal, bindings
from hal0.tui.store import ALL_TOPICS
from hal0.tui.view import View
from hal0.tui.widgets.footer import Footer
from hal0.tui.widgets.pane import Pane

LETTERS = "asdfghjklqwertyuiopzxcvbnm" + string.ascii_uppercase  # the ones below the fingers first
Goal = tuple[int, int, Callable[[], object]]  # column and row on the screen, and what goes there


def goals(panes: Sequence[Pane]) -> list[Goal]:
    """Where one can go, from the top to the bottom; as many as there are letters."""
    found = [(pane.region.x, pane.region.y + y, act) for pane in panes if pane.size.height for y, act in pane.goals()]
    return sorted(found, key=lambda goal: (goal[1], goal[0]))[: len(LETTERS)]


class Letter(Pane):
    """One letter, over what it leads to."""

    TOPICS: ClassVar = ALL_TOPICS
    FADES = False

    def __init__(self, view: View, letter: str, column: int, row: int) -> None:
        super().__init__(view, classes="letter")
        self._letter = letter
        self.styles.offset = (column, row)

    def paint(self, width: int, height: int) -> list[Line]:
        return [line(span(f" {self._letter} ", "loud"))]


class Jump(KeyedModal, inherit_bindings=False):
    """Answers what goes where the letter stands; None for any other key."""

    PLACE = "jump"
    BINDINGS: ClassVar = bindings("jump")

    def __init__(self, view: View, found: Sequence[Goal]) -> None:
        super().__init__(view)
        self._goals = dict(zip(LETTERS, found, strict=False))

    def compose(self) -> ComposeResult:
        for letter, (column, row, _) in self._goals.items():
            yield Letter(self.view, letter, column, row)
        yield Footer(self.view, self.offered)

    def on_key(self, event: KeyPressed) -> None:
        if event.key != "escape":
            event.stop()
            goal = self._goals.get(event.character or "")
            self.dismiss(goal[2] if goal else None)

    def do_leave(self) -> None:
        self.dismiss(None)
