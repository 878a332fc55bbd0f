"""How a backend that prints without end weighs on the daemon's loop: `python -m tests.bench.log_load [lines a second]`.

One real process prints lines of 80 bytes, each with a flush of its own, through the pipe of a slot into its ring and
file. Meanwhile a task on the same loop wakes every 5 ms: how much later it wakes than it should is the lag.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from hal0.daemon.slots.output import Output
from hal0.daemon.slots.process import Process
from hal0.daemon.slots.writer import Writer

SECONDS = 10.0
TICK_SECONDS = 0.005
PRINTER = Path(__file__).parents[1] / "fakes" / "printer.py"


async def measure(rate: int) -> None:
    lags: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        writer = Writer("the output")
        output = Output(Path(folder) / "s.log", write=writer.write_surely)
        printed = 0

        def take(data: bytes) -> None:
            nonlocal printed
            printed += data.count(b"\n")
            output.feed(data)

        process = Process.spawn(
            [sys.executable, "-S", str(PRINTER), str(int(rate * SECONDS)), str(rate)],
            slot="s", env={"HAL0_RUN": "bench"}, mark="HAL0_RUN=bench", bound_to=None, on_output=take,
        )  # fmt: skip
        cpu = time.process_time()
        while printed <= rate * SECONDS:  # and one line to say that this is all
            due = time.perf_counter() + TICK_SECONDS
            await asyncio.sleep(TICK_SECONDS)
            lags.append(time.perf_counter() - due)
        cpu = time.process_time() - cpu
        await process.close(slot="s", stop_timeout=1.0)
        output.end()
        await writer.close()
    lags.sort()
    p50, p99 = (lags[int(len(lags) * share)] * 1000 for share in (0.5, 0.99))
    print(f"{printed / SECONDS:,.0f} lines/s: lag p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {lags[-1] * 1000:.1f} ms;")
    print(f"{cpu / SECONDS:.0%} of a core")


if __name__ == "__main__":
    uvloop.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000))
