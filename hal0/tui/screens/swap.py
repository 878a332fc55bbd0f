"""Another model for a slot: those of its kind, to choose one from."""

import asyncio
import shlex
from collections.abc import Set
from typing import ClassVar

from textual.app import ComposeResult

from hal0.errors import Hal0Error
from hal0.tui import figures, rooms
from hal0.tui.keymap import Need
from hal0.tui.lines import EMPTY, Line, line, span
from hal0.tui.screens.base import KeyedModal, ScrollingScreen, bindings
from hal0.tui.store import ALL_TOPICS, Topic
from hal0.tui.text import fit, harmless
from hal0.tui.view import View
from hal0.tui.widgets.footer import Footer
from hal0.tui.widgets.pane import Pane
from hal0.wire import ModelDetail, ModelView, SlotView

WIDEST = 76
SIZE_CELLS = 6
PREVIEW_ROWS = 7  # two devices, the verdict, the command, air
ROWS_FOR_PREVIEW = 18
QUIET_SECONDS = 0.15  # that one stays with a model, before the daemon is asked about it


class Models(Pane):
    """The box with the list; the one that the slot has is marked, and not chosen again."""

    TOPICS: ClassVar = ALL_TOPICS

    def __init__(self, view: View, slot: SlotView) -> None:
        super().__init__(view, id="models")
        self._slot = slot
        self._models: list[ModelView] | None = None  # None: not known yet
        self._failure: Hal0Error | None = None
        self._at = 0
        self._details: dict[str, ModelDetail | Hal0Error] = {}  # what is known of models in the slot's place

    @property
    def chosen(self) -> ModelView | None:
        model = self._models[self._at] if self._models else None
        return None if model is None or self._is_current(model) else model

    def show(self, models: list[ModelView] | Hal0Error) -> None:
        if isinstance(models, Hal0Error):
            self._failure = models
            return
        fitting = [model for model in models if model.kind == self._slot.kind]
        self._models = sorted(fitting, key=lambda model: (model.size_bytes, model.id))
        self._at = next((at for at, model in enumerate(self._models) if not self._is_current(model)), 0)

    def _is_current(self, model: ModelView) -> bool:
        return self._slot.model == model.id

    def write(self, width: int, rows: int) -> list[Line]:
        """The box, as high as its list or as there is room."""
        reserved = PREVIEW_ROWS if rows >= ROWS_FOR_PREVIEW and self._models else 0
        body = [EMPTY, *self._list(width - 4, rows - 4 - reserved), EMPTY]
        body += (self._preview(width - 2) + [EMPTY] * reserved)[:reserved]
        title = line(span(f"swap {self._slot.name} to", "title"))
        return self.look.glyphs.plain.box(body, width, top=(title, ()), role="warn")

    def _preview(self, width: int) -> list[Line]:
        """The memory with the selected model in the slot's place, and the command that does it."""
        model = self.chosen
        if model is None:
            return []
        detail = self._details.get(model.id)
        told: list[Line]
        match detail:
            case None:
                told = [line(span("   asking the daemon what it takes", "muted"))]
            case Hal0Error():
                told = [line(span("   " + fit(harmless(f"{detail.code}: {detail.message}"), width - 4), "bad"))]
            case ModelDetail(fit=None):
                why = f"{detail.error.code}: {detail.error.message}" if detail.error else "what it takes is not known"
                told = [line(span("   " + fit(harmless(why), width - 4), "warn"))]
            case ModelDetail(fit=found) if found is not None:
                told = rooms.lines(found, self.view.store.devices, width, self.look.glyphs)
        return [*told[: PREVIEW_ROWS - 2], line(span("   " + fit(command(self._slot.name, model), width - 4), "muted"))]

    def known(self, model: str) -> bool:
        return model in self._details

    def tell(self, model: str, detail: ModelDetail | Hal0Error) -> None:
        """Show what the daemon says of a model in the slot's place."""
        self._details[model] = detail

    def _list(self, width: int, rows: int) -> list[Line]:
        if self._failure is not None:
            return [line(" ", span(fit(f"{self._failure.code}: {self._failure.message}", width), "bad"))]
        if self._models is None:
            return [line(" ", span("asking the daemon for its models", "muted"))]
        if not self._models:
            return [line(" ", span(f"there is no model for {self._slot.kind}", "muted"))]
        rows = max(1, rows)
        top = max(0, min(self._at - rows // 2, len(self._models) - rows))
        return [self._row(at, width) for at in range(top, min(top + rows, len(self._models)))]

    def _row(self, at: int, width: int) -> Line:
        assert self._models is not None
        model, glyphs = self._models[at], self.look.glyphs
        users = [name for name in model.slots if name != self._slot.name]
        note = "has it now" if self._is_current(model) else f"in {', '.join(users)}" if users else model.licence
        room = max(8, (width - SIZE_CELLS - 5) * 2 // 3)
        name = fit(model.id, room, ellipsis=glyphs.ellipsis)
        rest = fit(note, max(0, width - room - SIZE_CELLS - 5), ellipsis=glyphs.ellipsis)
        text = f" {name} {figures.size(model.size_bytes):>{SIZE_CELLS}}  {rest}"
        role = "selected" if at == self._at else "muted" if self._is_current(model) else "text"
        return line(span(glyphs.marker if at == self._at else " ", "focus"), span(text, role))

    def paint(self, width: int, height: int) -> list[Line]:
        return self.write(width, self.app.size.height - 1)  # the box is as high as that gave

    def scroll_lines(self, by: int) -> None:
        self._at = max(0, min(self._at + by, len(self._models or ()) - 1))

    @property
    def page(self) -> int:
        return max(1, self.size.height - 4)


def command(slot: str, model: ModelView) -> str:
    return shlex.join(["hal0", "slot", "swap", slot, model.id])


class SwapDialog(ScrollingScreen, KeyedModal, inherit_bindings=False):
    """Answers the id of the model to swap to, or None to leave it."""

    PLACE = "swap"
    BINDINGS: ClassVar = bindings("swap")

    def __init__(self, view: View, slot: SlotView) -> None:
        super().__init__(view)
        self._slot = slot
        self.models = Models(view, slot)

    def compose(self) -> ComposeResult:
        yield self.models
        yield Footer(self.view, self.offered)

    def on_mount(self) -> None:
        self._fit()
        self.dashboard.fetch_models(self.show)

    def show(self, models: list[ModelView] | Hal0Error) -> None:
        self.models.show(models)
        self._fit()
        self._look()
        self.store.mark("notice")

    def _fit(self) -> None:
        columns, rows = self.app.size
        width = min(WIDEST, columns - 2)
        self.models.styles.width = width
        self.models.styles.height = len(self.models.write(width, rows - 1))

    def flush(self, dirty: Set[Topic]) -> None:
        self._fit()
        super().flush(dirty)

    @property
    def scrolled(self) -> Pane:
        return self.models

    def mark_scrolled(self) -> None:
        self.store.mark("notice")
        self._look()

    def _look(self) -> None:
        """Ask what the selected model would take, once one stays with it."""
        model = self.models.chosen
        if model is not None and not self.models.known(model.id):
            self.run_worker(self._ask(model.id), exclusive=True)

    async def _ask(self, model: str) -> None:
        await asyncio.sleep(QUIET_SECONDS)
        try:
            self.tell(model, await self.dashboard.client.model_in(model, self._slot.name))
        except Hal0Error as error:
            self.tell(model, error)

    def tell(self, model: str, detail: ModelDetail | Hal0Error) -> None:
        """Show what a model would take."""
        self.models.tell(model, detail)
        self.store.mark("notice")
        self.dashboard.paint_now()

    def has(self, need: Need) -> bool:
        return self.models.chosen is not None if need == "model" else super().has(need)

    def do_choose(self) -> None:
        model = self.models.chosen
        self.dismiss(model.id if model else None)

    def do_leave(self) -> None:
        self.dismiss(None)

    def do_copy_command(self) -> None:
        model = self.models.chosen
        self.dashboard.copy(command(self._slot.name, model) if model else "", "the hal0 command")
