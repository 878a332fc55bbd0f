"""What is on disk of a backend that outlives the daemon: enough to know it again and to go on with it.

One file per slot, `state/slots/NAME.json`, its owner's only, replaced as a whole. It is there while the backend may be
taken back: written when it was started and when it was proven, gone before it is asked to end.
"""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from hal0.daemon.http.endpoint import Endpoint
from hal0.daemon.providers.base import Launch, ModelFile
from hal0.daemon.slots.process import group_of, start_of
from hal0.marks import is_marked

log = logging.getLogger("hal0.slots")


class Record(BaseModel):
    """One run of a slot's backend."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    slot: str
    boot: str  # the kernel's id of this boot: all numbers below are of it
    pid: int
    started: int  # clock ticks from the boot to its start, as in /proc/PID/stat
    mark: str = Field(repr=False)  # what it carries in its environment
    output: int  # inode of the pipe it prints to
    port: int
    key: str = Field(repr=False)
    launch: Launch
    model: ModelFile  # as it was found then: the file may be away by now, which a running backend does not notice
    run: int
    by: str
    spawned_at: float  # seconds on the monotonic clock, which goes on for as long as the machine is up
    load_ms: float | None = None  # None: it was not ready yet

    @property
    def endpoint(self) -> Endpoint:
        return self.launch.endpoint(self.port, self.key)

    def is_alive(self) -> bool:
        """Whether this very process runs, and nobody who was given its number; it leads its group and has its mark."""
        return (
            self.boot == boot_id()
            and group_of(self.pid) == self.pid
            and start_of(self.pid) == self.started
            and is_marked(self.pid, self.mark)
        )


@dataclass(frozen=True, slots=True)
class Records:
    """The records of one state folder."""

    folder: Path

    def write(self, record: Record) -> bool:
        """Whether it is on disk now; a full disk costs the backend its second life, not its first."""
        file = self._file(record.slot)
        temporary = file.with_suffix(".new")
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with open(descriptor, "w", encoding="utf-8") as opened:
                opened.write(record.model_dump_json(indent=1))
            temporary.replace(file)
        except OSError as error:
            log.warning("%s ends with this daemon, as %s cannot be written: %s", record.slot, file, error)
            self.drop(record.slot)
            return False
        return True

    def drop(self, slot: str) -> None:
        for file in (self._file(slot), self._file(slot).with_suffix(".new")):
            try:
                file.unlink(missing_ok=True)
            except OSError as error:
                log.warning("cannot remove %s: %s", file, error)

    def all(self) -> list[Record]:
        """Every record that can be read; what cannot is told, and removed with what else lies there."""
        found = []
        for file in sorted(self.folder.glob("*")) if self.folder.is_dir() else ():
            try:
                record = Record.model_validate_json(file.read_bytes())
                if file != self._file(record.slot):
                    raise ValueError(f"it is the record of {record.slot}")
            except (OSError, ValueError) as error:  # pydantic's ValidationError is a ValueError
                reason = "it is damaged" if isinstance(error, ValidationError) else str(error)
                log.warning("no backend is taken back by %s: %s", file, reason)
                _remove(file)
            else:
                found.append(record)
        return found

    def _file(self, slot: str) -> Path:
        return self.folder / f"{slot}.json"


def _remove(file: Path) -> None:
    try:
        file.unlink()
    except OSError as error:
        log.warning("cannot remove %s: %s", file, error)


def boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
