"""A backend process: in a group of its own, noticed the moment it ends, closed with all that it has started."""

import asyncio
import fcntl
import itertools
import os
import select
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import hal0
from hal0.errors import Hal0Error
from hal0.marks import end_all, is_marked, marked, signal_all

T = TypeVar("T")
Child = subprocess.Popen[bytes]

BOUND_EXEC = Path(hal0.__file__).parent / "backends" / "bound_exec.py"
UNBOUND = "-"
READ_BYTES = 65_536
PIPE_BYTES = 2**20  # of output that can wait while nobody reads; what a user without privileges may have
AFTER_KILL_SECONDS = 5.0  # a process that outlives SIGKILL this long is stuck in the kernel
# Threads of their own, so that no checksum of a large file stands in the way of an end.
THREADS = ThreadPoolExecutor(8, "processes")


async def finish(work: Coroutine[Any, Any, T]) -> T:
    """Run clean-up to its end even if the caller is cancelled meanwhile.

    The cancellation then passes on, unless the clean-up has failed: that is told in any case.
    """
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
    if cancelled is not None and task.exception() is None:
        raise cancelled
    return task.result()


async def in_thread(work: Callable[[], T]) -> T:
    """Look through the machine's processes, or wait for some, beside the event loop."""
    return await asyncio.get_running_loop().run_in_executor(THREADS, work)


class Process:
    """One running program in a process group of its own, and all that it has started.

    `exited` resolves as soon as the leader has ended: to its return code (negative: the signal), or to None if nobody
    can know, as it is no child of this daemon.
    """

    def __init__(
        self,
        pid: int,
        *,
        pidfd: int,
        mark: str,
        output: int,
        on_output: Callable[[bytes], None],
        child: Child | None = None,
    ) -> None:
        """`mark` is carried by the program and what it starts; `output` is the reading end of its pipe.

        `pidfd` and `output` are closed with it; -1: its leader has ended already, nothing can be read.
        """
        self._child = child
        self._mark = mark
        self._on_output = on_output
        self._loop = asyncio.get_running_loop()
        self._closed = False
        self.pid = pid
        self.exited: asyncio.Future[int | None] = self._loop.create_future()
        self._hurried: asyncio.Future[None] = self._loop.create_future()
        self._pidfd = pidfd
        self._pipe = output
        if pidfd >= 0:
            self._loop.add_reader(pidfd, self._notice_end)
        else:
            self.exited.set_result(None)
        if output >= 0:
            os.set_blocking(output, False)
            self._loop.add_reader(output, self._read)

    @classmethod
    def spawn(
        cls,
        argv: Sequence[str],
        *,
        slot: str,
        env: Mapping[str, str],
        mark: str,
        bound_to: int | None,
        cwd: str = "",
        on_output: Callable[[bytes], None],
    ) -> "Process":
        """Start the program, which the kernel ends with the process `bound_to`; raises `slot.spawn_failed`.

        `env` must hold the mark.
        """
        try:
            with _pipe() as (output, entrance):
                child = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(BOUND_EXEC), str(bound_to or UNBOUND), *argv],
                    stdin=subprocess.DEVNULL,
                    stdout=entrance,
                    stderr=entrance,
                    env=dict(env),
                    cwd=cwd or None,
                    start_new_session=True,
                )
                try:
                    pidfd = os.pidfd_open(child.pid)
                except OSError:  # too many open files: nobody would look after it
                    child.kill()
                    child.wait()
                    raise
        except (OSError, ValueError) as error:  # ValueError: a NUL byte in an argument
            raise Hal0Error("slot.spawn_failed", slot=slot, reason=str(error)) from error
        return cls(child.pid, pidfd=pidfd, mark=mark, output=output, on_output=on_output, child=child)

    @classmethod
    def take_back(
        cls,
        pid: int,
        *,
        mark: str,
        output: int,
        is_it: Callable[[], bool],
        on_output: Callable[[bytes], None],
    ) -> "Process":
        """A program that an earlier daemon started and `is_it` knows again; `output` is the inode of its pipe.

        If it has ended by now, that is how it is found: what it has left behind can still be closed.
        """
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            pidfd = -1
        if pidfd >= 0 and not is_it():  # after the pidfd: what it holds is what was looked at
            os.close(pidfd)
            pidfd = -1
        family = itertools.chain((pid,), marked(mark))  # looked for only if the leader has closed it
        pipes = (pipe for member in family if (pipe := _open_pipe(member, output)) is not None)
        return cls(pid, pidfd=pidfd, mark=mark, output=next(pipes, -1), on_output=on_output)

    @property
    def started(self) -> int | None:
        """When it was, in clock ticks since the boot; None if it has gone."""
        return start_of(self.pid)

    @property
    def output(self) -> int:
        """The inode of the pipe it prints to; 0 if that cannot be read."""
        return os.fstat(self._pipe).st_ino if self._pipe >= 0 else 0

    def let_go(self) -> None:
        """Leave it as it is, to be taken back by the next daemon. What it prints from now on waits in its pipe."""
        self._closed = True
        if self._child is not None:
            self._child.returncode = 0  # nobody here waits for it any more
        self._close_pipe()
        self._close_pidfd()

    def _notice_end(self) -> None:
        self._loop.remove_reader(self._pidfd)
        for _ in range(PIPE_BYTES // READ_BYTES):  # all it has printed: its last words, before anyone hears of its end
            if not self._read():
                break
        if self._child is None:
            self.exited.set_result(None)
            return
        # Not reaped yet: as long as the leader is a zombie, the kernel gives its number to no other process or group.
        end = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        assert end is not None
        self.exited.set_result(end.si_status if end.si_code == os.CLD_EXITED else -end.si_status)

    def _read(self) -> bool:
        """Take what waits in the pipe, at most so much that the loop can go on; whether there was something."""
        if self._pipe < 0:
            return False
        try:
            data = os.read(self._pipe, READ_BYTES)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if data:
            self._on_output(data)
        else:
            self._close_pipe()
        return bool(data)

    def _close_pipe(self) -> None:
        if self._pipe >= 0:
            self._loop.remove_reader(self._pipe)
            os.close(self._pipe)
            self._pipe = -1

    def hurry(self) -> None:
        """No more patience once it is asked to end, also if that has been already."""
        if not self._hurried.done():
            self._hurried.set_result(None)

    async def close(self, *, slot: str, stop_timeout: float) -> None:
        """End it and all it has started: SIGTERM, up to `stop_timeout` seconds of patience, SIGKILL.

        Safe to call twice. What the leader leaves behind is killed as soon as the leader has gone. Raises
        `slot.stop_timeout` if something survives even SIGKILL.
        """
        if self._closed:
            return
        self._closed = True
        try:
            await in_thread(lambda: signal_all(self._belongs, signal.SIGTERM))
            either: set[asyncio.Future[Any]] = {self.exited, self._hurried}
            await asyncio.wait(either, timeout=stop_timeout, return_when=asyncio.FIRST_COMPLETED)
            left = await in_thread(
                lambda: end_all(self._belongs, patience_seconds=0.0, limit_seconds=AFTER_KILL_SECONDS)
            )
            if left:
                raise Hal0Error("slot.stop_timeout", slot=slot, pid=left[0])
            await self.exited
            if self._child is not None:
                self._child.wait()
        finally:
            self._close_pipe()
            self._close_pidfd()

    def _close_pidfd(self) -> None:
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def survives(self) -> bool:
        """Whether something of it is left even after `close`."""
        return any(True for _ in marked(self._mark))

    def _belongs(self, pid: int) -> bool:
        """Whether a process is of this backend: it carries the mark, or it is in the leader's group.

        The number of the group is the leader's own until that is reaped. A child of ours is reaped when nobody is left;
        any other leader's number counts only while that lives, which is looked at last.
        """
        if pid == self.pid and not self._has_ended():
            return True
        if group_of(pid) == self.pid and (self._child is not None or not self._has_ended()):
            return True
        return is_marked(pid, self._mark)

    def _has_ended(self) -> bool:
        if self._pidfd < 0:
            return True
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(0))


