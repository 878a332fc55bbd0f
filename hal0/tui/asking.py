"""An app that does what its keys ask for: of the daemon, of an editor, of the terminal's clipboard.

What the daemon says to it comes back as its events; a refusal is told in a line.
"""

from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from hal0.errors import Hal0Error
from hal0.tui.client import Verb
from hal0.tui.connected import ConnectedApp
from hal0.tui.editing import edit_file, require_here
from hal0.tui.fixes import Fix
from hal0.wire import ModelView


class AskingApp(ConnectedApp, inherit_bindings=False):
    """What asks does not wait: the answer is told when it is there."""

    def ask(self, verb: Verb, slot: str, **more: object) -> None:
        self.store.tell(f"{verb} {slot}: asked", "muted", seconds=2)
        self._do(self.client.ask(verb, slot, **more))

    def roll_back(self, revision: int, tag: str) -> None:
        self.store.tell(f"back to r{revision}: asked", "muted", seconds=2)
        self._do(self.client.roll_back(revision, tag))

    def correct(self, fix: Fix) -> None:
        self.store.tell(f"{Path(fix.file).name} corrected: asked", "muted", seconds=2)
        self._do(self.client.put_text(fix.file, fix.text, tag=fix.tag, why="slips corrected"))

    def delete_slot(self, slot: str) -> None:
        self.store.tell(f"delete {slot}: asked", "muted", seconds=2)
        self._do(self.client.delete_slot(slot))

    def edit_slot(self, slot: str) -> None:
        async def look() -> None:
            place = await self.client.place_of_slot(slot)
            self.edit_file(place.path, place.line)

        self._do(look())

    def edit_file(self, path: str, line: int | None) -> None:
        try:
            require_here(Path(path), self.client.address, self.store.host)
        except Hal0Error as error:
            self._tell(error)
        else:
            self.give_terminal_away(partial(self._edit, Path(path), line))

    def _edit(self, path: Path, line: int | None) -> None:
        """Nothing is read or painted meanwhile; what the daemon had to tell is fetched after."""
        try:
            with self.suspend():
                is_changed = edit_file(path, line)
        except Hal0Error as error:
            self._tell(error)
        else:
            told = "saved; hal0 looks at it by itself" if is_changed else "nothing was changed"
            self.store.tell(f"{path.name}: {told}", "good" if is_changed else "muted")
        finally:
            self.ask_again()
        self.paint_now()

    def fetch_models(self, then: Callable[[list[ModelView] | Hal0Error], None]) -> None:
        async def fetch() -> None:
            try:
                then(await self.client.models())
            except Hal0Error as error:
                then(error)
            self.paint_now()

        self.run_worker(fetch())

    def cancel(self, request: str) -> None:
        self.store.tell(f"cancel {request}: asked", "muted", seconds=2)
        self._do(self.client.cancel(request))

    def fetch_text(self, request: str) -> None:
        async def fetch() -> None:
            with suppress(Hal0Error):  # what is missing then is the text of one finished request
                self.store.fill_in(await self.client.request(request))
                self.clock.wake()

        self.run_worker(fetch())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        async def done() -> None:
            try:
                await work
            except Hal0Error as error:
                self._tell(error)
                self.paint_now()

        self.run_worker(done())

    def _tell(self, error: Hal0Error) -> None:
        self.store.tell(f"{error.code}: {error.message}", "alarm")

    def curl(self, path: str) -> str:
        return self.client.address.curl(path)

    def copy(self, text: str, what: str) -> None:
        """Put text on the terminal's clipboard (OSC 52)."""
        if not text:
            self.store.tell("nothing to copy")
            return
        self.copy_to_clipboard(text)
        size = len(text.encode())
        amount = f"{size} B" if size < 1000 else f"{size / 1000:.1f} kB"
        self.store.tell(f"copied {what}, {amount} (OSC 52)", "good")
