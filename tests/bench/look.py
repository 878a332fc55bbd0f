"""What one look of the sampler costs: on this machine, and on files of one with two GPUs and twenty slots.

`python -m tests.bench.look`. Files below a folder are read somewhat faster than those the kernel makes up in /proc; the
slots of the first figure are therefore real processes.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from hal0.daemon.events import EventBus
from hal0.daemon.sampler import Sampler
from hal0.hardware.cpu import CpuMeter
from hal0.hardware.facts import read_facts
from hal0.hardware.gpus import gpu_meters
from hal0.hardware.processes import ProcessMeter
from tests.hardware.gpu_trees import ARC, NAMES, XTX, arc_a770_xe, gpu_file, rx_7900_xtx
from tests.hardware.trees import LAPTOP, plant, process

SLOTS = 20
PROCESSES_OF_A_SLOT = 3
STRANGERS = 300
LOOKS = 100
SLEEPER = "import sys; data = bytearray(2**24); print(flush=True); sys.stdin.read()"
KEYS = "drm-memory-vram:\t900 MiB\ndrm-resident-vram0:\t900 MiB\ndrm-engine-gfx:\t5 ns\ndrm-engine-compute:\t7 ns\n"


def measure(root: Path, groups: Mapping[str, int]) -> tuple[float, float, float]:
    """Milliseconds: the median look, the longest, and the processor's time for one."""
    facts = read_facts(root)
    sampler = Sampler(
        EventBus(),
        meters=[CpuMeter(facts, root=root), *gpu_meters(root, cards=facts.gpus)],
        processes=ProcessMeter(root=root),
        process_groups=lambda: groups,
    )

    async def looks() -> tuple[float, float, float]:
        times, spent = [], time.process_time()
        for _ in range(LOOKS):
            began = time.perf_counter()
            await sampler.sample()
            times.append(time.perf_counter() - began)
            await asyncio.sleep(0.11)  # so that each compares counters anew
        cost = (time.process_time() - spent) / LOOKS
        return statistics.median(times) * 1000, max(times) * 1000, cost * 1000

    return asyncio.run(looks())


def here() -> tuple[float, float, float]:
    command = [sys.executable, "-I", "-S", "-c", SLEEPER]
    pipe = subprocess.PIPE
    slots = [subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True) for _ in range(SLOTS)]
    try:
        for slot in slots:
            assert slot.stdout is not None
            slot.stdout.readline()
        return measure(Path("/"), {f"slot{slot.pid}": slot.pid for slot in slots})
    finally:
        for slot in slots:
            slot.kill()
            slot.communicate()


def with_gpus(root: Path) -> tuple[float, float, float]:
    plant(root, {**LAPTOP, **NAMES})
    rx_7900_xtx(root, number=0)
    arc_a770_xe(root, number=1)
    groups = {f"slot{number}": 1000 + 10 * number for number in range(SLOTS)}
    for group in groups.values():
        for pid in range(group, group + PROCESSES_OF_A_SLOT):
            plant(root, process(pid, group=group, anonymous_kib=1000, pages=500))
            for descriptor in range(3):
                gpu_file(root, pid, descriptor, (XTX, ARC)[group // 10 % 2], pid, KEYS)
    for pid in range(5000, 5000 + STRANGERS):
        plant(root, process(pid, group=pid))
        (root / f"proc/{pid}/fd").mkdir()
        for descriptor in range(10):
            os.symlink("/dev/null", root / f"proc/{pid}/fd/{descriptor}")
    return measure(root, groups)


def main() -> None:
    print("a look: median, longest, processor time of one [ms]")
    print(f"  this machine, {SLOTS} slots: ", *(f"{value:6.2f}" for value in here()))
    with tempfile.TemporaryDirectory() as folder:
        figures = with_gpus(Path(folder))
    print(f"  two GPUs, {SLOTS} slots of {PROCESSES_OF_A_SLOT} processes, {STRANGERS} other processes: ", end="")
    print(*(f"{value:6.2f}" for value in figures))


if __name__ == "__main__":
    main()
