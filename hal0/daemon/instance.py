"""One daemon per state folder: the folders it needs, and the lock that keeps a second one out."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hal0.errors import Hal0Error
from hal0.paths import Paths


@contextmanager
def claim(paths: Paths) -> Iterator[None]:
    """Make the folders and hold the lock; raises `system.state_unwritable` or `system.already_running`.

    The kernel drops the lock with the process, so nothing stale can stay behind.
    """
    private = (paths.state, paths.logs, paths.state / "ledger")
    for folder, mode in (*((folder, 0o700) for folder in private), (paths.runtime, 0o755)):
        _make(folder, mode)
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
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _make(folder: Path, mode: int) -> None:
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        raise Hal0Error("system.state_unwritable", path=str(folder), reason=error.strerror) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise Hal0Error("system.state_unwritable", path=str(folder), reason="permission denied")
