"""What the keys do to slots: the selected one, or all that are marked."""

from hal0.tui.client import Verb
from hal0.tui.screens.base import KeyedScreen
from hal0.tui.screens.chat import ChatScreen
from hal0.tui.screens.confirm import Confirm
from hal0.tui.screens.delete_slot import DeleteDialog
from hal0.tui.screens.new_slot import NewSlot
from hal0.tui.screens.slot import SlotPage
from hal0.tui.screens.swap import SwapDialog
from hal0.tui.sorting import following
from hal0.wire import Drain


class SlotScreen(KeyedScreen, inherit_bindings=False):
    """A screen with the table of slots."""

    # On one slot or several
    def do_load(self) -> None:
        for slot in self.view.chosen():
            self.dashboard.ask("load", slot.name)
        self.view.unmark()

    def do_unload(self) -> None:
        self._ask_gently("unload", then="stops")

    def do_restart(self) -> None:
        self._ask_gently("restart", then="stops and starts again")

    def do_pin(self) -> None:
        chosen = self.view.chosen()
        pinned = not all(slot.pinned for slot in chosen)
        for slot in chosen:
            self.dashboard.ask("pin", slot.name, pinned=pinned)
        self.view.unmark()

    def _ask_gently(self, verb: Verb, *, then: str) -> None:
        names = [slot.name for slot in self.view.chosen()]
        self.ask_gently(verb, names, then=then)

    def ask_gently(self, verb: Verb, slots: list[str], *, then: str, **more: object) -> None:
        """What stops slots; with requests in flight only after a question that names them."""

        def ask(**drain: object) -> None:
            for name in slots:
                self.dashboard.ask(verb, name, **drain, **more)
            self.view.unmark()

        def answered(drain: Drain | None) -> None:
            if drain is not None:
                ask(drain=drain)

        if any(stream.view.slot in slots for stream in self.store.streams.in_flight()):
            model = str(more.get("model", ""))
            self.app.push_screen(Confirm(self.view, verb, slots, then=then, model=model), answered)
        else:
            ask()

    # On the selected one
    def do_swap(self) -> None:
        slot = self.view.slot()
        if slot is None:
            return

        def answered(model: str | None) -> None:
            if model is not None:
                self.swap_to(slot.name, model)

        self.app.push_screen(SwapDialog(self.view, slot), answered)

    def swap_to(self, slot: str, model: str) -> None:
        self.ask_gently("swap", [slot], then=f"starts with {model}", model=model)

    def do_new(self) -> None:
        self.app.push_screen(NewSlot(self.view))

    def do_delete(self) -> None:
        slot = self.view.slot()
        if slot is None:
            return

        def answered(goes: bool | None) -> None:
            if goes:
                self.dashboard.delete_slot(slot.name)

        self.app.push_screen(DeleteDialog(self.view, slot.name), answered)

    def do_detail(self) -> None:
        if slot := self.view.slot():
            self.app.push_screen(SlotPage(self.view, slot.name))

    def do_edit(self) -> None:
        if slot := self.view.slot():
            self.dashboard.edit_slot(slot.name)

    def do_chat(self) -> None:
        if slot := self.view.slot():
            self.app.push_screen(ChatScreen(self.view, slot.name))

    def do_open_log(self) -> None:
        if slot := self.view.slot():
            self.view.select(slot.name)
            self.dashboard.open_view("logs")

    # Which, and in which order
    def do_mark(self) -> None:
        """Mark the selected slot, or take that back, and go to the next."""
        if slot := self.view.slot():
            self.view.marked ^= {slot.name}
            self.view.move(1)
            self.store.mark("slots")

    def do_sort(self) -> None:
        self.view.sort, self.view.is_reversed = following(self.view.sort), False
        self._tell_order()

    def do_sort_reverse(self) -> None:
        self.view.is_reversed = not self.view.is_reversed
        self._tell_order()

    def _tell_order(self) -> None:
        self.store.tell(f"sorted by {self.view.order or 'nothing: as in the configuration'}", "muted", seconds=2)
        self.store.mark("slots")
