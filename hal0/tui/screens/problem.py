"""The problem page: one thing that is wrong, with its cause, what hal0 did, the log, and the remedy."""

import asyncio
from collections.abc import Set
from typing import ClassVar

from hal0.errors import Hal0Error
from hal0.tui import problems
from hal0.tui.keymap import Need
from hal0.tui.lines import EMPTY, Line, line, span
from hal0.tui.problems import Trouble
from hal0.tui.screens.base import bindings
from hal0.tui.screens.page import Page
from hal0.tui.store import Topic
from hal0.tui.view import View

LOG_LINES = 30


class ProblemPage(Page):
    """Shows one of all problems; `[` and `]` go to its neighbours."""

    PLACE = "problem"
    BINDINGS: ClassVar = bindings("problem")

    def __init__(self, view: View, key: str = "") -> None:
        super().__init__(view)
        self._key = key
        self._logs: dict[str, list[str]] = {}
        self._asked: set[tuple[str, int]] = set()  # a slot's log at one of its runs

    def _all(self) -> list[Trouble]:
        return problems.troubles(self.store)

    def trouble(self) -> Trouble | None:
        """The one shown; when it has been solved, the first that is left."""
        found = self._all()
        return next((trouble for trouble in found if trouble.key == self._key), found[0] if found else None)

    def on_mount(self) -> None:
        super().on_mount()
        self.store.see_errors()
        self._fetch_log()

    def flush(self, dirty: Set[Topic]) -> None:
        if "slots" in dirty:
            self._fetch_log()
        super().flush(dirty)

    def trail(self) -> list[str]:
        trouble = self.trouble()
        if trouble is None:
            return ["home", "problems"]
        found = self._all()
        return ["home", f"problem {found.index(trouble) + 1} of {len(found)}", trouble.subject]

    def write(self, width: int) -> list[Line]:
        trouble = self.trouble()
        if trouble is None:
            return [EMPTY, line("  ", span("nothing is wrong any more", "good"))]
        return problems.page(trouble, width, self.view.look.glyphs, self._logs.get(trouble.slot))

    def has(self, need: Need) -> bool:
        match need:
            case "many":
                return len(self._all()) > 1
            case "slot problem":
                trouble = self.trouble()
                slot = self.store.slots.get(trouble.slot) if trouble else None
                return slot is not None and slot.state == "error"
            case "editable":
                trouble = self.trouble()
                return trouble is not None and bool(trouble.file or trouble.slot in self.store.slots)
            case "fixable":
                trouble = self.trouble()
                return trouble is not None and self.store.can_fix(trouble.file)
            case "slot":
                return self.trouble() is not None
            case _:
                return super().has(need)

    def _turn(self, by: int) -> None:
        found = self._all()
        current = self.trouble()
        if current is not None:
            self._key = found[(found.index(current) + by) % len(found)].key
            self.reader.to_top()
            self.store.see_errors()
            self._fetch_log()

    def _fetch_log(self) -> None:
        trouble = self.trouble()
        slot = self.store.slots.get(trouble.slot) if trouble else None
        if slot is not None and (slot.name, slot.run) not in self._asked:
            self._asked.add((slot.name, slot.run))
            self.run_worker(self._read_log(slot.name))

    async def _read_log(self, slot: str) -> None:
        try:
            async with asyncio.timeout(5):
                self._logs[slot] = await self.dashboard.client.log_lines(slot, LOG_LINES)
        except (Hal0Error, TimeoutError):
            return  # the lines that came with the problem are shown instead
        self.store.mark("errors")
        self.dashboard.paint_now()

    def do_next_problem(self) -> None:
        self._turn(1)

    def do_previous_problem(self) -> None:
        self._turn(-1)

    def do_retry_slot(self) -> None:
        trouble = self.trouble()
        if trouble is not None:
            self.dashboard.ask("restart", trouble.slot)

    def do_edit(self) -> None:
        """The file at the mistake; for a slot in error the slot's table."""
        trouble = self.trouble()
        if trouble is not None and trouble.file:
            self.dashboard.edit_file(trouble.file, trouble.excerpt.line if trouble.excerpt else None)
        elif trouble is not None:
            self.dashboard.edit_slot(trouble.slot)

    def do_fix(self) -> None:
        trouble = self.trouble()
        if trouble is not None:
            self.dashboard.open_fix(trouble.file)

    def do_copy(self) -> None:
        trouble = self.trouble()
        if trouble is not None:
            parts = (f"{trouble.code}: {trouble.message}", trouble.cause, trouble.remedy)
            self.dashboard.copy("\n".join(part for part in parts if part), "the problem")

    def do_copy_command(self) -> None:
        trouble = self.trouble()
        if trouble is not None:
            self.dashboard.copy(trouble.command, "the hal0 command")
