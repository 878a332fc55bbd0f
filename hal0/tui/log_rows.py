"""The rows of a log, and which of them is how far back. Pure."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from hal0.tui.text import wrap_joined
from hal0.wire import RUN_BEGINS

BAD = ("error", "fatal", "failed", " e ")
WARN = ("warn", " w ")


class Row(NamedTuple):
    """A line, or what of it has room."""

    text: str
    role: str
    joint: str  # what stands between it and the row before
    at: float  # when the line came; 0: not known


def rows_of(text: str, at: float, width: int) -> Iterator[Row]:
    role = role_of(text)
    return (Row(piece, role, joint, at) for joint, piece in wrap_joined(text, max(1, width)))


def role_of(text: str) -> str:
    """How loud a line is, by the words that programs use."""
    if text.startswith("--- "):  # hal0's own, where a run begins
        return "info"
    folded = f" {text.casefold()} "
    if any(word in folded for word in BAD):
        return "bad"
    return "warn" if any(word in folded for word in WARN) else "text"


def row_at_step(rows: Sequence[Row], top: int, seconds: float) -> int | None:
    """The first row of the time that is so many seconds on from the row at the top, or back if it is negative.

    Always another row than the top one, so that a step goes over a time in which nothing came; the end is behind the
    last row. None: there is no time further back. Rows without a time are older than those with one.
    """
    now = rows[top].at if top < len(rows) else 0.0
    if seconds > 0:
        until = now + seconds if now else 0.0
        below = range(top + 1, len(rows))
        return next((row for row in below if rows[row].at and rows[row].at >= until), len(rows))
    before = next((row for row in range(top - 1, -1, -1) if rows[row].joint == "\n"), None)
    if before is None or not rows[before].at:
        return None
    since = min(now + seconds, rows[before].at)
    return next(row for row in range(before + 1) if rows[row].at and rows[row].at >= since)


def row_of_run(rows: Sequence[Row], top: int, by: int) -> int | None:
    """Where the nearest run begins above the top row, or below it; None: no run does."""
    places = range(top - 1, -1, -1) if by < 0 else range(top + 1, len(rows))
    return next((row for row in places if RUN_BEGINS.match(rows[row].text)), None)
