"""The standard streams a program begins with: always there, and no text of another alphabet is a failure."""

import os
import sys


def provide_streams() -> None:
    """Replace streams that the caller closed (`>&-`) by ones that lead nowhere; Python has None for those."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: SIM115  # for as long as the program runs
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdin, sys.stdout, sys.stderr):
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]


def discard_output() -> None:
    """What stdout still holds goes nowhere: it cannot be written, and trying again at the exit would say so."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
