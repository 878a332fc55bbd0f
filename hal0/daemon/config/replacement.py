"""One file's way to its new content: written beside the old one, flushed to the disk, put in its place by a rename.

Links are followed, mode, owner and attributes kept. Writers of hal0 wait for one another by a lock on the folder.
Whoever else wrote meanwhile wins: the write is refused. Blocking; call it in a thread.
"""

import errno
import fcntl
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from hal0.daemon.config.journal import Change
from hal0.errors import Hal0Error

NEW_FILE_MODE = 0o644  # less the umask
READ_ONLY = {errno.EACCES, errno.EPERM, errno.EROFS}


class Replacement:
    """What is done to one file, step by step, while its folder is `locked`. Raises what `translated` does."""

    def __init__(self, change: Change) -> None:
        self.change = change
        self.is_taken = False
        # Of a link, what it leads to is written; removed is the link.
        self.target = change.path if change.new is None else Path(os.path.realpath(change.path))
        self.folder = -1  # the folder's descriptor
        self._temporary = f".{self.target.name}.hal0-new"

    def prepare(self) -> None:
        """Have the new file lie beside the old one, on the disk."""
        with translated(self.change.path):
            old = self.look()
            if self.change.new is None:
                return
            self.clear()  # of a writer that was killed; ours alone, by the lock
            self._write_whole(self.change.new, old)

    def look(self) -> os.stat_result | None:
        """The file as it is; raises if it is not what the writer looked at, or not for writing."""
        path, target = self.change.path, Path(os.path.realpath(self.change.path))
        with translated(path):
            if content(path) != self.change.old:
                raise Hal0Error("config.conflict", reason=f"{path} was written meanwhile", path=str(path))
            if self.change.old is None:
                return None
            status = target.stat()
        # Renaming needs no leave of the file itself, but whoever took its write bits away meant it.
        if not status.st_mode & 0o222 or not os.access(target, os.W_OK):
            raise Hal0Error("config.read_only", path=str(path), reason="the file is read-only")
        return status

    def take(self) -> None:
        """Put the new file in the place of the old one, or take the old one away."""
        with translated(self.change.path):
            if self.change.new is None:
                os.unlink(self.target.name, dir_fd=self.folder)
            else:
                os.replace(self._temporary, self.target.name, src_dir_fd=self.folder, dst_dir_fd=self.folder)
            self.is_taken = True
            os.fsync(self.folder)

    def clear(self) -> None:
        """Leave nothing beside the file."""
        with suppress(FileNotFoundError):
            os.unlink(self._temporary, dir_fd=self.folder)

    def _write_whole(self, raw: bytes, old: os.stat_result | None) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        mode = NEW_FILE_MODE if old is None else 0o600
        descriptor = os.open(self._temporary, flags, mode, dir_fd=self.folder)
        try:
            if old is not None:
                _keep_owner_and_mode(descriptor, self.target, old)
            left = memoryview(raw)
            while left:
                left = left[os.write(descriptor, left) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def locked(replacements: Sequence[Replacement]) -> Iterator[None]:
    """Hold the folders of the files, one writer of hal0 at a time; folders for new files are made."""
    with ExitStack() as held:
        descriptors: dict[Path, int] = {}
        for each in sorted(replacements, key=lambda each: each.target.parent):  # in one order, or two would block
            folder = each.target.parent
            if folder not in descriptors:
                with translated(each.change.path):
                    if each.change.old is None:
                        folder.mkdir(parents=True, exist_ok=True)
                    descriptors[folder] = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                    held.callback(os.close, descriptors[folder])
                    fcntl.flock(descriptors[folder], fcntl.LOCK_EX)
            each.folder = descriptors[folder]
        yield


def content(path: Path) -> bytes | None:
    """What the file holds; None if it is not there."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Make what the system refuses `config.read_only` or `config.write_failed`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        code = "config.read_only" if error.errno in READ_ONLY else "config.write_failed"
        raise Hal0Error(code, path=str(path), reason=reason) from error


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
