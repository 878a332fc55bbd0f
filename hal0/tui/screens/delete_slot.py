"""Before a slot is taken out of the configuration: what runs, what is lost, what names it. Only its name does it."""

from collections.abc import Sequence, Set
from typing import ClassVar

from textual.app import ComposeResult
from textual.widgets import Input

from hal0.errors import Hal0Error
from hal0.tui.keymap import Need
from hal0.tui.screens.base import KeyedModal, bindings
from hal0.tui.store import Topic
from hal0.tui.view import View
from hal0.tui.widgets.footer import Footer
from hal0.tui.widgets.loss import Loss
from hal0.tui.widgets.typed import TypedLine
from hal0.wire import ConfigValue

WIDEST = 76


class DeleteDialog(KeyedModal, inherit_bindings=False):
    """Answers whether the slot is to go. Enter does nothing until its name is written."""

    PLACE = "delete"
    BINDINGS: ClassVar = bindings("delete")

    def __init__(self, view: View, slot: str) -> None:
        super().__init__(view)
        self._slot = slot
        self.loss = Loss(view, slot)
        self.typed = TypedLine(id="typed", placeholder=f"type {slot} to delete it", compact=True, select_on_focus=False)
        self.typed.cursor_blink = False

    def compose(self) -> ComposeResult:
        yield self.loss
        yield self.typed
        yield Footer(self.view, self.offered)

    def on_mount(self) -> None:
        self.typed.focus()
        self._fit()
        self.run_worker(self._look())

    async def _look(self) -> None:
        try:
            self.tell(await self.dashboard.client.values())
        except Hal0Error as error:
            self.tell(error)

    def tell(self, values: Sequence[ConfigValue] | Hal0Error) -> None:
        """Show what the configuration says of the slot."""
        self.loss.values = values
        self._fit()
        self._changed()

    def _changed(self) -> None:
        self.store.mark("notice")
        self.dashboard.paint_now()

    def _fit(self) -> None:
        columns, rows = self.app.size
        width = min(WIDEST, columns - 2)
        self.loss.styles.width = self.typed.styles.width = width
        self.loss.styles.height = len(self.loss.write(width, rows - 2))

    def flush(self, dirty: Set[Topic]) -> None:
        self._fit()
        super().flush(dirty)

    def has(self, need: Need) -> bool:
        return self.typed.value == self._slot if need == "named" else super().has(need)

    def on_input_changed(self, event: Input.Changed) -> None:
        self._changed()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if self.has("named") and not self.view.is_read_only:
            self.dismiss(True)
        else:
            self.store.tell("nothing is deleted before the slot's name is written in full", "warn")
            self._changed()

    def do_leave(self) -> None:
        self.dismiss(False)
