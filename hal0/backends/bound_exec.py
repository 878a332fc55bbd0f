"""Become another program that the kernel kills as soon as the parent dies.

`python -I -S bound_exec.py PARENT_PID PROGRAM ARG...`: asks for PR_SET_PDEATHSIG, which outlives `exec`, then executes
the program. With `-` for the parent it is bound to nobody and outlives the daemon. This is a program of its own because
code that runs between fork and exec in a process with threads can deadlock.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h
UNBOUND = "-"
EXIT_NOT_EXECUTABLE = 126
EXIT_NOT_FOUND = 127


def main() -> int:
    parent, program, *_ = sys.argv[1:]
    if parent != UNBOUND:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(parent):  # it died before we asked
            return 1
    try:
        os.execvp(program, sys.argv[2:])
    except FileNotFoundError:
        sys.stderr.write(f"{program}: no such program\n")
        return EXIT_NOT_FOUND
    except OSError as error:
        sys.stderr.write(f"{program}: {error.strerror}\n")
        return EXIT_NOT_EXECUTABLE


if __name__ == "__main__":
    sys.exit(main())