@contextmanager
def _pipe() -> Iterator[tuple[int, int]]:
    """A reading end, the caller's to close unless the block fails, and an end for a program's output: readable as well.

    So the program itself is a reader as long as it lives, and whoever else reads may go and another may come: without
    a reader its next line would end it by SIGPIPE. What it prints meanwhile waits in the pipe; when that is full,
    so does the program.
    """
    output, entrance = os.pipe()
    try:
        both = os.open(f"/proc/self/fd/{entrance}", os.O_RDWR | os.O_CLOEXEC)
        os.close(entrance)
        entrance = both
        with suppress(OSError):  # a user may have only so many large pipes
            fcntl.fcntl(entrance, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        yield output, entrance
    except BaseException:
        os.close(output)
        raise
    finally:
        os.close(entrance)


def _open_pipe(pid: int, inode: int) -> int | None:
    """The reading end of the pipe that a process prints to, if it is still this one."""
    for number in (1, 2):
        place = f"/proc/{pid}/fd/{number}"
        with suppress(OSError):
            found = os.stat(place)
            if stat.S_ISFIFO(found.st_mode) and found.st_ino == inode:
                return os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    return None


def group_of(pid: int, proc: Path = Path("/proc")) -> int | None:
    """The process group of a living process; one that has ended and only waits to be reaped has none."""
    try:
        with open(proc / str(pid) / "stat", "rb") as file:
            state, _, group = file.read().rpartition(b")")[2].split()[:3]
    except (OSError, ValueError):
        return None
    return None if state in b"ZX" else int(group)


def start_of(pid: int) -> int | None:
    """When a process was started, in clock ticks since the boot; None if it has gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def members(group: int, proc: Path = Path("/proc")) -> Iterator[int]:
    """The living processes of a process group."""
    for entry in proc.iterdir():
        if entry.name.isdigit() and group_of(pid := int(entry.name), proc) == group:
            yield pid


def describe_exit(code: int | None, *, out_of_memory: bool) -> str:
    """What an exit status says, in words; None: it is not known."""
    if code is None:
        guess = "; the kernel, which had run out of memory, has killed some process meanwhile" if out_of_memory else ""
        return f"it has ended; how is not known, as an earlier daemon had started it{guess}"
    if code >= 0:
        return f"exit status {code}"
    if out_of_memory:
        return "killed by the kernel, which had run out of memory"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"killed by {name}"
