"""Replaces a configuration file: the old one or the new one, whole, at every moment, and never a mixture.

A new file is written beside the old one, flushed to the disk and put in its place; links are followed, mode and owner
kept. Writers of hal0 wait for one another by a lock on the folder. Whoever else wrote meanwhile wins: the write is
refused. Blocking; call it in a thread.
"""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hal0.errors import Hal0Error

NEW_FILE_MODE = 0o644  # less the umask
READ_ONLY = {errno.EACCES, errno.EPERM, errno.EROFS}


def replace_file(path: Path, raw: bytes, *, expected: bytes | None) -> None:
    """Write `raw` to the file at `path`, which now holds `expected` (None: is not there).

    Raises `config.conflict`, `config.read_only` or `config.write_failed`; then the old file is as it was.
    """
    target = Path(os.path.realpath(path))
    with _translated(path):
        if expected is None:
            target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target.parent) as folder:
            old = _present(path, target, expected)
            temporary = f".{target.name}.hal0-new"
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=folder)  # of a writer that was killed; ours alone, by the lock
            try:
                _write_whole(folder, temporary, raw, target, old)
                _present(path, target, expected)
                os.replace(temporary, target.name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with suppress(OSError):
                    os.unlink(temporary, dir_fd=folder)
                raise
            os.fsync(folder)


def remove_file(path: Path, *, expected: bytes) -> None:
    """Take away the file at `path`, which now holds `expected`; of a link, the link."""
    with _translated(path), _locked(path.parent) as folder:
        _present(path, Path(os.path.realpath(path)), expected)
        os.unlink(path.name, dir_fd=folder)
        os.fsync(folder)


@contextmanager
def _locked(folder: Path) -> Iterator[int]:
    """The folder's descriptor, held by one writer of hal0 at a time."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)


def _present(path: Path, target: Path, expected: bytes | None) -> os.stat_result | None:
    """The file as it is; raises if it is not what the writer looked at, or not for writing."""
    try:
        now = target.read_bytes()
    except FileNotFoundError:
        now = None
    if now != expected:
        raise Hal0Error("config.conflict", reason=f"{path} was written meanwhile", path=str(path))
    if now is None:
        return None
    status = target.stat()
    # Renaming needs no leave of the file itself, but whoever took its write bits away meant it.
    if not status.st_mode & 0o222 or not os.access(target, os.W_OK):
        raise Hal0Error("config.read_only", path=str(path), reason="the file is read-only")
    return status


def _write_whole(folder: int, name: str, raw: bytes, target: Path, old: os.stat_result | None) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, NEW_FILE_MODE if old is None else 0o600, dir_fd=folder)
    try:
        if old is not None:
            _keep_owner_and_mode(descriptor, target, old)
        left = memoryview(raw)
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _keep_owner_and_mode(descriptor: int, target: Path, old: os.stat_result) -> None:
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        try:
            os.fchown(descriptor, old.st_uid, old.st_gid)
        except PermissionError as error:
            reason = "it belongs to another user or group, and would not afterwards"
            raise Hal0Error("config.read_only", path=str(target), reason=reason) from error
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
    with suppress(OSError):  # a file system without attributes has none to lose
        for name in os.listxattr(target):
            os.setxattr(descriptor, name, os.getxattr(target, name))


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        code = "config.read_only" if error.errno in READ_ONLY else "config.write_failed"
        raise Hal0Error(code, path=str(path), reason=reason) from error
