"""How far pulls are: a table of all, and for one a bar with figures and a line on what it waits for.

The bar is for a terminal; elsewhere it is silent.
"""

import os
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from hal0.cli.output import Cell, clean, is_terminal, say, table
from hal0.tui import figures
from hal0.wire import PullView

SHORTEST_BAR = 10  # columns
WORDS = {"queued": "waits for its turn", "waiting": "waits", "verifying": "verifying", "fetching": ""}


class PullProgress:
    """Use as `with`; what it showed is gone afterwards."""

    def __init__(self) -> None:
        self._is_live = is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb"
        self._live: Any = None
        self._console: Any = None

    def __enter__(self) -> Self:
        if self._is_live:
            from rich.console import Console
            from rich.live import Live

            self._console = Console(stderr=True, highlight=False)
            self._live = Live(console=self._console, transient=True, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def show(self, view: PullView) -> None:
        if self._live is not None:
            self._live.update(self._picture(view), refresh=True)

    def tell(self, text: str) -> None:
        """A last line for the person who breaks off."""
        if self._is_live:
            sys.stderr.write(f"{clean(text, sys.stderr)}\n")

    def _picture(self, view: PullView) -> Any:
        from rich.console import Group
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        text = line_of(view)
        width = self._console.width - sum(len(part) + 2 for part in text) - 1
        grid = Table.grid(padding=(0, 2, 0, 0))
        for _ in range(4):
            grid.add_column(no_wrap=True)
        bar = ProgressBar(
            total=view.total_bytes or None,
            completed=view.done_bytes,
            width=max(SHORTEST_BAR, min(40, width)),
            pulse=view.total_bytes is None and view.state == "fetching",
        )
        grid.add_row(Text(clean(text[0], sys.stderr), "bold"), bar, *(Text(part) for part in text[1:]))
        note = view.note or WORDS.get(view.state, "")
        return Group(grid, Text(clean(note, sys.stderr), "yellow", no_wrap=True, overflow="ellipsis")) if note else grid


def line_of(view: PullView) -> tuple[str, str, str]:
    """Name; done and all; speed and how long it may still take."""
    name = view.name if len(view.name) <= 28 else f"{view.name[:27]}…"
    total = view.total_bytes
    amount = f"{figures.size(view.done_bytes)}/{figures.size(total) if total is not None else '?'}"
    share = f"{view.done_bytes / total:4.0%} " if total else ""
    speed = view.bytes_per_second
    if view.state != "fetching" or not speed:
        return name, share + amount, ""
    left = f"  {figures.span((total - view.done_bytes) / speed)}" if total else ""
    return name, share + amount, f"{figures.size(int(speed))}/s{left}"


def print_pulls(pulls: Sequence[PullView]) -> None:
    table(("MODEL", "STATE", "DONE", "OF", "NOTE"), map(_row, pulls), right=frozenset({"DONE", "OF"}))
    if any(pull.state in ("failed", "cancelled") for pull in pulls):
        say(Cell("`hal0 model pull NAME` goes on with one that stopped, `hal0 model rm NAME` forgets it", "dim"))


def _row(pull: PullView) -> tuple[Cell | str, ...]:
    colour = {"failed": "red", "cancelled": "dim"}.get(pull.state, "yellow")
    share = f" {pull.done_bytes / pull.total_bytes:.0%}" if pull.total_bytes else ""
    note = f"{pull.error.code}: {pull.error.message}" if pull.error else pull.note
    total = figures.size(pull.total_bytes) if pull.total_bytes is not None else "unknown"
    return Cell(pull.name, "bold"), Cell(pull.state + share, colour), figures.size(pull.done_bytes), total, note
