"""`hal0 stop`: end the daemon of this machine in order, as SIGTERM does, and tell what it still waits for.

The kernel tells who holds the admin socket; a daemon that has none yet is known by its lock. The signal goes through a
pidfd, so that it never meets a stranger who got the same number.
"""

import os
import select
import signal
import socket
import struct
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hal0.cli.connection import Daemon
from hal0.cli.options import add_json
from hal0.cli.output import Progress, is_terminal, print_json, say
from hal0.errors import Hal0Error
from hal0.paths import find_socket, locate
from hal0.systemd import service_of
from hal0.wire import State

ABOUT = """\
End the daemon of this machine, as SIGTERM does: it takes no new requests, lets those in flight finish (`drain_timeout`
in [daemon] limits that), stops its backends and ends. Waits until it has ended.

A daemon that systemd runs is left to `systemctl stop`, one that HAL0_URL names to its own machine."""

LOOK_SECONDS = 0.1  # between two looks at what it waits for
PEER = struct.Struct("3i")  # `struct ucred`: pid, uid, gid


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("--now", action="store_true", help="cut short the requests in flight, and hurry the backends")
    parser.add_argument("--no-wait", action="store_true", help="end as soon as the daemon has been told")
    add_json(parser)
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    place = find_socket()
    if url := os.environ.get("HAL0_URL"):
        fix = "Run `hal0 stop` on its machine, without HAL0_URL."
        raise Hal0Error("system.not_stopped", where=url, reason="HAL0_URL names it, so it may be elsewhere", fix=fix)
    with _found(place) as found:
        if found is None:
            _tell(args, f"no hal0 daemon runs here (nobody is at {place})", outcome="not running", pid=None)
            return 0
        if service := service_of(found.pid):
            _refuse_service(place, found.pid, service)
        stopping = _Stopping(found, Daemon(place), hurry=args.now)
        stopping.begin(quiet=args.json)
        if args.no_wait:
            _tell(args, f"hal0d, pid {found.pid}, is told to end", outcome="stopping", pid=found.pid)
            return 0
        seconds = stopping.wait()
    text = f"hal0d, pid {found.pid}, has ended after {seconds:.1f} s"
    if stopping.kept:
        text += f"; kept for the next daemon (`keep_backends`): {', '.join(stopping.kept)}"
    _tell(args, text, outcome="ended", pid=found.pid, kept=stopping.kept)
    return 0


def _tell(args: Namespace, text: str, **facts: Any) -> None:
    if args.json:
        print_json(facts)
    else:
        say(text)


def _refuse_service(place: Path, pid: int, service: str) -> None:
    sudo = "" if service.startswith("--user") or os.geteuid() == 0 else "sudo "
    reason = f"it is a service of systemd (pid {pid})"
    raise Hal0Error(
        "system.not_stopped", where=str(place), reason=reason, fix=f"`{sudo}systemctl stop {service}` ends it."
    )


@dataclass(frozen=True, slots=True)
class _Process:
    pid: int
    fd: int  # its pidfd
    place: Path

    def signal(self) -> None:
        """SIGTERM; raises `system.not_stopped` if that is not for us to send."""
        try:
            signal.pidfd_send_signal(self.fd, signal.SIGTERM)
        except ProcessLookupError:
            pass  # it has ended meanwhile
        except PermissionError as error:
            raise _not_ours(self.place, f"it is another user's (pid {self.pid})") from error

    def has_ended(self, seconds: float) -> bool:
        """Wait so long for it."""
        return bool(select.select([self.fd], [], [], seconds)[0])


class _Stopping:
    """A daemon on its way out. It goes on answering the admin API until its end, so what it waits for can be told."""

    def __init__(self, process: _Process, daemon: Daemon, *, hurry: bool) -> None:
        self._process = process
        self._daemon = daemon
        self._hurry = hurry
        self.kept: list[str] = []  # slots whose backends outlive it

    def begin(self, *, quiet: bool) -> None:
        """Tell it, unless that has been done: a second signal would cut short what may still finish."""
        state = self._look()
        if state is None or not state.draining:
            self._process.signal()
        if not (quiet or is_terminal(sys.stderr)):
            print(self._words(state), file=sys.stderr)

    def wait(self) -> float:
        """The seconds it took to end."""
        progress, begun, state = Progress(), time.monotonic(), None
        while not self._process.has_ended(LOOK_SECONDS):
            state = self._look() or state
            if self._hurry and state is not None and state.draining:  # it has heard the first signal
                self._process.signal()
                self._hurry = False
            progress.show(f"{self._words(state)}  {time.monotonic() - begun:.1f} s")
        progress.clear()
        return time.monotonic() - begun

    def _look(self) -> State | None:
        try:
            state = self._daemon.get("/api/state", State)
        except Hal0Error:  # it has gone, has no socket yet, or hangs: the signal is what counts
            return None
        self.kept = [slot.name for slot in state.slots if slot.is_up] if state.keeps_backends else []
        return state

    def _words(self, state: State | None) -> str:
        words = f"stopping hal0d, pid {self._process.pid}"
        if state is None:
            return words
        if in_flight := sum(request.outcome is None for request in state.requests):
            plural = "" if in_flight == 1 else "s"
            ending = "cut short" if self._hurry else "may finish (--now cuts short)"
            return f"{words}: {in_flight} request{plural} in flight {ending}"
        leaving = [slot.name for slot in state.slots if slot.state == "unloading"]
        return f"{words}: unloading {', '.join(leaving)}" if leaving else words


@contextmanager
def _found(place: Path) -> Iterator[_Process | None]:
    """The daemon of the socket, else the one that holds the lock; None if there is none."""
    fd = -1
    try:
        while (pid := _holder_of(place)) is not None:
            try:
                fd = os.pidfd_open(pid)
            except ProcessLookupError:
                continue  # it has ended meanwhile: who is there now?
            if _holder_of(place) == pid:  # so the pidfd is of that very process
                break
            os.close(fd)
            fd = -1
        yield None if pid is None else _Process(pid, fd, place)
    finally:
        if fd >= 0:
            os.close(fd)


def _holder_of(place: Path) -> int | None:
    """The pid of the daemon; None if there is none. Raises `system.not_stopped` if that may not be seen."""
    pid = _peer_of(place)
    if pid is None:
        pid = _lock_holder()
    if pid == 0:
        reason = "its process cannot be seen from here, as that of another container"
        raise Hal0Error("system.not_stopped", where=str(place), reason=reason, fix="Run `hal0 stop` beside it.")
    return pid


def _peer_of(place: Path) -> int | None:
    """Who listens on the socket, 0 in another container: so the kernel has it; None if nobody does."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(place))
            pid: int = PEER.unpack(probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))[0]
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except OSError as error:
            raise _not_ours(place, os.strerror(error.errno or 0).lower()) from error
    return pid


def _not_ours(place: Path, reason: str) -> Hal0Error:
    fix = "Run it as the daemon's user, or with sudo."
    return Hal0Error("system.not_stopped", where=str(place), reason=reason, fix=fix)


def _lock_holder() -> int | None:
    """A daemon that starts has a lock before it has a socket."""
    from hal0.daemon.config.place import placed
    from hal0.daemon.instance import holder

    return holder(placed(locate()))
