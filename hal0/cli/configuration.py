"""The configuration as a command changes it: by the daemon, or by the same code within the command where none runs.

Answers are JSON, as the admin API gives it.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from hal0.cli.connection import part
from hal0.cli.keeper import Keeper
from hal0.person import person
from hal0.wire import ConfigView

if TYPE_CHECKING:
    from hal0.cli.vacant import Vacant


class Configuration(Keeper):
    """Reads and changes it."""

    def view(self) -> bytes:
        return self.either(lambda: self.daemon.ask("GET", "/api/config"), lambda vacant: vacant.view())

    def texts(self) -> bytes:
        """The files on disk, with their tag."""
        return self.either(lambda: self.daemon.ask("GET", "/api/config/text"), lambda vacant: vacant.texts())

    def put_text(self, text: str, *, file: str, tag: str, why: str, force: bool) -> bytes:
        """Write the whole text of one file, based on the tag that was looked at."""

        def by_daemon() -> bytes:
            value = {"text": text, "file": file, "by": person(), "why": why, "force": force}
            return self.daemon.send("PUT", "/api/config", value, headers={"If-Match": f'"{tag}"'})

        def by_hand(vacant: "Vacant") -> BaseModel:
            from hal0.daemon.config.proposals import with_text

            proposal = with_text(Path(file), text)
            return vacant.write(proposal, by=person(), why=why, based_on=tag, is_whole=True, force=force)

        return self.either(by_daemon, by_hand)

    def roll_back(self, revision: int, *, why: str) -> bytes:
        def by_daemon() -> bytes:
            tag = self.daemon.get("/api/config", ConfigView).tag
            value = {"revision": revision, "by": person(), "why": why}
            return self.daemon.send("POST", "/api/config/rollback", value, headers={"If-Match": f'"{tag}"'})

        return self.either(by_daemon, lambda vacant: vacant.roll_back(revision, by=person(), why=why))

    def history(self) -> bytes:
        return self.either(
            lambda: self.daemon.ask("GET", "/api/config/history"),
            lambda vacant: {"revisions": [each.model_dump() for each in vacant.revisions()], "running": 0},
        )

    def difference(self, first: int | None, second: int | None) -> bytes:
        """From a revision, the newest if none is named, to another or to the files on disk."""
        wanted = {"from": first, "to": second}
        query = "&".join(f"{name}={value}" for name, value in wanted.items() if value is not None)
        return self.either(
            lambda: self.daemon.ask("GET", f"/api/config/diff?{query}"),
            lambda vacant: {"lines": vacant.lines_between(first, second)},
        )

    def create_slot(self, name: str, keys: Mapping[str, Any]) -> bytes:
        def by_hand(vacant: "Vacant") -> BaseModel:
            from hal0.daemon.config.proposals import with_slot

            return vacant.write(with_slot(name, keys, is_new=True), by=person(), why=f"slot {name} created")

        return self.either(lambda: self._send("PUT", name, keys, {"If-None-Match": "*"}), by_hand)

    def edit_slot(self, name: str, keys: Mapping[str, Any]) -> bytes:
        """Change these keys; one that is None is taken out."""

        def by_hand(vacant: "Vacant") -> BaseModel:
            from hal0.daemon.config.proposals import with_slot_keys

            return vacant.write(with_slot_keys(name, keys), by=person(), why=f"slot {name} edited")

        return self.either(lambda: self._send("PATCH", name, keys), by_hand)

    def delete_slot(self, name: str) -> bytes:
        def by_hand(vacant: "Vacant") -> BaseModel:
            from hal0.daemon.config.proposals import without_slot

            return vacant.write(without_slot(name), by=person(), why=f"slot {name} deleted")

        return self.either(lambda: self._send("DELETE", name, {}), by_hand)

    def check_slot(self, name: str) -> None:
        """Raises what would keep the slot from starting: its model or its engine is not here."""
        self.either(
            lambda: self.daemon.ask("GET", f"/api/slots/{part(name)}/command"), lambda vacant: vacant.check_slot(name)
        )

    def _send(self, method: str, name: str, keys: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> bytes:
        named = {**(headers or {}), "X-Hal0-By": person()}
        return self.daemon.send(method, f"/api/slots/{part(name)}", keys, headers=named)
