"""What happened to a slot and what caused it: the last entries, on disk, so that they outlive the daemon.

One file of JSON lines per slot. A file that cannot be written costs the memory of a restart and nothing else; a damaged
line costs that line.
"""

import logging
from collections import deque
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path

from pydantic import ValidationError

from hal0.daemon.slots.writer import Work, at_once
from hal0.wire import LedgerEntry

KEPT_ENTRIES = 200
KEPT_SECONDS = 30 * 86_400.0  # of a slot that is gone
SUFFIX = ".jsonl"

log = logging.getLogger("hal0.slots")


def forget_gone(folder: Path, *, slots: Collection[str], now: float) -> None:
    """Delete the ledgers of slots that are not configured any more, a month after their last entry.

    Until then one that comes back under its name finds its history. `now` in Unix seconds.
    """
    for file in folder.glob(f"*{SUFFIX}"):
        try:
            if file.name.removesuffix(SUFFIX) not in slots and now - file.stat().st_mtime > KEPT_SECONDS:
                file.unlink()
                log.info("the ledger %s is deleted: its slot has been gone for a month", file.name)
        except OSError as error:  # it stays, and costs a few kilobytes
            log.warning("cannot delete %s: %s", file, error)


class Ledger:
    """The history of one slot, oldest first. `write` has it written down."""

    def __init__(self, file: Path, *, write: Callable[[Work], object] = at_once) -> None:
        self._file = file
        self._write = write
        self._entries: deque[LedgerEntry] = deque(maxlen=KEPT_ENTRIES)
        self._lines_on_disk = 0
        self._failed = False
        self._read()

    def entries(self) -> list[LedgerEntry]:
        return list(self._entries)

    def record(self, entry: LedgerEntry) -> None:
        self._entries.append(entry)
        self._write(partial(self._keep, tuple(self._entries)))

    def _keep(self, entries: Sequence[LedgerEntry]) -> None:
        """Write down the last of them, or all, if the file has become too long."""
        try:
            if self._lines_on_disk >= 2 * KEPT_ENTRIES:
                self._rewrite(entries)
            else:
                with self._file.open("a", encoding="utf-8") as file:
                    file.write(_line(entries[-1]))
                self._lines_on_disk += 1
            self._failed = False
        except OSError as error:
            if not self._failed:
                log.warning("cannot write %s: %s", self._file, error)
            self._failed = True

    def _read(self) -> None:
        try:
            lines = self._file.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return
        except OSError as error:
            log.warning("cannot read %s: %s", self._file, error)
            return
        self._lines_on_disk = len(lines)
        for line in lines[-KEPT_ENTRIES:]:
            try:
                self._entries.append(LedgerEntry.model_validate_json(line))
            except ValidationError:  # cut short by a crash or a full disk
                continue

    def _rewrite(self, entries: Sequence[LedgerEntry]) -> None:
        """Drop what is no longer kept; the old file stays whole until the new one is."""
        temporary = self._file.with_suffix(".new")
        temporary.write_text("".join(map(_line, entries)), encoding="utf-8")
        temporary.replace(self._file)
        self._lines_on_disk = len(entries)


def _line(entry: LedgerEntry) -> str:
    return entry.model_dump_json(exclude_defaults=True) + "\n"
