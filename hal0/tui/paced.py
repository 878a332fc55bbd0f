"""An app that keeps to the pace of its terminal: after each frame it asks for an answer, and waits for that.

What it writes for a frame is cropped to what changed.
"""

from collections.abc import Callable
from typing import Any

from textual.app import App
from textual.timer import Timer

from hal0.tui.clock import PaintClock
from hal0.tui.cropped import crop

CURSOR_POSITION = "\x1b[6n"  # a question that every terminal since the VT100 answers
LAST_ANSWER_SECONDS = 1.0


class PacedApp(App[None], inherit_bindings=False):
    """On a slow link frames wait for one another, and keys for none."""

    clock: PaintClock
    _at_last: Callable[[], object] | None = None  # waits for the terminal's last answer
    _patience: Timer | None = None

    def _display(self, screen: Any, renderable: Any, *more: Any) -> None:
        super()._display(screen, crop(renderable), *more)

    def post_display_hook(self) -> None:
        if self._at_last is None and not self.is_headless and self.clock.displayed():
            self._ask_terminal()

    def on_cursor_position(self) -> None:
        if self.clock.answered() and self._at_last is None:
            self._ask_terminal()
        self.heard()
        if not self.clock.pace.is_waiting:
            self._act_at_last()

    def heard(self) -> None:
        """The terminal has answered: the pace knows more."""

    def _ask_terminal(self) -> None:
        """Have the terminal tell where the cursor is, which it does when it has drawn all that came before."""
        if self._driver is not None:
            self._driver.write(CURSOR_POSITION)
            self._driver.flush()

    def leave(self) -> None:
        """End."""
        self.give_terminal_away(self.exit)

    def give_terminal_away(self, act: Callable[[], object]) -> None:
        """With an answer of the terminal on its way only after it: who reads next would take it for typed.

        Nothing more is asked of the terminal, until `ask_again`.
        """
        self._at_last = act
        if not self.clock.pace.is_waiting:
            self._act_at_last()
        elif self._patience is None:
            self._patience = self.set_timer(LAST_ANSWER_SECONDS, self._act_at_last)

    def ask_again(self) -> None:
        self._at_last = None

    def _act_at_last(self) -> None:
        if self._patience is not None:
            self._patience.stop()
            self._patience = None
        if self._at_last is not None:
            self._at_last()
