"""What a write of several files is about to do, on disk before the first of them is touched.

A file can be replaced in one step, several cannot. Killed in between, hal0 finds here which files were to become what,
and `finish` in `writes.py` ends what was begun. Blocking; call it in a thread.
"""

import base64
import binascii
import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hal0.daemon.config.keeping import keep, sync_folder

NAME = "unfinished.toml"

log = logging.getLogger("hal0.config")


@dataclass(frozen=True, slots=True)
class Change:
    """What one file holds, and what it is to hold; None: it is not there."""

    path: Path
    old: bytes | None
    new: bytes | None

    @property
    def backwards(self) -> "Change":
        return Change(self.path, self.new, self.old)


class Journal:
    """The one write of several files that may be under way."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME

    def begin(self, changes: Iterable[Change]) -> None:
        """Note what is about to be done; raises `OSError` if that cannot be, and then nothing may be done."""
        import tomli_w

        keep(self.path, tomli_w.dumps({"changes": [_table(change) for change in changes]}))
        sync_folder(self.path.parent)

    def pending(self) -> list[Change]:
        """What was begun and not ended; raises `OSError` if that cannot be told."""
        try:
            text = self.path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return []
        import tomllib

        try:
            return [_change(table) for table in tomllib.loads(text)["changes"]]
        except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
            log.error("%s is damaged and left out of account: %s", self.path, error)
            return []

    def end(self) -> None:
        """Forget it: all of it is done, or nothing."""
        self.path.unlink(missing_ok=True)
        sync_folder(self.path.parent)


def _table(change: Change) -> dict[str, str]:
    sides = {"old": change.old, "new": change.new}
    # Base64, for the old text may be anything.
    texts = {name: base64.b64encode(raw).decode() for name, raw in sides.items() if raw is not None}
    return {"path": os.fspath(change.path), **texts}


def _change(table: Mapping[str, Any]) -> Change:
    old, new = (base64.b64decode(table[side], validate=True) if side in table else None for side in ("old", "new"))
    return Change(Path(table["path"]), old, new)
