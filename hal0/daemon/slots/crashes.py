"""What was known when a backend failed, kept as one file per failure, so that it can be looked into later.

Bounded: the oldest are deleted. Nothing of what clients sent is in a bundle, only the ids of their requests.
"""

import logging
import re
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from hal0.daemon.slots.writer import Work, at_once
from hal0.errors import Hal0Error
from hal0.wire import CrashBundle

KEPT_BUNDLES = 50
ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{4}")  # sorts by time

log = logging.getLogger("hal0.slots")


class Crashes:
    """The bundles in one folder. `write` has them written down; until they are, they are known from memory."""

    def __init__(self, folder: Path, *, write: Callable[[Work], bool] = at_once) -> None:
        self._folder = folder
        self._write = write
        self._unwritten: dict[str, CrashBundle] = {}

    def new_id(self, *, stamp: str) -> str:
        """`stamp` is the local time as YYYYMMDD-HHMMSS."""
        return f"{stamp}-{secrets.token_hex(2)}"

    def keep(self, bundle: CrashBundle) -> None:
        self._unwritten[bundle.id] = bundle
        if not self._write(partial(self._keep, bundle)):
            del self._unwritten[bundle.id]

    def all(self) -> list[CrashBundle]:
        """Every bundle, the newest first. Blocking, for a thread."""
        unwritten = dict(self._unwritten)
        names = {path.stem for path in self._folder.glob("*.json")} | unwritten.keys()
        found = (unwritten.get(name) or self._read(name) for name in names)
        kept = [bundle for bundle in found if bundle is not None]
        return sorted(kept, key=lambda bundle: bundle.at, reverse=True)

    def get(self, id: str) -> CrashBundle:
        """One bundle; raises `slot.no_such_crash`. Blocking, for a thread."""
        bundle = self._unwritten.get(id) or (self._read(id) if ID.fullmatch(id) else None)
        if bundle is None:
            raise Hal0Error("slot.no_such_crash", id=id)
        return bundle

    def _keep(self, bundle: CrashBundle) -> None:
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            temporary = self._folder / f"{bundle.id}.new"
            temporary.write_text(bundle.model_dump_json(indent=1), encoding="utf-8")
            temporary.replace(self._folder / f"{bundle.id}.json")
            for old in sorted(self._folder.glob("*.json"))[:-KEPT_BUNDLES]:
                old.unlink(missing_ok=True)
        except OSError as error:  # a full disk costs the bundle; the failure itself is told all the same
            log.warning("cannot keep the crash bundle %s: %s", bundle.id, error)
        finally:
            self._unwritten.pop(bundle.id, None)

    def _read(self, id: str) -> CrashBundle | None:
        try:
            return CrashBundle.model_validate_json((self._folder / f"{id}.json").read_bytes())
        except (OSError, ValidationError):
            return None
