"""The program hal0-tui in a real pseudo-terminal; what it writes is kept byte for byte."""

import asyncio
import fcntl
import os
import pty
import struct
import sys
import termios
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

CURSOR_POSITION = b"\x1b[6n"


class Terminal:
    """The other end of the pseudo-terminal."""

    def __init__(self, master: int, process: asyncio.subprocess.Process) -> None:
        self._master = master
        self.process = process
        self.started_at = time.monotonic()
        self.output = b""
        self.answers = False
        self.answer_seconds = 0.0  # until an answer is sent
        self._asked_to = 0

    def read(self, size: int = 65_536) -> None:
        try:
            self.output += os.read(self._master, size)
        except (BlockingIOError, OSError):
            return  # nothing there now, or the program has ended
        while self.answers and (at := self.output.find(CURSOR_POSITION, self._asked_to)) >= 0:
            self._asked_to = at + len(CURSOR_POSITION)
            asyncio.get_running_loop().call_later(self.answer_seconds, self._answer)

    def _answer(self) -> None:
        with suppress(OSError):  # the program has ended
            self.type("\x1b[1;1R")

    @asynccontextmanager
    async def on_a_line_of(self, bytes_per_second: int) -> AsyncIterator[None]:
        """Read no faster than that: the program is blocked when the buffers are full."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._master)
        reading = asyncio.create_task(self._read_slowly(bytes_per_second))
        try:
            yield
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
            loop.add_reader(self._master, self.read)

    async def _read_slowly(self, bytes_per_second: int) -> None:
        loop = asyncio.get_running_loop()
        then = loop.time()
        while True:
            await asyncio.sleep(0.02)
            now = loop.time()
            self.read(max(1, int((now - then) * bytes_per_second)))
            then = now

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    async def until(self, condition: Callable[[bytes], bool], seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while not condition(self.output):
            assert time.monotonic() < deadline, f"waited in vain; the last bytes: {self.output[-2000:]!r}"
            await asyncio.sleep(0.01)

    async def shows(self, text: str) -> None:
        await self.until(lambda output: text.encode() in output)


@asynccontextmanager
async def terminal(
    *arguments: str,
    size: tuple[int, int] = (80, 24),
    program: Sequence[str] = ("-m", "hal0.tui"),
    answers: bool = False,
    answer_seconds: float = 0.0,
    **env: str,
) -> AsyncIterator[Terminal]:
    """hal0-tui with these arguments; it is ended at the latest when the block is left.

    `answers`: as terminals do when they are asked where the cursor is, after `answer_seconds`.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    os.set_blocking(master, False)
    inherited = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "COLUMNS", "LINES"}}
    settings = inherited | {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LC_ALL": "C.UTF-8"} | env
    process = await asyncio.create_subprocess_exec(
        sys.executable, *program, *arguments,
        stdin=slave, stdout=slave, stderr=slave, env=settings, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    screen = Terminal(master, process)
    screen.answers, screen.answer_seconds = answers, answer_seconds
    loop = asyncio.get_running_loop()
    loop.add_reader(master, screen.read)
    try:
        yield screen
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        loop.remove_reader(master)
        os.close(master)
