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
from contextlib import asynccontextmanager


class Terminal:
    """The other end of the pseudo-terminal."""

    def __init__(self, master: int, process: asyncio.subprocess.Process) -> None:
        self._master = master
        self.process = process
        self.started_at = time.monotonic()
        self.output = b""

    def read(self) -> None:
        try:
            self.output += os.read(self._master, 65_536)
        except (BlockingIOError, OSError):
            return  # nothing there now, or the program has ended

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
    *arguments: str, size: tuple[int, int] = (80, 24), program: Sequence[str] = ("-m", "hal0.tui"), **env: str
) -> AsyncIterator[Terminal]:
    """hal0-tui with these arguments; it is ended at the latest when the block is left."""
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
