"""A new slot, from a form: judged by the daemon as it is typed, and written by it as `hal0 slot create` does."""

import asyncio
from collections.abc import Set
from typing import ClassVar

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.events import DescendantBlur, DescendantFocus
from textual.widgets import Input

from hal0.errors import Hal0Error
from hal0.tui.keymap import Need
from hal0.tui.screens.base import KeyedScreen, bindings
from hal0.tui.screens.page import Crumb
from hal0.tui.slot_form import FIELDS, SlotForm
from hal0.tui.store import Topic
from hal0.tui.view import View
from hal0.tui.widgets.footer import Footer
from hal0.tui.widgets.form import Asked, Label, Note
from hal0.tui.widgets.truth import Truth
from hal0.tui.widgets.typed import TypedLine
from hal0.wire import ModelView, SlotPlan

LABEL_CELLS = 13
WIDEST_INPUT = 34
QUIET_SECONDS = 0.15  # that nothing was typed for, before the daemon is asked


class NewSlot(KeyedScreen):
    """`n` on the home screen."""

    PLACE = "new slot"
    BINDINGS: ClassVar = bindings("new slot")

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self.form = SlotForm()
        self.asked = Asked(view, self.form)
        self._inputs = {name: TypedLine(id=name, compact=True, select_on_focus=False) for name in FIELDS}
        self._rows: dict[str, Horizontal] = {}
        self._judged: tuple[str, str] | None = None  # name and command that the daemon has judged

    def compose(self) -> ComposeResult:
        yield Truth(self.view, id="truth")
        yield Crumb(self.view, lambda: ["home", "slots", "new"])
        for name, written in self._inputs.items():
            written.cursor_blink = False
            row = Horizontal(Label(self.view, name), written, Note(self.view, self.form, name), classes="field")
            self._rows[name] = row
            yield row
        yield self.asked
        yield Footer(self.view, self.offered)

    def on_mount(self) -> None:
        self._inputs["name"].focus()
        self.dashboard.fetch_models(self.show)
        self._ask()

    def show(self, models: list[ModelView] | Hal0Error) -> None:
        """The models to choose from, or why there are none."""
        if isinstance(models, Hal0Error):
            self.asked.failure = models
        else:
            self.asked.models = sorted(models, key=lambda model: model.id)
        self._repaint()

    @property
    def field(self) -> str:
        """The one that is written in."""
        return self.focused.id or "name" if isinstance(self.focused, Input) else "name"

    def has(self, need: Need) -> bool:
        if need == "complete":
            is_judged = self._judged == (self.form.name, self.form.command())
            return bool(self.form.name) and is_judged and self.asked.failure is None and not self.form.problems()
        return super().has(need)

    def why_not(self, need: Need) -> str:
        if need != "complete":
            return super().why_not(need)
        if not self.form.name:
            return "the slot needs a name"
        return "what is written is still wrong" if self.form.problems() or self.asked.failure else "one moment"

    def _refuse(self) -> None:
        """It cannot be created as it is: tell all that is wrong."""
        self.form.tried = True
        self.store.tell(self.why_not("complete"), "warn")

    def action_press(self, id: str) -> None:
        if id == "create" and not self.has("complete"):
            self._refuse()
            self.dashboard.paint_now()
        else:
            super().action_press(id)

    def flush(self, dirty: Set[Topic]) -> None:
        width = max(12, min(WIDEST_INPUT, self.app.size.width - LABEL_CELLS - 2))
        for name, row in self._rows.items():
            self._inputs[name].styles.width = width
            row.display = name in self.form.fields
        self.asked.field = self.field
        super().flush(dirty)

    def _repaint(self) -> None:
        self.store.mark("notice")
        self.dashboard.paint_now()

    # Judging ---------------------------------------------------------------------------------------------------
    def _ask(self) -> None:
        self.run_worker(self._judge(), exclusive=True)

    async def _judge(self) -> None:
        await asyncio.sleep(QUIET_SECONDS)
        form = self.form
        name, what = form.name_to_ask(self.store), (form.name, form.command())
        try:
            plan = await self.dashboard.client.plan_slot(name, form.keys())
        except Hal0Error as error:
            self.asked.failure = error
            self._repaint()
        else:
            self.tell(plan, name, what)

    def tell(self, plan: SlotPlan, name: str, what: tuple[str, str]) -> None:
        """Show what the daemon says of a slot with this name; `what` is what was written when it was asked."""
        self.form.plan, self.form.asked_name, self._judged = plan, name, what
        self.asked.failure = None
        self._repaint()

    # Writing in it ---------------------------------------------------------------------------------------------
    def on_input_changed(self, event: Input.Changed) -> None:
        field = event.input.id or "name"
        if event.value != self.form.values[field]:
            self.form.touched.add(field)
        self.form.values[field] = event.value
        self.asked.at = None
        self._ask()
        self._repaint()

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        self.asked.at = None
        self._repaint()

    def on_descendant_blur(self, event: DescendantBlur) -> None:
        if event.widget.id in FIELDS:
            self.form.touched.add(event.widget.id)
            self._repaint()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Take what is selected, and go on; what is written stays if nothing is."""
        chosen = self.asked.chosen(self.field)
        if chosen is not None:
            event.input.value = chosen.value
            event.input.cursor_position = len(chosen.value)
        if self.field != self.form.fields[-1]:
            self.do_next_field()
        elif self.has("complete"):
            self.do_create()
        else:
            self._refuse()
        self.dashboard.paint_now()

    def _go(self, by: int) -> None:
        order = self.form.fields
        at = order.index(self.field) if self.field in order else 0
        self.give_focus(self._inputs[order[(at + by) % len(order)]])

    def do_next_field(self) -> None:
        self._go(1)

    def do_previous_field(self) -> None:
        self._go(-1)

    def _choose(self, by: int) -> None:
        many = len(self.asked.choices(self.field))
        at = self.asked.position(self.field)
        if many:
            self.asked.at = 0 if at is None else max(0, min(at + by, many - 1))

    def do_next_choice(self) -> None:
        self._choose(1)

    def do_previous_choice(self) -> None:
        self._choose(-1)

    # Being done ------------------------------------------------------------------------------------------------
    def do_create(self) -> None:
        self.run_worker(self._create(), group="create", exclusive=True)

    async def _create(self) -> None:
        name = self.form.name
        try:
            await self.dashboard.client.create_slot(name, self.form.keys())
        except Hal0Error as error:
            self.asked.failure = error
            self._repaint()
            return
        self.view.filter = ""
        self.view.select(name)
        self.store.tell(f"{name} is in the configuration; it starts when it is asked, l starts it now", "good")
        self.dismiss()
        self.dashboard.paint_now()

    def do_copy_form(self) -> None:
        self.dashboard.copy(self.form.command(), "the hal0 command")

    def do_leave(self) -> None:
        self.dismiss()
