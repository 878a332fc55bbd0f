"""One daemon per state folder: the folders it needs, and the lock that keeps a second one out."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hal0.errors import Hal0Error
from hal0.paths import Paths


@contextmanager
def claim(paths: Paths) -> Iterator[None]:
    """Make the folders and hold the lock; raises `system.state_unwritable` or `system.already_running`.

    The kernel drops the lock with the process, so nothing stale can stay behind.
    """
    for folder in (paths.state, paths.logs, paths.state / "ledger"):
        _make(folder, 0o700)
    _make_runtime(paths.runtime)
    lock = paths.state / "hal0d.lock"
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Hal0Error("system.state_unwritable", path=str(lock), reason=error.strerror) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.read(descriptor, 20).decode("ascii", "replace").strip() or "unknown"
            raise Hal0Error("system.already_running", pid=pid, where=str(paths.socket)) from None
        except OSError as error:  # a file system without locks
            raise Hal0Error("system.state_unwritable", path=str(lock), reason=error.strerror) from error
        with suppress(OSError):  # the pid is only told to people; a full disk must not keep the daemon from starting
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _make_runtime(folder: Path) -> None:
    """The folder of the socket. In a directory where everybody may write, only one that nobody else can have made."""
    if _is_shared(folder.parent):
        _make(folder, 0o700)
        _check_private(folder)
        return
    is_new = not folder.exists()
    _make(folder, 0o755)
    if is_new:
        with suppress(OSError):
            folder.chmod(0o755)  # the umask is private; who may ask is for the socket's own mode to say


def _is_shared(folder: Path) -> bool:
    try:
        return bool(folder.stat().st_mode & stat.S_IWOTH)
    except OSError:  # not there yet: whoever makes it decides its mode
        return False


def _check_private(folder: Path) -> None:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode):
        reason = "it is not a folder of its own but a link"
    elif found.st_uid != os.geteuid():
        reason = f"it belongs to user {found.st_uid}"
    elif found.st_mode & 0o077:
        reason = f"its mode is {stat.S_IMODE(found.st_mode):o} and must be 700"
    else:
        return
    raise Hal0Error("system.state_unwritable", path=str(folder), reason=reason)


def _make(folder: Path, mode: int) -> None:
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        raise Hal0Error("system.state_unwritable", path=str(folder), reason=error.strerror) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Hal0Error("system.state_unwritable", path=str(folder), reason="permission denied")
