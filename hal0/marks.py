"""Processes that carry a mark: found by their environment, and signalled without ever hitting a stranger.

A mark is an entry `NAME=value` of the environment that a program was started with; who carries `NAME=value:more`
carries it too. Children inherit it, in whatever session or group they are. The number of a process may be given to
somebody else at any moment, so a signal goes through a pidfd, and the mark is read again once that is open: what it
holds then is the process that was read.

Blocking, and made of the smallest parts of the standard library: the warden is a process that runs little else.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator

FIRST_PAUSE_SECONDS = 0.01
LONGEST_PAUSE_SECONDS = 0.25
EMPTY_LOOKS = 2  # in a row: for a moment in the middle of `exec` a process shows no environment

Belongs = Callable[[int], bool]


def marked(mark: str) -> Iterator[int]:
    """The living processes of this user that carry the mark, without the caller."""
    return matching(lambda pid: is_marked(pid, mark))


def matching(belongs: Belongs) -> Iterator[int]:
    """The living processes for which this holds, without the caller."""
    own = os.getpid()
    for name in os.listdir("/proc"):
        if name.isdigit() and (pid := int(name)) != own and belongs(pid):
            yield pid


def is_marked(pid: int, mark: str) -> bool:
    return mark_of(pid, mark) is not None


def mark_of(pid: int, mark: str) -> str | None:
    """The whole entry, with what follows the mark; None if the process has none, is another user's, or has ended."""
    wanted = os.fsencode(mark)
    found = (entry for entry in _entries(pid, "/proc") if entry == wanted or entry.startswith(wanted + b":"))
    return next(map(os.fsdecode, found), None)


def entry_of(pid: int, name: str, *, proc: str = "/proc") -> str | None:
    """The whole entry of this name, whatever its value; None as above."""
    wanted = os.fsencode(name) + b"="
    found = (entry for entry in _entries(pid, proc) if entry.startswith(wanted))
    return next(map(os.fsdecode, found), None)


def _entries(pid: int, proc: str) -> list[bytes]:
    try:
        if os.stat(f"{proc}/{pid}").st_uid != os.geteuid():
            return []
        with open(f"{proc}/{pid}/environ", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return []


def signal_all(belongs: Belongs, number: int) -> list[int]:
    """Send a signal to every process for which this holds; returns those that were there."""
    return [pid for pid in matching(belongs) if _signal(pid, belongs, number)]


def end_all(belongs: Belongs, *, patience_seconds: float, limit_seconds: float) -> list[int]:
    """SIGTERM, and SIGKILL after so much patience (0: at once), again and again until nobody is left.

    Returns those that are still there `limit_seconds` after that. What they start meanwhile is found too.
    """
    kill_at = time.monotonic() + patience_seconds
    pause = FIRST_PAUSE_SECONDS
    asked: set[int] = set()
    empty = 0
    while True:
        now = time.monotonic()
        if now >= kill_at:
            left = signal_all(belongs, signal.SIGKILL)
        else:  # each is asked once
            left = list(matching(belongs))
            asked.update(signal_all(lambda pid: pid not in asked and belongs(pid), signal.SIGTERM))
        empty = 0 if left else empty + 1
        if empty == EMPTY_LOOKS or (left and now >= kill_at + limit_seconds):
            return left
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _signal(pid: int, belongs: Belongs, number: int) -> bool:
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if not belongs(pid):
            return False
        signal.pidfd_send_signal(descriptor, number)
        return True
    except ProcessLookupError:
        return False
    except PermissionError:  # it is there, and another user's by now
        return True
    finally:
        os.close(descriptor)
