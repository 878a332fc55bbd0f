"""Wait for the daemon's end, then kill every process that carries its mark.

`python -I -S warden.py DAEMON_PID MARK`: one for each daemon whose backends end with it. The kernel's own death signal
reaches a backend alone; this reaches what the backend has started as well, in whatever session or group that is.
The daemon ends it itself when it has ended its backends.
"""

import os
import select
import signal
import sys

LIMIT_SECONDS = 600.0  # for processes that are stuck in the kernel


def main() -> int:
    sys.path.append(os.path.abspath(f"{__file__}/../../.."))  # -I and -S leave the standard library alone
    from hal0.marks import end_all, is_marked

    daemon, mark = int(sys.argv[1]), sys.argv[2]
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # meant for the daemon, whose end is waited for
        signal.signal(number, signal.SIG_IGN)
    _wait_for_end_of(daemon)
    return 1 if end_all(lambda pid: is_marked(pid, mark), patience_seconds=0.0, limit_seconds=LIMIT_SECONDS) else 0


def _wait_for_end_of(parent: int) -> None:
    try:
        descriptor = os.pidfd_open(parent)
    except ProcessLookupError:
        return
    if os.getppid() == parent:  # else it had died before, and its number may be anybody's
        select.select([descriptor], [], [])


if __name__ == "__main__":
    sys.exit(main())
