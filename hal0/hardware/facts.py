"""What does not change while a program runs: processors, their instructions, memory, and the limits set on us.

Read once from /proc and /sys below a root, which is a parameter so that tests can hand in another machine.
"""

import math
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from hal0.hardware.cgroup import find_cgroup
from hal0.hardware.files import as_number, parse_fields, read_lines, read_text
from hal0.hardware.gpus import find_cards

if TYPE_CHECKING:
    from hal0.hardware.card import Card

MOST_CPUS = 2**16  # more than any kernel knows


@dataclass(frozen=True, slots=True)
class Facts:
    """The machine, as far as starting a backend depends on it."""

    physical_cores: int  # that this process may use
    cpu_flags: frozenset[str] = field(default_factory=frozenset)
    memory_bytes: int = 0  # RAM, or the limit of our cgroup if that is smaller; 0: unknown
    logical_cpus: int = 1
    cpu_model: str = ""
    gpus: "tuple[Card, ...]" = ()

    @property
    def gpu_count(self) -> int:
        return len(self.gpus)


def read_facts(root: Path = Path("/")) -> Facts:
    """Look at the machine. A file that is missing or strange costs its fact, not the start of the daemon."""
    cpuinfo = _cpuinfo(root)
    first = cpuinfo[0] if cpuinfo else {}
    allowed = allowed_cpus(root) or set(range(max(1, len(cpuinfo))))
    cgroup = find_cgroup(root)
    cores = _physical_cores(root, allowed, cpuinfo)
    if quota := cgroup.cpu_quota():
        cores = max(1, min(cores, math.ceil(quota)))
    total = read_meminfo(root).get("MemTotal", 0)
    limit = cgroup.memory_limit_bytes()
    return Facts(
        physical_cores=cores,
        cpu_flags=frozenset((first.get("flags") or first.get("Features") or "").split()),
        memory_bytes=min(total, limit) if limit is not None else total,
        logical_cpus=len(allowed),
        cpu_model=first.get("model name") or first.get("Model") or "CPU",
        gpus=find_cards(root),
    )


def read_meminfo(root: Path) -> dict[str, int]:
    """/proc/meminfo in bytes."""
    sizes: dict[str, int] = {}
    for line in read_lines(root / "proc/meminfo"):
        name, _, rest = line.partition(":")
        words = rest.split()
        if words and (size := as_number(words[0])) is not None and size >= 0:
            sizes[name] = size * (1024 if words[1:] == ["kB"] else 1)
    return sizes


def allowed_cpus(root: Path) -> set[int]:
    """The logical processors this process may run on (taskset, cpuset); empty if the kernel does not say."""
    for line in read_lines(root / "proc/self/status"):
        if line.startswith("Cpus_allowed_list:"):
            return parse_cpu_list(line.partition(":")[2])
    return set()


def parse_cpu_list(text: str) -> set[int]:
    """ "0-3,8" as numbers; what is not a number is left out."""
    cpus: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        with suppress(ValueError):
            cpus.update(range(int(first), min(int(last or first), MOST_CPUS) + 1))
    return cpus


def _cpuinfo(root: Path) -> list[dict[str, str]]:
    """One record per logical processor."""
    records: list[dict[str, str]] = []
    for block in (read_text(root / "proc/cpuinfo") or "").split("\n\n"):
        record = parse_fields(block, ":")
        if "processor" in record:
            records.append(record)
    return records


def _physical_cores(root: Path, allowed: set[int], cpuinfo: list[dict[str, str]]) -> int:
    """Hyper-threads of one core count once: a second one adds nothing to matrix products."""
    by_number = {record["processor"]: record for record in cpuinfo}
    cores = set()
    for cpu in allowed:
        topology = root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
        record = by_number.get(str(cpu), {})
        siblings = read_text(topology)
        cores.add(siblings or f"{record.get('physical id', 0)}/{record.get('core id', f'cpu{cpu}')}")
    return max(1, len(cores))
