"""The configuration page: what runs, who changed it and why, and what the last edit did to each slot."""

from typing import ClassVar

from hal0.tui import configuration
from hal0.tui.lines import EMPTY, Line, line, span
from hal0.tui.screens.base import bindings
from hal0.tui.screens.page import Page


class ConfigPage(Page):
    """Follows the daemon: it shows a slot's restart as it happens, and the next edit when it comes."""

    PLACE = "config"
    BINDINGS: ClassVar = bindings("config")

    def trail(self) -> list[str]:
        return ["home", "configuration"]

    def write(self, width: int) -> list[Line]:
        config = self.store.config
        if config is None:
            return [EMPTY, line(span("  not known yet", "muted"))]
        return configuration.page(config, self.store.slots, width, self.view.look.glyphs)

    def do_copy(self) -> None:
        if self.store.config is not None:
            self.dashboard.copy(self.store.config.path, "the path of the configuration")

    def do_copy_command(self) -> None:
        self.dashboard.copy(configuration.COMMAND, "the hal0 command")
