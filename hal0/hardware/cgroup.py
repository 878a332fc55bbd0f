"""The limits and the memory use of the control group this process runs in: containers, services with MemoryMax.

Version 2 and version 1. A limit may be set on any group above ours, so the smallest on the way up counts.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hal0.hardware.files import as_number, read_amount, read_lines, read_text

UNLIMITED_BYTES = 2**60  # version 1 writes a number near 2**63 for "no limit"


@dataclass(frozen=True, slots=True)
class Cgroup:
    """Our group's folders, innermost first; empty where that controller is not mounted."""

    memory: tuple[Path, ...] = ()
    cpu: tuple[Path, ...] = ()

    def memory_limit_bytes(self) -> int | None:
        """The smallest limit that applies to us; None: no limit."""
        return min((limit for limit, _ in self._memory_limits()), default=None)

    def memory_used_bytes(self) -> int | None:
        """What counts against the smallest limit, less the file cache the kernel would give back at once."""
        limits = sorted(self._memory_limits(), key=lambda pair: pair[0])
        if not limits:
            return None
        folder = limits[0][1]
        used = read_amount(folder / "memory.current")
        if used is None:
            used = read_amount(folder / "memory.usage_in_bytes")
        return None if used is None else max(0, used - _inactive_file(folder))

    def cpu_quota(self) -> float | None:
        """How many processors' worth of time we get; None: no limit."""
        quotas = (_cpu_quota(folder) for folder in self.cpu)
        return min((quota for quota in quotas if quota is not None), default=None)

    def _memory_limits(self) -> Iterator[tuple[int, Path]]:
        for folder in self.memory:
            for name in ("memory.max", "memory.limit_in_bytes"):
                limit = read_amount(folder / name)
                if limit is not None and limit < UNLIMITED_BYTES:
                    yield limit, folder


def find_cgroup(root: Path = Path("/")) -> Cgroup:
    """Where our groups are; without any when /proc does not say or nothing is mounted."""
    mounted = root / "sys/fs/cgroup"
    memory: tuple[Path, ...] = ()
    cpu: tuple[Path, ...] = ()
    for line in read_lines(root / "proc/self/cgroup"):
        _, _, rest = line.partition(":")
        controllers, is_whole, path = rest.partition(":")
        if not is_whole:
            continue
        names = controllers.split(",")
        if controllers == "" and os.path.exists(mounted / "cgroup.controllers"):
            memory = cpu = _upwards(mounted, path, "cgroup.controllers")
            break
        if "memory" in names:
            memory = _upwards(mounted / "memory", path, "memory.limit_in_bytes")
        if "cpu" in names:
            cpu = _upwards(mounted / "cpu", path, "cpu.cfs_quota_us")
    return Cgroup(memory=memory, cpu=cpu)


def _upwards(mount: Path, path: str, sign: str) -> tuple[Path, ...]:
    """The group and those above it. In a container the path may be the host's: then only the mount itself is there."""
    folders = []
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    for depth in range(len(parts), -1, -1):
        folder = mount.joinpath(*parts[:depth])
        if os.path.exists(folder / sign):
            folders.append(folder)
    return tuple(folders)


def _inactive_file(folder: Path) -> int:
    for line in read_lines(folder / "memory.stat"):
        name, _, value = line.partition(" ")
        if name in ("inactive_file", "total_inactive_file"):
            return max(0, as_number(value) or 0)
    return 0


def _cpu_quota(folder: Path) -> float | None:
    if words := (read_text(folder / "cpu.max") or "").split():
        quota, period = as_number(words[0]), as_number(words[-1])  # "max 100000": no limit
        return quota / period if quota and period and quota > 0 else None
    quota_us, period_us = read_amount(folder / "cpu.cfs_quota_us"), read_amount(folder / "cpu.cfs_period_us")
    return quota_us / period_us if quota_us and period_us and quota_us > 0 else None
