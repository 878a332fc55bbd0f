"""RAM that a new process may take, without the kernel giving up pages that others use.

Cached files count as free: weights that are mapped by a running backend are known to whoever asks, from their files.
"""

from pathlib import Path

from hal0.hardware.cgroup import find_cgroup
from hal0.hardware.facts import read_meminfo
from hal0.hardware.files import as_number, read_amount, read_lines

FILE_PAGES = ("inactive_file", "active_file", "total_inactive_file", "total_active_file")


def free_memory_bytes(root: Path = Path("/")) -> int | None:
    """What the machine has available, or less if a control group of ours has a limit; None: the kernel does not say."""
    sizes = read_meminfo(root)
    rooms = [sizes.get("MemAvailable", sizes.get("MemFree"))]
    for folder in find_cgroup(root).memory:
        rooms.append(_room(folder, "memory.max", "memory.current"))
        rooms.append(_room(folder, "memory.limit_in_bytes", "memory.usage_in_bytes"))
    return min((room for room in rooms if room is not None), default=None)


def _room(folder: Path, limit_name: str, used_name: str) -> int | None:
    limit, used = read_amount(folder / limit_name), read_amount(folder / used_name)
    if limit is None or used is None:  # not there, or "max"
        return None
    return max(0, limit - max(0, used - _file_pages(folder)))


def _file_pages(folder: Path) -> int:
    found: dict[str, int] = {}
    for line in read_lines(folder / "memory.stat"):
        name, _, value = line.partition(" ")
        if name in FILE_PAGES:
            found[name] = max(0, as_number(value) or 0)
    with_children = [value for name, value in found.items() if name.startswith("total_")]
    return sum(with_children) if with_children else sum(found.values())
