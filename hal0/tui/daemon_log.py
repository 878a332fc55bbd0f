"""hal0d's own log, read without hal0d: from systemd's journal, or from the file that `hal0 up` has it write.

Which of them is newer, if both have something. Under `hal0 serve` in a terminal, or in a container, there is neither.
"""

import asyncio
import os
import shlex
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hal0.errors import Hal0Error
from hal0.paths import SYSTEM_SOCKET
from hal0.tui.client import Address

LINES = 200
LONGEST_BYTES = 256 * 2**10  # of the file's end that are looked through
JOURNAL_SECONDS = 5.0
UNIT = "hal0"


@dataclass(frozen=True, slots=True)
class DaemonLog:
    """Its last lines, the newest last, and the command that shows them."""

    command: str
    lines: tuple[str, ...]
    written_at: float  # the newest


async def read_daemon_log(address: Address, file: Path) -> DaemonLog:
    """The log of the daemon that belongs to this address; raises `system.no_daemon_log`."""
    of_system = address.socket == SYSTEM_SOCKET
    journal = ["journalctl", *([] if of_system else ["--user"]), "-u", UNIT, "-n", str(LINES)]
    found = [await _from_journal(journal)]
    if not of_system:
        found.append(await asyncio.to_thread(_from_file, file))
    logs = [log for log in found if log is not None]
    if not logs:
        looked = f"`{shlex.join(journal)}` tells nothing" + ("" if of_system else f", and {file} has nothing")
        raise Hal0Error("system.no_daemon_log", reason=looked)
    return max(logs, key=lambda log: log.written_at)


async def _from_journal(command: list[str]) -> DaemonLog | None:
    """None if there is no journal, no such unit in it, or it takes too long to tell."""
    words = [*command, "--no-pager", "--quiet", "--output", "short-iso"]
    try:
        process = await asyncio.create_subprocess_exec(
            *words, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
    except OSError:
        return None
    try:
        async with asyncio.timeout(JOURNAL_SECONDS):
            out, _ = await process.communicate()
    except TimeoutError:
        return None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    lines = tuple(out.decode(errors="replace").splitlines()[-LINES:])
    return DaemonLog(shlex.join(command), lines, _time_of(lines[-1])) if lines else None


def _time_of(line: str) -> float:
    with suppress(ValueError):
        return datetime.fromisoformat(line.partition(" ")[0]).timestamp()
    return 0.0


def _from_file(path: Path) -> DaemonLog | None:
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            file.seek(max(0, status.st_size - LONGEST_BYTES))
            whole = file.read(LONGEST_BYTES)
    except OSError:
        return None
    lines = tuple(whole.decode(errors="replace").splitlines()[-LINES:])
    return DaemonLog(shlex.join(["tail", "-n", str(LINES), str(path)]), lines, status.st_mtime) if lines else None
