"""The configuration page: what runs, who changed it and why, what the last edit did to each slot, and the history."""

from collections.abc import Set
from typing import ClassVar

from hal0.errors import Hal0Error
from hal0.tui import configuration, revisions
from hal0.tui.keymap import Need
from hal0.tui.lines import EMPTY, Line, line, span
from hal0.tui.revisions import Difference
from hal0.tui.screens.base import bindings
from hal0.tui.screens.page import Page
from hal0.tui.screens.rollback import RollbackPage
from hal0.tui.store import Topic
from hal0.tui.view import View
from hal0.wire import Revision


class ConfigPage(Page):
    """Follows the daemon: it shows a slot's restart as it happens, and the next edit when it comes."""

    PLACE = "config"
    BINDINGS: ClassVar = bindings("config")

    def __init__(self, view: View) -> None:
        super().__init__(view)
        self._history: list[Revision] | Hal0Error | None = None  # None: not known yet
        self._asked: int | None = None  # the revision that ran when the history was asked for
        self._selected: int | None = None
        self._differences: dict[int, Difference] = {}  # of a revision to the one before it
        self._place = range(0)  # of the selected revision in the lines

    def on_mount(self) -> None:
        super().on_mount()
        self._fetch()

    def flush(self, dirty: Set[Topic]) -> None:
        self._fetch()
        super().flush(dirty)

    def trail(self) -> list[str]:
        return ["home", "configuration"]

    def write(self, width: int) -> list[Line]:
        config = self.store.config
        if config is None:
            return [EMPTY, line(span("  not known yet", "muted"))]
        glyphs = self.view.look.glyphs
        lines = configuration.page(config, self.store.slots, width, glyphs)
        lines += [EMPTY, glyphs.plain.rule(width, line(span("history, the newest first")), ())]
        if self._history is None or isinstance(self._history, Hal0Error):
            return [*lines, *revisions.changed(self._history, width, none="")]
        difference = None if self._selected is None else self._differences.get(self._selected)
        told, place = revisions.rows(
            self._history, config.revision, self._selected, difference, self.store.now, width, glyphs
        )
        self._place = range(len(lines) + place.start, len(lines) + place.stop)
        return lines + told

    # The history -----------------------------------------------------------------------------------------------
    def _fetch(self) -> None:
        config = self.store.config
        if config is not None and config.revision != self._asked:
            self._asked = config.revision
            self.run_worker(self._read(), group="history", exclusive=True)

    async def _read(self) -> None:
        try:
            self.show(await self.dashboard.client.history())
        except Hal0Error as error:
            self.show(error)

    def show(self, history: list[Revision] | Hal0Error) -> None:
        self._history = history
        self.store.mark("config")
        self.dashboard.paint_now()

    @property
    def _revisions(self) -> list[Revision]:
        return self._history if isinstance(self._history, list) else []

    def _select(self, by: int) -> None:
        numbers = [each.revision for each in self._revisions]
        at = numbers.index(self._selected) + by if self._selected in numbers else 0
        self._selected = numbers[max(0, min(at, len(numbers) - 1))]
        earlier = revisions.before(self._revisions, self._selected)
        known = self._differences.get(self._selected)
        if earlier is not None and (known is None or isinstance(known, Hal0Error)):
            self.run_worker(self._compare(earlier, self._selected))
        self._reveal()

    async def _compare(self, earlier: int, revision: int) -> None:
        try:
            self.tell(revision, await self.dashboard.client.difference(earlier, revision))
        except Hal0Error as error:
            self.tell(revision, error)

    def tell(self, revision: int, difference: Difference) -> None:
        """Show what a revision changed."""
        self._differences[revision] = difference
        if revision == self._selected:
            self._reveal()
        self.dashboard.paint_now()

    def _reveal(self) -> None:
        self.write(self.reader.size.width)
        self.reader.reveal(self._place)
        self.mark_scrolled()

    def _earlier(self) -> Revision | None:
        """The selected revision, unless it is the one that runs."""
        running = self.store.config.revision if self.store.config else None
        found = (each for each in self._revisions if each.revision == self._selected)
        return next((each for each in found if each.revision != running), None)

    def has(self, need: Need) -> bool:
        match need:
            case "many":
                return bool(self._revisions)
            case "earlier":
                return self._earlier() is not None
            case _:
                return super().has(need)

    def do_older(self) -> None:
        self._select(1)

    def do_newer(self) -> None:
        self._select(-1)

    def do_roll_back(self) -> None:
        revision = self._earlier()
        if revision is not None and self.store.config is not None:
            self.app.push_screen(RollbackPage(self.view, revision, self.store.config))

    # Copying ---------------------------------------------------------------------------------------------------
    def do_copy(self) -> None:
        if self.store.config is not None:
            self.dashboard.copy(self.store.config.path, "the path of the configuration")

    def do_copy_command(self) -> None:
        command = configuration.COMMAND if self._selected is None else "hal0 config history"
        if self._selected is not None and (earlier := revisions.before(self._revisions, self._selected)) is not None:
            command = f"hal0 config diff {earlier} {self._selected}"
        self.dashboard.copy(command, "the hal0 command")
