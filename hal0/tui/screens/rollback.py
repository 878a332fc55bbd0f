"""Before an earlier revision is written again: what that does, and what it changes in the files."""

from typing import ClassVar

from hal0.errors import Hal0Error
from hal0.tui import revisions
from hal0.tui.keymap import Need
from hal0.tui.lines import Line
from hal0.tui.revisions import Difference
from hal0.tui.screens.base import bindings
from hal0.tui.screens.page import Page
from hal0.tui.view import View
from hal0.wire import ConfigView, Revision


class RollbackPage(Page):
    """Asks; nothing is bound to Enter. What is written is based on what was shown, or refused."""

    PLACE = "rollback"
    BINDINGS: ClassVar = bindings("rollback")

    def __init__(self, view: View, revision: Revision, config: ConfigView) -> None:
        super().__init__(view)
        self._revision = revision
        self._config = config
        self._difference: Difference = None

    def on_mount(self) -> None:
        super().on_mount()
        self.run_worker(self._look())

    async def _look(self) -> None:
        client = self.dashboard.client
        try:
            config = await client.config()
            self.tell(config, await client.difference(config.revision, self._revision.revision))
        except Hal0Error as error:
            self.tell(self._config, error)

    def tell(self, config: ConfigView, difference: Difference) -> None:
        """Show what going back changes in what runs now."""
        self._config, self._difference = config, difference
        self.store.mark("config")
        self.dashboard.paint_now()

    def trail(self) -> list[str]:
        return ["home", "configuration", f"back to r{self._revision.revision}"]

    def write(self, width: int) -> list[Line]:
        return revisions.way_back(self._revision, self._config, self._difference, self.store.now, width)

    def has(self, need: Need) -> bool:
        if need == "looked at":
            return self._difference is not None and not isinstance(self._difference, Hal0Error)
        return super().has(need)

    def do_roll_back_now(self) -> None:
        self.dashboard.roll_back(self._revision.revision, self._config.tag)
        self.dismiss()

    def do_leave(self) -> None:
        self.dismiss()

    def do_copy_command(self) -> None:
        self.dashboard.copy(revisions.command(self._revision.revision), "the hal0 command")
