"""The limits and the memory use of the control group this process runs in: containers, services with MemoryMax.

Version 2 and version 1. A limit may be set on any group above ours, so the smallest on the way up counts.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

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
        used = _number(folder / "memory.current")
        if used is None:
            used = _number(folder / "memory.usage_in_bytes")
        return None if used is None else max(0, used - _inactive_file(folder))

    def cpu_quota(self) -> float | None:
        """How many processors' worth of time we get; None: no limit."""
        quotas = (_cpu_quota(folder) for folder in self.cpu)
        return min((quota for quota in quotas if quota is not None), default=None)

    def _memory_limits(self) -> Iterator[tuple[int, Path]]:
        for folder in self.memory:
            for name in ("memory.max", "memory.limit_in_bytes"):
                limit = _number(folder / name)
                if limit is not None and limit < UNLIMITED_BYTES:
                    yield limit, folder


def find_cgroup(root: Path = Path("/")) -> Cgroup:
    """Where our groups are; without any when /proc does not say or nothing is mounted."""
    mounted = root / "sys/fs/cgroup"
    memory: tuple[Path, ...] = ()
    cpu: tuple[Path, ...] = ()
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            names = controllers.split(",")
            if controllers == "" and (mounted / "cgroup.controllers").exists():
                memory = cpu = _upwards(mounted, path, lambda folder: (folder / "cgroup.controllers").exists())
                break
            if "memory" in names:
                memory = _upwards(mounted / "memory", path, lambda f: (f / "memory.limit_in_bytes").exists())
            if "cpu" in names:
                cpu = _upwards(mounted / "cpu", path, lambda f: (f / "cpu.cfs_quota_us").exists())
    return Cgroup(memory=memory, cpu=cpu)


def _upwards(mount: Path, path: str, is_group: Callable[[Path], bool]) -> tuple[Path, ...]:
    """The group and those above it. In a container the path may be the host's: then only the mount itself is there."""
    folders = []
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    for depth in range(len(parts), -1, -1):
        folder = mount.joinpath(*parts[:depth])
        if is_group(folder):
            folders.append(folder)
    return tuple(folders)


def _number(file: Path) -> int | None:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # not there, or "max"
        return None


def _inactive_file(folder: Path) -> int:
    with suppress(OSError, ValueError):
        for line in (folder / "memory.stat").read_text().splitlines():
            name, _, value = line.partition(" ")
            if name in ("inactive_file", "total_inactive_file"):
                return int(value)
    return 0


def _cpu_quota(folder: Path) -> float | None:
    with suppress(OSError, ValueError):
        quota, period = (folder / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    quota_us, period_us = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
    return quota_us / period_us if quota_us and period_us and quota_us > 0 else None
