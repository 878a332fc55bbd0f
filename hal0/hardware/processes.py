"""Memory and processor time of what each slot's backend is made of: its process group, and what carries its mark.

A child that has left the group (`setsid`) still has the mark that the leader's environment holds.
The proportional size is not asked for: the kernel then walks the pages of every mapped weight (4 ms for 300 MB). What
is private comes from /proc/PID/status, which costs hardly more than statm (20 against 13 microseconds) and alone tells
mapped files, whose pages the kernel can take back, from shared memory, which it cannot.
"""

import heapq
import os
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from hal0.hardware.card import process_name
from hal0.hardware.rates import Window
from hal0.marks import entry_of

MOST_STRANGERS = 6  # of RAM, the largest
RESCAN_SECONDS = 5.0  # looking through all of /proc for children costs more than reading those we know
SIZES = (b"VmRSS:", b"RssAnon:", b"RssShmem:")  # lines of /proc/PID/status, in KiB


@dataclass(frozen=True, slots=True)
class Usage:
    """What the processes of one slot take."""

    memory_bytes: int  # resident, with mapped files
    cpu_percent: float | None  # of one core; None at the first look
    private_bytes: int | None = None  # RAM without mapped files, with shared memory; None: the kernel does not say
    gpu_bytes: Mapping[str, int] = field(default_factory=dict)  # by device id; without those that do not tell it


class ProcessMeter:
    """Remembers who belongs to each group, and the clock ticks each process had at the last look.

    `mark`: the name of the environment's entry that a backend and all that it starts have in common.
    """

    def __init__(self, mark: str = "", *, root: Path = Path("/"), clock: Callable[[], float] = time.monotonic) -> None:
        self._mark = mark
        self._proc = str(root / "proc")
        self._clock = clock
        self._page_bytes = os.sysconf("SC_PAGE_SIZE")
        self._tick_seconds = 1 / os.sysconf("SC_CLK_TCK")
        self._members: dict[int, list[int]] = {}  # by group
        self._outside: dict[int, tuple[int, int]] = {}  # processes in other groups: start time, and whose they are
        self._marks: dict[str, int] = {}  # the group whose leader carries it
        self._scanned_at = float("-inf")
        self._large: list[int] = []  # processes of others that have most in RAM, as of the last scan
        self._ticks: dict[tuple[int, int], int] = {}  # by pid and start time, as numbers are used again
        self._groups: dict[int, int] = {}  # by process, as of the last look
        self._percents: dict[int, float | None] = {}  # by group
        self._window = Window(clock)

    def sample(self, groups: Mapping[str, int], *, strangers: bool = False) -> dict[str, Usage]:
        """What each slot's process group takes now; a slot whose processes are all gone is left out.

        `strangers`: also look for the largest processes of others where there is no slot.
        """
        now = self._clock()
        self._read_marks(groups.values())
        if (groups or strangers) and now - self._scanned_at >= RESCAN_SECONDS:
            self._scan(set(groups.values()), now)
        passed = self._window.turn()
        ticks: dict[tuple[int, int], int] = {}
        percents = self._percents if passed is None else {}
        usages: dict[str, Usage] = {}
        self._groups = {}
        for slot, group in groups.items():
            memory, spent, found, known = 0, 0, False, False
            private: int | None = 0
            for pid in self._members.get(group) or [group]:
                seen = self._stat(str(pid))
                if seen is None or (seen.group != group and self._outside.get(pid) != (seen.started, group)):
                    continue  # it ended, or its number went to another one
                found = True
                self._groups[pid] = group
                ticks[pid, seen.started] = seen.ticks
                memory += seen.pages * self._page_bytes
                own = self._private(pid)
                private = None if own is None or private is None else private + own
                if (before := self._ticks.get((pid, seen.started))) is not None:
                    known = True
                    spent += seen.ticks - before
            if found:
                if passed is not None:
                    percents[group] = 100 * spent * self._tick_seconds / passed if known else None
                usages[slot] = Usage(memory, percents.get(group), private)
        if passed is not None:
            self._ticks, self._percents = ticks, percents
        return usages

    def strangers(self) -> list[tuple[int, int]]:
        """The processes of others that take most of RAM, with what is not mapped from files, the largest first."""
        sizes = [(self._private(pid) or 0, pid) for pid in self._large]
        return [(pid, size) for size, pid in sorted(sizes, reverse=True) if size]

    def name_of(self, pid: int) -> str:
        return process_name(Path(self._proc), pid)

    def group_of(self, pid: int) -> int | None:
        """The process group that any process counts for, that of a slot as of the last look; None if it is gone."""
        if (group := self._groups.get(pid)) is not None:
            return group
        stat = self._stat(str(pid))
        return self._owner(pid, stat.group) if stat is not None else None

    def _owner(self, pid: int, group: int) -> int:
        """The group itself, or that of the backend which has started the process."""
        if group in self._members or not self._marks:
            return group
        entry = entry_of(pid, self._mark, proc=self._proc)
        return group if entry is None else self._marks.get(entry, group)

    def _read_marks(self, groups: Iterable[int]) -> None:
        """Of backends that are new; one that has only just begun shows its mark at a later look."""
        if not self._mark:
            return
        known = {group: entry for entry, group in self._marks.items()}
        entries = {group: known.get(group) or entry_of(group, self._mark, proc=self._proc) for group in groups}
        self._marks = {entry: group for group, entry in entries.items() if entry is not None}

    def _scan(self, groups: set[int], now: float) -> None:
        self._scanned_at = now
        self._members, self._outside = {group: [group] for group in groups}, {}
        others: list[tuple[int, int]] = []
        with suppress(OSError):
            for name in os.listdir(self._proc):
                if not name.isdigit() or (pid := int(name)) in groups:
                    continue
                stat = self._stat(name)
                if stat is None:
                    continue
                if (owner := self._owner(pid, stat.group)) not in groups:
                    others.append((stat.pages, pid))
                    continue
                self._members[owner].append(pid)
                if owner != stat.group:
                    self._outside[pid] = stat.started, owner
        self._large = [pid for _, pid in heapq.nlargest(MOST_STRANGERS, others)]

    def _private(self, pid: int) -> int | None:
        """Anonymous and shared memory (tmpfs, memfd) in bytes. What two processes share counts for both."""
        try:
            with open(f"{self._proc}/{pid}/status", "rb") as file:
                lines = file.read().split(b"\n")
        except OSError:
            return 0  # it ended meanwhile
        sizes = {words[0]: words[1] for line in lines if line.startswith(SIZES) and len(words := line.split()) > 1}
        if b"VmRSS:" not in sizes:
            return 0  # it ended, and waits for its parent
        try:
            return (int(sizes[b"RssAnon:"]) + int(sizes[b"RssShmem:"])) * 1024
        except (KeyError, ValueError):
            return None

    def _stat(self, pid: str) -> "_Stat | None":
        """See proc_pid_stat(5). The name, which comes before, may itself hold blanks and brackets."""
        try:
            with open(f"{self._proc}/{pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
            return _Stat(int(fields[2]), int(fields[11]) + int(fields[12]), int(fields[19]), int(fields[21]))
        except (OSError, ValueError, IndexError):  # it ended
            return None


class _Stat(NamedTuple):
    """What /proc/PID/stat says of a process."""

    group: int
    ticks: int  # of the clock, used in user mode and in the kernel
    started: int  # in ticks since boot
    pages: int  # resident
