"""The files of a configuration: hal0.toml and hal0.d/*.toml, read as bytes with every limit and refusal.

Nothing is understood here; what cannot be read becomes a problem with its place.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from hal0.errors import Hal0Error
from hal0.regular import open_regular
from hal0.wire import Problem

MAX_BYTES = 2**20  # a file larger than this is not a configuration
MAX_DROP_INS = 200
MAX_ALL_BYTES = 4 * 2**20  # of all files together


@dataclass(frozen=True, slots=True)
class Source:
    """One file as it was on disk."""

    path: Path
    raw: bytes


@dataclass(frozen=True, slots=True)
class Sources:
    """All files of a configuration at one moment, in the order in which they are merged."""

    files: tuple[Source, ...]
    problems: tuple[Problem, ...]
    main_exists: bool

    @property
    def hash(self) -> str:
        """Tells whether anything on disk differs, what could not be read included."""
        digest = hashlib.sha256()
        for source in self.files:
            digest.update(b"%s\0%d\0" % (os.fsencode(source.path), len(source.raw)))
            digest.update(source.raw)
        for problem in self.problems:
            digest.update(f"{problem.file}\0{problem.code}\0{problem.message}\0".encode(errors="backslashreplace"))
        return digest.hexdigest()

    @property
    def exist(self) -> bool:
        return bool(self.files or self.problems)


def drop_in_folder(path: Path) -> Path:
    return path.parent / "hal0.d"


def named_file(main: Path, name: str | Path | None) -> Path:
    """The file of the configuration that is meant: hal0.toml itself, or the drop-in of this name.

    As all paths, a relative one is meant from the folder of hal0.toml. Raises `dispatch.invalid_request`.
    """
    path = main if name is None else main.parent / name
    if path != main and (path.parent != drop_in_folder(main) or path.suffix != ".toml" or path.name.startswith(".")):
        reason = f"{path} is no file of the configuration, which are {main} and {drop_in_folder(main)}/NAME.toml"
        raise Hal0Error("dispatch.invalid_request", param="file", field="file", reason=reason)
    return path


def read_sources(path: Path) -> Sources:
    """Read the file at `path` and the drop-ins beside it; what is absent is left out."""
    files: list[Source] = []
    problems: list[Problem] = []
    main_exists = False
    left = MAX_ALL_BYTES
    for each in [path, *_drop_ins(path, problems)]:
        try:
            raw = _read(each)
        except FileNotFoundError:
            if not each.is_symlink():
                continue
            problems.append(_unreadable(each, f"it is a link to {os.readlink(each)}, which does not exist"))
        except (OSError, ValueError) as error:
            problems.append(_unreadable(each, _reason(error)))
        else:
            left -= len(raw)
            if left < 0:
                reason = f"the files of the configuration together are larger than {MAX_ALL_BYTES // 2**20} MiB"
                problems.append(_unreadable(each, reason))
                break
            files.append(Source(each, raw))
        main_exists = main_exists or each == path
    return Sources(tuple(files), tuple(problems), main_exists)


def _drop_ins(path: Path, problems: list[Problem]) -> list[Path]:
    folder = drop_in_folder(path)
    try:
        names = sorted(n for n in os.listdir(folder) if n.endswith(".toml") and not n.startswith("."))
    except FileNotFoundError:
        return []
    except OSError as error:
        problems.append(_unreadable(folder, _reason(error)))
        return []
    if len(names) > MAX_DROP_INS:
        problems.append(_unreadable(folder, f"it has {len(names)} files; at most {MAX_DROP_INS} are read"))
    return [folder / name for name in names[:MAX_DROP_INS]]


def _read(path: Path) -> bytes:
    with open_regular(path, buffering=0) as file:
        chunks, size = [], 0
        while chunk := file.read(MAX_BYTES + 1 - size):
            chunks.append(chunk)
            size += len(chunk)
            if size > MAX_BYTES:
                raise ValueError(f"it is larger than {MAX_BYTES // 2**20} MiB")
    return b"".join(chunks)


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _unreadable(path: Path, reason: str) -> Problem:
    return Problem(
        code="config.unreadable",
        message=f"could not be read: {reason}",
        file=str(path),
        hint="correct the path, the permissions or the file",
    )
