"""Ports for backends: claimed by binding them, and checked to belong to the process that was started."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hal0.daemon.slots.process import members
from hal0.errors import Hal0Error

HOST = "127.0.0.1"
LISTEN = "0A"  # TCP_LISTEN in /proc/net/tcp


class Ports:
    """The range of ports that backends get; each is held by one run at a time."""

    def __init__(self, bounds: Callable[[], tuple[int, int]]) -> None:
        self._bounds = bounds  # first and last port; asked at each claim
        self._claimed: set[int] = set()

    @contextmanager
    def claim(self, slot: str, *, fixed: int | None = None) -> Iterator[int]:
        """A port that nobody listens on; raises `slot.port_in_use` or `slot.no_free_port`."""
        port = self._choose(slot, fixed)
        with self.held(port):
            yield port

    @contextmanager
    def held(self, port: int) -> Iterator[None]:
        """For a backend that has the port already, or is about to bind it."""
        self.hold(port)
        try:
            yield
        finally:
            self._claimed.discard(port)

    def hold(self, port: int) -> None:
        """Give it to nobody, until the run it belongs to, which is yet to begin, ends."""
        self._claimed.add(port)

    def is_free(self, port: int) -> bool:
        """Whether nobody listens on it."""
        # SO_REUSEADDR, as the backends use it: connections of a former run in TIME_WAIT do not count, a listener does.
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                return False
        return True

    def is_served(self, port: int, *, group: int) -> bool:
        """Whether it is this process group that listens on it."""
        return listens(port, group=group)

    def _choose(self, slot: str, fixed: int | None) -> int:
        if fixed is not None:
            if fixed in self._claimed or not self.is_free(fixed):
                raise Hal0Error("slot.port_in_use", slot=slot, port=fixed)
            return fixed
        first, last = self._bounds()
        for port in range(first, last + 1):
            if port not in self._claimed and self.is_free(port):
                return port
        raise Hal0Error("slot.no_free_port", slot=slot, first=first, last=last)


def listens(port: int, *, group: int, proc: Path = Path("/proc")) -> bool:
    """Whether a process of this process group owns the listening socket on the port."""
    inodes = _listening_inodes(port, proc)
    return bool(inodes) and any(_holds(pid, inodes, proc) for pid in members(group, proc))


def _listening_inodes(port: int, proc: Path) -> set[str]:
    inodes = set()
    suffix = f":{port:04X}"
    for table in ("net/tcp", "net/tcp6"):
        with suppress(OSError):
            for line in (proc / table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[1].endswith(suffix) and fields[3] == LISTEN:
                    inodes.add(f"socket:[{fields[9]}]")
    return inodes


def _holds(pid: int, inodes: set[str], proc: Path) -> bool:
    with suppress(OSError):
        for descriptor in (proc / str(pid) / "fd").iterdir():
            with suppress(OSError):
                if os.readlink(descriptor) in inodes:
                    return True
    return False
