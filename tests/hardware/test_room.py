"""RAM that a new process may take."""

from pathlib import Path

from hal0.hardware.room import free_memory_bytes
from tests.hardware.trees import LAPTOP, plant

GIB = 2**30
GROUP = "sys/fs/cgroup/user.slice"


def test_what_the_machine_has_available(tmp_path: Path) -> None:
    assert free_memory_bytes(plant(tmp_path, LAPTOP)) == 12_000_000 * 1024


def limited(root: Path, *, limit: str) -> Path:
    return plant(
        root,
        {
            **LAPTOP,
            "sys/fs/cgroup/cgroup.controllers": "memory",
            f"{GROUP}/cgroup.controllers": "memory",
            f"{GROUP}/memory.max": f"{limit}\n",
            f"{GROUP}/memory.current": f"{6 * GIB}\n",
            f"{GROUP}/memory.stat": f"anon {GIB}\ninactive_file {2 * GIB}\nactive_file {3 * GIB}\n",
        },
    )


def test_a_limit_counts_less_what_is_used_but_for_cached_files(tmp_path: Path) -> None:
    assert free_memory_bytes(limited(tmp_path, limit=str(8 * GIB))) == 7 * GIB


def test_no_limit_of_the_group_leaves_the_machines(tmp_path: Path) -> None:
    assert free_memory_bytes(limited(tmp_path, limit="max")) == 12_000_000 * 1024


def test_a_group_of_version_1_counts_its_children(tmp_path: Path) -> None:
    folder = "sys/fs/cgroup/memory/docker/x"
    root = plant(
        tmp_path,
        {
            **LAPTOP,
            "proc/self/cgroup": "4:memory:/docker/x\n",
            f"{folder}/memory.limit_in_bytes": str(4 * GIB),
            f"{folder}/memory.usage_in_bytes": str(3 * GIB),
            f"{folder}/memory.stat": f"inactive_file 0\ntotal_inactive_file {GIB}\ntotal_active_file {GIB}\n",
        },
    )
    assert free_memory_bytes(root) == 3 * GIB


def test_a_kernel_that_says_nothing(tmp_path: Path) -> None:
    assert free_memory_bytes(tmp_path) is None
