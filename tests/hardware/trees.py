"""Other machines, as files below a folder."""

from collections.abc import Mapping
from pathlib import Path


def plant(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def cpuinfo(cpus: int, *, threads_per_core: int = 1, flags: str = "fpu sse2 avx2", name: str = "A Processor") -> str:
    blocks = (
        f"processor\t: {cpu}\nmodel name\t: {name}\nphysical id\t: 0\ncore id\t\t: {cpu // threads_per_core}\n"
        f"flags\t\t: {flags}\n"
        for cpu in range(cpus)
    )
    return "\n".join(blocks)


MEMINFO = (
    "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:   12000000 kB\nHugePages_Total:       0\n"
)

LAPTOP = {
    "proc/cpuinfo": cpuinfo(8, threads_per_core=2, name="A Laptop"),
    "proc/meminfo": MEMINFO,
    "proc/stat": "cpu  100 0 100 700 100 0 0 0 50 0\ncpu0 1 2 3 4\n",
    "proc/self/status": "Name:\tx\nCpus_allowed_list:\t0-7\n",
    "proc/self/cgroup": "0::/user.slice\n",
    "sys/class/hwmon/hwmon0/name": "nvme\n",
    "sys/class/hwmon/hwmon0/temp1_input": "33000\n",
    "sys/class/hwmon/hwmon1/name": "k10temp\n",
    "sys/class/hwmon/hwmon1/temp1_input": "54250\n",
}


POWERCAP = "sys/class/powercap/"
TWO_SOCKETS = {
    **{f"{POWERCAP}intel-rapl:{n}/name": f"package-{n}\n" for n in (0, 1)},
    **{f"{POWERCAP}intel-rapl:{n}/max_energy_range_uj": "262143328850\n" for n in (0, 1)},
    f"{POWERCAP}intel-rapl:0:0/name": "core\n",
    f"{POWERCAP}intel-rapl:2/name": "psys\n",
    f"{POWERCAP}intel-rapl-mmio:0/name": "package-0\n",
    **{f"{POWERCAP}{zone}/energy_uj": "999\n" for zone in ("intel-rapl:0:0", "intel-rapl:2", "intel-rapl-mmio:0")},
}


def process(
    pid: int,
    *,
    group: int,
    ticks: int = 0,
    pages: int = 0,
    started: int = 1,
    name: str = "x",
    anonymous_kib: int = 0,
    file_kib: int = 0,
    shared_kib: int = 0,
    environ: str = "",
) -> dict[str, str]:
    """/proc/PID/stat with `ticks` of time, half of them in the kernel, and what memory /proc/PID/status tells."""
    fields = ["S", "1", str(group), str(group), *["0"] * 7, str(ticks // 2), str(ticks - ticks // 2)]
    fields += [*["0"] * 6, str(started), "0", str(pages), *["0"] * 10]
    sizes = {"RssAnon": anonymous_kib, "RssFile": file_kib, "RssShmem": shared_kib}
    told = {"VmRSS": sum(sizes.values()), **sizes}
    status = f"Name:\t{name}\nState:\tS (sleeping)\n" + "".join(f"{key}:\t{size:8} kB\n" for key, size in told.items())
    return {
        f"proc/{pid}/stat": f"{pid} ({name}) {' '.join(fields)}\n",
        f"proc/{pid}/status": status + "Threads:\t1\n",
        f"proc/{pid}/environ": f"PATH=/bin\0{environ}\0",
    }
