"""From the start of hal0-tui to its first frame, and to the first one with data. By hand:
`python -m tests.bench.first_frame`.

In a pseudo-terminal that answers, with a daemon that is there already. Each figure is the median of ROUNDS starts, with
the least and the most. On a shared machine the processor's time travels better than the clock's, beside that of an
empty interpreter.
"""

import asyncio
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fakes.daemon import FakeDaemon
from tests.tui.samples import busy_state
from tests.tui.terminal import terminal

ROUNDS = 9
SIZE = (120, 36)


def empty_interpreter() -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", ""], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


async def measure() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "s"
        async with FakeDaemon(busy_state(), socket):
            began = time.monotonic()
            async with terminal("--socket", str(socket), size=SIZE, answers=True, XDG_STATE_HOME=folder) as screen:
                await screen.until(lambda output: b"connecting" in output)
                first, first_cpu = time.monotonic() - began, cpu_seconds(screen.process.pid)
                await screen.shows("rerank")
                data, data_cpu = time.monotonic() - began, cpu_seconds(screen.process.pid)
                screen.type("q")
                await screen.process.wait()
    seconds = {
        "first frame": first,
        "with data": data,
        "first frame, processor": first_cpu,
        "with data, processor": data_cpu,
        "empty interpreter, processor": await asyncio.to_thread(empty_interpreter),
    }
    return {name: value * 1000 for name, value in seconds.items()}


def cpu_seconds(pid: int) -> float:
    """What a process has taken so far, in its own code and the kernel's."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


async def main() -> None:
    rounds = [await measure() for _ in range(ROUNDS)]
    for name in rounds[0]:
        values = [figures[name] for figures in rounds]
        print(f"{name:30} {statistics.median(values):7.0f} ms   ({min(values):.0f} - {max(values):.0f})")


if __name__ == "__main__":
    asyncio.run(main())
