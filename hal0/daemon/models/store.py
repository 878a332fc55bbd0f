"""The folder of pulled models: what is whole lies there under its name, what is not in `NAME.part`, each with a record.

NAME.gguf      a model of one GGUF file         NAME.json        where it came from
NAME/          a model of several files         NAME.part/       what has come so far
                                                NAME.part.json   how far it is
"""

import errno
import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from hal0.daemon.config.schema import Models
from hal0.daemon.models.record import Record
from hal0.errors import Hal0Error

PART = ".part"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def folder_of(models: Models, state: Path) -> Path:
    """Where pulled models are kept: as configured, else in the state directory."""
    return Path(models.store) if models.store else state / "models"


class Store:
    """One such folder. Every method blocks for a moment; none of them hurts files that are not hal0's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._writing = threading.Lock()  # a pull that was stopped may still be writing while its end is written down

    def part(self, name: str) -> Path:
        """Where the files of a pull lie until it is whole."""
        return self.folder / f"{name}{PART}"

    def place(self, record: Record) -> Path:
        """Where the model will lie: one GGUF file as itself, everything else as a folder."""
        files = record.files
        if len(files) == 1 and files[0].path.lower().endswith(".gguf"):
            return self.folder / f"{record.name}.gguf"
        return self.folder / record.name

    def records(self) -> list[Record]:
        """Of the models that are whole."""
        return [record for path, record in self._all() if not path.stem.endswith(PART)]

    def unfinished(self) -> list[Record]:
        """Of the pulls that are not."""
        return [record for path, record in self._all() if path.stem.endswith(PART)]

    def record(self, name: str) -> Record | None:
        return _read(self.folder / f"{name}.json")

    def prepare(self, name: str) -> None:
        """Make the folders; raises `model.store_unwritable`."""
        with self.translated(name):
            self.part(name).mkdir(parents=True, exist_ok=True)

    def save(self, record: Record) -> None:
        """Write down how far a pull is, in one step."""
        with self.translated(record.name):
            self._write(self.folder / f"{record.name}{PART}.json", record)

    def land(self, record: Record) -> Path:
        """Give what is whole its place and its record; raises `model.already_exists` if something is there."""
        part, place = self.part(record.name), self.place(record)
        with self.translated(record.name):
            if os.path.lexists(place):
                raise Hal0Error("model.already_exists", model=record.name, reason=str(place))
            source = part / record.files[0].path if place.suffix == ".gguf" and len(record.files) == 1 else part
            os.rename(source, place)
            # Were the record written first, a file could be missing that it promises.
            self._write(self.folder / f"{record.name}.json", record)
            self.forget(record.name)
            _sync(self.folder)
        return place

    def forget(self, name: str) -> int:
        """Delete what has come of a pull; how many bytes that were."""
        freed = _size(self.part(name))
        shutil.rmtree(self.part(name), ignore_errors=True)
        (self.folder / f"{name}{PART}.json").unlink(missing_ok=True)
        return freed

    def remove(self, record: Record) -> int:
        """Delete a whole model; how many bytes that were. Raises `model.store_unwritable`."""
        place = self.place(record)
        with self.translated(record.name):
            freed = _size(place)
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place)
            else:
                place.unlink(missing_ok=True)
            (self.folder / f"{record.name}.json").unlink(missing_ok=True)
        return freed

    def free_bytes(self) -> int:
        """Room on its disk, for whoever the daemon is."""
        with self.translated("it"):
            return shutil.disk_usage(self.folder).free

    @contextmanager
    def translated(self, model: str) -> Iterator[None]:
        """Make what the disk raises a failure with a code."""
        try:
            yield
        except OSError as error:
            raise self.failure(error, model) from error

    def failure(self, error: OSError, model: str) -> Hal0Error:
        reason = error.strerror or str(error)
        if error.errno in FULL:
            return Hal0Error("model.no_space", model=model, path=str(self.folder), reason=reason)
        return Hal0Error("model.store_unwritable", path=str(error.filename or self.folder), reason=reason)

    def _write(self, path: Path, record: Record) -> None:
        temporary = path.with_name(f".{path.name}.new")
        with self._writing:
            try:
                # An address in it may hold a secret that its owner was given to fetch the file.
                with open(temporary, "w", encoding="utf-8", opener=_private) as file:
                    file.write(record.model_dump_json(indent=1))
                    file.flush()
                    os.fdatasync(file.fileno())
                os.replace(temporary, path)
            except OSError:
                temporary.unlink(missing_ok=True)
                raise

    def _all(self) -> Iterator[tuple[Path, Record]]:
        try:
            paths = sorted(self.folder.glob("*.json"))
        except OSError:
            return
        for path in paths:
            record = _read(path)
            if record is not None and path.stem in (record.name, record.name + PART):
                yield path, record


def _read(path: Path) -> Record | None:
    """A record that is damaged, or somebody else's JSON, counts as none."""
    try:
        return Record.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError, RecursionError):
        return None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _size(path: Path) -> int:
    if not path.is_dir():
        return path.stat().st_size if path.is_file() else 0
    return sum(each.stat().st_size for each in path.rglob("*") if each.is_file() and not each.is_symlink())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
