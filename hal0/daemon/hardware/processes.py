"""Memory and processor time of each slot's process group.

Resident size is taken, not the proportional one: for the latter the kernel walks the pages of every mapped weight.
"""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

RESCAN_SECONDS = 5.0  # looking through all of /proc for children costs more than reading those we know


@dataclass(frozen=True, slots=True)
class Usage:
    """What the processes of one slot take."""

    memory_bytes: int
    cpu_percent: float | None  # of one core; None at the first look


class ProcessMeter:
    """Remembers who belongs to each group, and the clock ticks each process had at the last look."""

    def __init__(self, *, root: Path = Path("/"), clock: Callable[[], float] = time.monotonic) -> None:
        self._proc = str(root / "proc")
        self._clock = clock
        self._page_bytes = os.sysconf("SC_PAGE_SIZE")
        self._tick_seconds = 1 / os.sysconf("SC_CLK_TCK")
        self._members: dict[int, list[int]] = {}  # by group
        self._scanned_at = float("-inf")
        self._ticks: dict[tuple[int, int], int] = {}  # by pid and start time, as numbers are used again
        self._looked_at = clock()

    def sample(self, groups: Mapping[str, int]) -> dict[str, Usage]:
        """What each slot's process group takes now; a slot whose processes are all gone is left out."""
        now = self._clock()
        if groups and now - self._scanned_at >= RESCAN_SECONDS:
            self._scan(set(groups.values()), now)
        passed = now - self._looked_at
        ticks: dict[tuple[int, int], int] = {}
        usages: dict[str, Usage] = {}
        for slot, group in groups.items():
            memory, spent, found, known = 0, 0, False, False
            for pid in self._members.get(group) or [group]:
                if (seen := self._read(pid, group)) is None:
                    continue
                found = True
                started, used, pages = seen
                ticks[pid, started] = used
                memory += pages * self._page_bytes
                if (before := self._ticks.get((pid, started))) is not None:
                    known = True
                    spent += used - before
            if found:
                percent = 100 * spent * self._tick_seconds / passed if known and passed > 0 else None
                usages[slot] = Usage(memory, percent)
        self._ticks, self._looked_at = ticks, now
        return usages

    def group_of(self, pid: int) -> int | None:
        """The process group of any process; None if it is gone."""
        fields = self._stat(str(pid))
        return int(fields[2]) if fields is not None else None

    def _scan(self, groups: set[int], now: float) -> None:
        self._scanned_at = now
        self._members = {group: [group] for group in groups}
        with suppress(OSError):
            for name in os.listdir(self._proc):
                if name.isdigit() and int(name) not in groups and (fields := self._stat(name)) is not None:
                    group = int(fields[2])
                    if group in groups:
                        self._members[group].append(int(name))

    def _read(self, pid: int, group: int) -> tuple[int, int, int] | None:
        """Start time, clock ticks used and resident pages of a process that is (still) in the group."""
        fields = self._stat(str(pid))
        if fields is None or int(fields[2]) != group:
            return None
        return int(fields[19]), int(fields[11]) + int(fields[12]), int(fields[21])

    def _stat(self, pid: str) -> list[str] | None:
        """The fields after the name, which may itself hold blanks and brackets; see proc_pid_stat(5)."""
        try:
            with open(f"{self._proc}/{pid}/stat", "rb") as file:
                return file.read().rpartition(b")")[2].decode("ascii", "replace").split()
        except OSError:
            return None
