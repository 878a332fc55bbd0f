"""What a screen may ask of the app it is shown by."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from hal0.errors import Hal0Error
from hal0.tui.client import Client, Verb
from hal0.tui.fixes import Fix
from hal0.tui.hosts import HostEntry
from hal0.tui.keymap import Key, Place, ViewName
from hal0.tui.widgets.pane import Pane
from hal0.wire import ModelView


class Host(Protocol):
    """The dashboard, as its screens see it."""

    host: HostEntry  # where it is connected to, or tries to be

    @property
    def client(self) -> Client: ...

    def open_view(self, name: ViewName) -> None:
        """Show one of the whole screens instead of the one that is there."""
        ...

    def open_problems(self, key: str = "") -> None:
        """Show a problem by its key, or the first one."""
        ...

    def open_request(self, id: str) -> None:
        """Show the streams view with this request."""
        ...

    def open_palette(self, keys: Sequence[Key], press: Callable[[str], None]) -> None:
        """Offer these keys by their words, with what works anywhere; `press` is told which was chosen."""
        ...

    def open_jump(self, panes: Sequence[Pane]) -> None:
        """Show a letter wherever one can go in these."""
        ...

    def open_hosts(self) -> None:
        """Offer the hosts to go to."""
        ...

    def hosts(self) -> list[HostEntry]:
        """Where one may go."""
        ...

    def forget_host(self, entry: HostEntry) -> None: ...
    def go_to(self, entry: HostEntry, refused: Callable[[Hal0Error], None], *, even_if_silent: bool = False) -> None:
        """Show another daemon once it has answered; else tell why not, and stay."""
        ...

    def open_daemon_log(self) -> None:
        """Show what hal0d itself has logged."""
        ...

    def last_recording(self) -> Path | None:
        """The file of the last one, if it is still there."""
        ...

    def play_last_recording(self) -> None: ...
    def change_rate(self, by: int) -> None:
        """To the next higher or lower number of frames a second."""
        ...

    def change_mouse(self) -> None:
        """Leave the mouse to the terminal, or take it back."""
        ...

    def stay(self) -> None:
        """No longer try to go elsewhere."""
        ...

    def open_help(self, about: Place) -> None: ...

    def ask(self, verb: Verb, slot: str, **more: object) -> None:
        """Send a slot's verb to the daemon; the outcome comes as events, a refusal as a message."""
        ...

    def roll_back(self, revision: int, tag: str) -> None:
        """Have an earlier revision of the configuration written again, over the files of this tag."""
        ...

    def correct(self, fix: Fix) -> None:
        """Have a corrected file of the configuration written."""
        ...

    def open_fix(self, file: str) -> None:
        """Ask whether the certain slips of a refused file are to be corrected."""
        ...

    def delete_slot(self, slot: str) -> None:
        """Have a slot taken out of the configuration."""
        ...

    def edit_slot(self, slot: str) -> None:
        """Open hal0.toml, or the drop-in, in an editor at the slot's table."""
        ...

    def edit_file(self, path: str, line: int | None) -> None:
        """Open a file of the configuration in an editor."""
        ...

    def fetch_models(self, then: Callable[[list[ModelView] | Hal0Error], None]) -> None:
        """Ask for the models; `then` is called with them, or with why there are none to be had."""
        ...

    def cancel(self, request: str) -> None: ...
    def fetch_text(self, request: str) -> None: ...
    def retry_now(self) -> None: ...
    def curl(self, path: str) -> str: ...
    def copy(self, text: str, what: str) -> None: ...
    def move_clock(self) -> None: ...
    def paint_now(self) -> None: ...
    def leave(self) -> None: ...
    def wake(self) -> None:
        """Something changed that is shown: paint with the next frame."""
        ...
