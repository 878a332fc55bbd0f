import os
from pathlib import Path

import pytest

from hal0.hardware.facts import Facts, parse_cpu_list, read_facts
from tests.hardware.trees import LAPTOP, cpuinfo, plant

GIB = 2**30


def test_a_laptop_with_two_threads_a_core(tmp_path: Path) -> None:
    assert read_facts(plant(tmp_path, LAPTOP)) == Facts(
        physical_cores=4,
        cpu_flags=frozenset({"fpu", "sse2", "avx2"}),
        memory_bytes=16_000_000 * 1024,
        logical_cpus=8,
        cpu_model="A Laptop",
    )


def test_the_topology_of_sysfs_is_preferred(tmp_path: Path) -> None:
    siblings = {
        f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list": f"{cpu % 2},{cpu % 2 + 2}\n"
        for cpu in range(4)
    }
    facts = read_facts(plant(tmp_path, {"proc/cpuinfo": cpuinfo(4), **siblings}))
    assert (facts.physical_cores, facts.logical_cpus) == (2, 4)


def test_only_the_processors_we_may_use_count(tmp_path: Path) -> None:
    facts = read_facts(plant(tmp_path, {**LAPTOP, "proc/self/status": "Cpus_allowed_list:\t0-1,4\n"}))
    assert (facts.physical_cores, facts.logical_cpus) == (2, 3)


def test_an_arm_board_without_core_numbers_counts_each_processor(tmp_path: Path) -> None:
    info = "\n".join(f"processor\t: {cpu}\nFeatures\t: fp asimd\n" for cpu in range(4)) + "\nModel\t\t: A Board\n"
    facts = read_facts(plant(tmp_path, {"proc/cpuinfo": info}))
    assert (facts.physical_cores, facts.cpu_flags) == (4, {"fp", "asimd"})


UNIFIED = {
    **LAPTOP,
    "proc/self/cgroup": "0::/system.slice/hal0.service\n",
    "sys/fs/cgroup/cgroup.controllers": "cpu memory\n",
}
GROUP, ABOVE = "sys/fs/cgroup/system.slice/hal0.service/", "sys/fs/cgroup/system.slice/"


@pytest.mark.parametrize(
    ("files", "cores", "memory"),
    [
        ({}, 4, 16_000_000 * 1024),
        ({GROUP + "memory.max": "max\n", GROUP + "cpu.max": "max 100000\n"}, 4, 16_000_000 * 1024),
        ({GROUP + "memory.max": f"{2 * GIB}\n", GROUP + "cpu.max": "150000 100000\n"}, 2, 2 * GIB),
        ({GROUP + "memory.max": f"{4 * GIB}\n", ABOVE + "memory.max": f"{3 * GIB}\n"}, 4, 3 * GIB),
        ({GROUP + "cpu.max": "20000 100000\n"}, 1, 16_000_000 * 1024),
        ({GROUP + "memory.max": f"{999 * GIB}\n"}, 4, 16_000_000 * 1024),
        ({GROUP + "memory.max": "nonsense\n", GROUP + "cpu.max": "nonsense\n"}, 4, 16_000_000 * 1024),
    ],
)
def test_limits_of_a_control_group_count(tmp_path: Path, files: dict[str, str], cores: int, memory: int) -> None:
    groups = {GROUP + "cgroup.controllers": "", ABOVE + "cgroup.controllers": ""}
    facts = read_facts(plant(tmp_path, {**UNIFIED, **groups, **files}))
    assert (facts.physical_cores, facts.memory_bytes) == (cores, memory)


def test_limits_of_version_1_count_also_where_the_path_is_the_hosts(tmp_path: Path) -> None:
    files = {
        **LAPTOP,
        "proc/self/cgroup": "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{GIB}\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "300000\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    }
    facts = read_facts(plant(tmp_path, files))
    assert (facts.physical_cores, facts.memory_bytes) == (3, GIB)


def test_no_limit_of_version_1_is_no_limit(tmp_path: Path) -> None:
    files = {
        **LAPTOP,
        "proc/self/cgroup": "5:cpu,cpuacct:/\n4:memory:/\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
        "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
        "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
    }
    facts = read_facts(plant(tmp_path, files))
    assert (facts.physical_cores, facts.memory_bytes) == (4, 16_000_000 * 1024)


@pytest.mark.parametrize("files", [{}, {"proc/cpuinfo": "\x00garbage", "proc/meminfo": "MemTotal: lots\n"}])
def test_a_machine_that_tells_nothing_is_one_core(tmp_path: Path, files: dict[str, str]) -> None:
    assert read_facts(plant(tmp_path, files)) == Facts(physical_cores=1, cpu_model="CPU")


def test_this_machine_is_read() -> None:
    facts = read_facts()
    assert 1 <= facts.physical_cores <= facts.logical_cpus <= (os.cpu_count() or 1)
    assert facts.memory_bytes > GIB // 4


@pytest.mark.parametrize(
    ("text", "cpus"), [("0", {0}), ("0-2", {0, 1, 2}), ("0,4-5\n", {0, 4, 5}), ("", set()), ("x,1", {1})]
)
def test_lists_of_processors(text: str, cpus: set[int]) -> None:
    assert parse_cpu_list(text) == cpus
