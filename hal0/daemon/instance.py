"""One daemon per state folder: the folders it needs, and the lock that keeps a second one out.

Commands that write the configuration where no daemon runs have a turn of their own: a daemon that starts meanwhile
waits for its end.
"""

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hal0.daemon.config.keeping import open_private
from hal0.errors import Hal0Error
from hal0.paths import Paths

DAEMON_LOCK = "hal0d.lock"  # held for a daemon's life
TURN_LOCK = "turn.lock"
TURN_SECONDS = 10.0  # longer no command writes
TURN_POLL_SECONDS = 0.02


@contextmanager
def claim(paths: Paths, *, patience_seconds: float = TURN_SECONDS) -> Iterator[None]:
    """Make the folders and hold the lock; raises `system.state_unwritable`, `system.already_running`, `config.locked`.

    The kernel drops the lock with the process, so nothing stale can stay behind.
    """
    for folder in (paths.state, paths.logs, paths.state / "ledger"):
        _make(folder, 0o700)
    _make_runtime(paths.runtime)
    descriptor = _open_lock(paths.state / DAEMON_LOCK)
    try:
        with _turn(paths.state, patience_seconds):
            _hold(descriptor, paths)
        with suppress(OSError):  # the pid is only told to people; a full disk must not keep the daemon from starting
            _note_pid(descriptor)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def vacancy(paths: Paths, *, patience_seconds: float = TURN_SECONDS) -> Iterator[None]:
    """For what may be done only while no daemon runs; a daemon that starts waits for the end of the block.

    Raises `system.already_running`, `config.locked` or `system.state_unwritable`.
    """
    _make(paths.state, 0o700)
    with _turn(paths.state, patience_seconds):
        descriptor = _open_lock(paths.state / DAEMON_LOCK)
        try:
            _hold(descriptor, paths)  # given back at once: no daemon can take it before the end of this turn
        finally:
            os.close(descriptor)
        yield


def holder(paths: Paths, *, patience_seconds: float = TURN_SECONDS) -> int | None:
    """The pid of the daemon that holds the lock, also before it has opened its socket; None if none does.

    0 if one does whose process cannot be seen from here: a number that it noted in another container may be anybody's.
    Raises `config.locked` or `system.state_unwritable`.
    """
    if not (paths.state / DAEMON_LOCK).exists():
        return None
    with _turn(paths.state, patience_seconds):  # else a daemon that starts right now might find the lock taken by us
        descriptor = _open_lock(paths.state / DAEMON_LOCK)
        try:
            if _locks(descriptor):
                return None
            noted = _noted_pid(descriptor)
            if noted.isdigit() and _has_open(int(noted), descriptor):
                return int(noted)
            return None if _locks(descriptor) else 0  # it may have ended meanwhile
        finally:
            os.close(descriptor)


@contextmanager
def _turn(state: Path, patience_seconds: float) -> Iterator[None]:
    """One at a time, daemons that start and commands that write; raises `config.locked` when that takes too long."""
    descriptor = _open_lock(state / TURN_LOCK)
    try:
        began = time.monotonic()
        while not _locks(descriptor):
            if time.monotonic() - began > patience_seconds:
                raise Hal0Error("config.locked", seconds=f"{patience_seconds:g}", pid=_noted_pid(descriptor))
            time.sleep(TURN_POLL_SECONDS)
        with suppress(OSError):
            _note_pid(descriptor)
        yield
    finally:
        os.close(descriptor)


def _hold(descriptor: int, paths: Paths) -> None:
    if not _locks(descriptor):
        raise Hal0Error("system.already_running", pid=_noted_pid(descriptor), where=str(paths.socket))


def _locks(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # a file system without locks
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        raise Hal0Error("system.state_unwritable", path=path, reason=error.strerror) from error
    return True


def _open_lock(path: Path) -> int:
    try:
        return open_private(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        raise Hal0Error("system.state_unwritable", path=str(path), reason=error.strerror) from error


def _note_pid(descriptor: int) -> None:
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)


def _noted_pid(descriptor: int) -> str:
    return os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"


def _has_open(pid: int, descriptor: int) -> bool:
    """Whether a process has this very file open; False if that may not be seen."""
    file = os.fstat(descriptor)
    with suppress(OSError), os.scandir(f"/proc/{pid}/fd") as entries:
        for entry in entries:
            with suppress(OSError):  # closed meanwhile
                if os.path.samestat(entry.stat(), file):
                    return True
    return False


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
