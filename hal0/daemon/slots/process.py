"""A backend process: its own group, bound to the daemon's life, noticed the moment it ends, closed as a whole."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import hal0
from hal0.errors import Hal0Error

T = TypeVar("T")

BOUND_EXEC = Path(hal0.__file__).parent / "backends" / "bound_exec.py"
READ_BYTES = 65_536
AFTER_KILL_SECONDS = 5.0  # a process that outlives SIGKILL this long is stuck in the kernel
GROUP_POLL_SECONDS = 0.02


async def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run clean-up to its end even if the caller is cancelled meanwhile; the cancellation then passes on."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            if task.cancelled():
                raise
            cancelled = error
        except BaseException:  # reported by task.result() below
            break
    if cancelled is not None:
        raise cancelled
    return task.result()


class Process:
    """One running program in a process group of its own.

    `exited` resolves to the return code (negative: the signal) as soon as the leader has ended.
    """

    def __init__(self, child: subprocess.Popen[bytes], on_output: Callable[[bytes], None]) -> None:
        self._child = child
        self._on_output = on_output
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self.pid = child.pid
        self.exited: asyncio.Future[int] = self._loop.create_future()
        self._pidfd = os.pidfd_open(child.pid)
        self._loop.add_reader(self._pidfd, self._notice_end)
        assert child.stdout is not None
        self._pipe = child.stdout.fileno()
        os.set_blocking(self._pipe, False)
        self._loop.add_reader(self._pipe, self._read)

    @classmethod
    def spawn(
        cls,
        argv: Sequence[str],
        *,
        slot: str,
        env: Mapping[str, str],
        cwd: str = "",
        on_output: Callable[[bytes], None],
    ) -> "Process":
        """Start the program; raises `slot.spawn_failed`."""
        try:
            child = subprocess.Popen(
                [sys.executable, "-I", "-S", str(BOUND_EXEC), str(os.getpid()), *argv],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=dict(env),
                cwd=cwd or None,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:  # ValueError: a NUL byte in an argument
            raise Hal0Error("slot.spawn_failed", slot=slot, reason=str(error)) from error
        return cls(child, on_output)

    def _notice_end(self) -> None:
        self._loop.remove_reader(self._pidfd)
        os.close(self._pidfd)
        self._read()  # its last words, before anyone hears of its end
        # Not reaped yet: as long as the leader is a zombie, the kernel gives its number to no other process or group.
        end = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        assert end is not None
        self.exited.set_result(end.si_status if end.si_code == os.CLD_EXITED else -end.si_status)

    def _read(self) -> None:
        if self._pipe < 0:
            return
        try:
            data = os.read(self._pipe, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._on_output(data)
        else:
            self._close_pipe()

    def _close_pipe(self) -> None:
        if self._pipe >= 0:
            self._loop.remove_reader(self._pipe)
            self._pipe = -1
            assert self._child.stdout is not None
            self._child.stdout.close()

    async def close(self, *, slot: str, stop_timeout: float) -> None:
        """End the whole group: SIGTERM, up to `stop_timeout` seconds of patience, SIGKILL. Safe to call twice.

        What the leader leaves behind in its group is killed as soon as the leader has gone. Raises
        `slot.stop_timeout` if something survives even SIGKILL.
        """
        if self._closed:
            return
        self._closed = True
        try:
            os.killpg(self.pid, signal.SIGTERM)
            if not await self._ends_within(stop_timeout):
                os.killpg(self.pid, signal.SIGKILL)
                if not await self._ends_within(AFTER_KILL_SECONDS):
                    raise Hal0Error("slot.stop_timeout", slot=slot, pid=self.pid)
            os.killpg(self.pid, signal.SIGKILL)
            self._child.wait()
            await self._group_vanishes(slot)
        finally:
            self._close_pipe()

    async def _ends_within(self, seconds: float) -> bool:
        await asyncio.wait({self.exited}, timeout=seconds)
        return self.exited.done()

    async def _group_vanishes(self, slot: str) -> None:
        deadline = self._loop.time() + AFTER_KILL_SECONDS
        while any(members(self.pid)):  # grandchildren are not ours to wait for; they can only be looked for
            if self._loop.time() > deadline:
                raise Hal0Error("slot.stop_timeout", slot=slot, pid=self.pid)
            await asyncio.sleep(GROUP_POLL_SECONDS)


def members(group: int, proc: Path = Path("/proc")) -> Iterator[int]:
    """The living processes of a process group; those that have ended and only wait to be reaped do not count."""
    for entry in proc.iterdir():
        if entry.name.isdigit():
            with suppress(OSError, ValueError, IndexError):
                state, _, its_group = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
                if int(its_group) == group and state not in "ZX":
                    yield int(entry.name)


def oom_kills(proc: Path = Path("/proc")) -> int:
    """How many processes the kernel's OOM killer has ended since boot, in any cgroup; 0 if it does not say."""
    try:
        lines = (proc / "vmstat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def describe_exit(code: int, *, out_of_memory: bool) -> str:
    """What an exit status says, in words."""
    if code >= 0:
        return f"exit status {code}"
    if out_of_memory:
        return "killed by the kernel, which had run out of memory"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"killed by {name}"
