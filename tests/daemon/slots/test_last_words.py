"""What a backend prints: all of it arrives, in portions, and its last words before its end is known."""

import asyncio
import os
import sys
import time
from collections.abc import Callable

from hal0.daemon.slots.process import READ_BYTES, Process

LINE = b"y" * 79 + b"\n"


def start(code: str, on_output: Callable[[bytes], None]) -> Process:
    mark = "HAL0_RUN=test"
    return Process.spawn(
        [sys.executable, "-S", "-c", code], slot="s", env={"HAL0_RUN": "test"}, mark=mark, bound_to=None,
        on_output=on_output,
    )  # fmt: skip


async def test_last_words_come_before_the_end_also_when_the_loop_was_busy() -> None:
    words = bytearray()
    process = start(f"import os\nos.write(1, {LINE!r} * 10_000)\nos.write(1, b'out of cheese')", words.extend)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222 - the loop stands still until it has ended
    await process.exited
    assert words.endswith(b"out of cheese")
    await process.close(slot="s", stop_timeout=1.0)


async def test_the_loop_goes_on_between_the_portions_of_much_output() -> None:
    sizes: list[int] = []
    turns: list[int] = []
    turn = 0

    def take(data: bytes) -> None:
        sizes.append(len(data))
        turns.append(turn)

    process = start(f"import os\nfor _ in range(200): os.write(1, {LINE!r} * 100)\nos.close(1); os.close(2)\n"
                    "import time; time.sleep(60)", take)  # fmt: skip
    deadline = time.monotonic() + 10
    while sum(sizes) < 200 * 100 * len(LINE) and time.monotonic() < deadline:
        turn += 1
        await asyncio.sleep(0)
    await process.close(slot="s", stop_timeout=1.0)
    assert sum(sizes) == 200 * 100 * len(LINE)
    assert max(sizes) <= READ_BYTES
    assert len(set(turns)) == len(turns), "two portions in one turn of the loop"
