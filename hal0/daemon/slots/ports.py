"""Ports for backends: claimed by binding them, and checked to belong to the process that was started."""

import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hal0.daemon.slots.process import in_thread, members
from hal0.errors import Hal0Error

HOST = "127.0.0.1"
PROC = Path("/proc")
LISTEN = "0A"  # TCP_LISTEN in /proc/net/tcp
# Addresses as they stand there: words of 32 bits in the machine's order. A socket for IPv6 may serve HOST too.
HOST_4, ANY_4 = f"{int.from_bytes(socket.inet_aton(HOST), sys.byteorder):08X}", "0" * 8
HOST_6, ANY_6 = "0" * 16 + f"{int.from_bytes(bytes.fromhex('0000ffff'), sys.byteorder):08X}" + HOST_4, "0" * 32


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

    async def is_served(self, port: int, *, group: int) -> bool | None:
        """Whether it is this process group that answers on it; None: nobody does."""
        return await in_thread(lambda: self._is_served(port, group))

    def _is_served(self, port: int, group: int) -> bool | None:
        listeners = _listeners(port)
        if not listeners:
            return None
        inodes = {f"socket:[{inode}]" for _, inode in listeners}
        if any(_holds(pid, inodes) for pid in members(group)):
            return True
        # A stranger on [::] may be one for IPv6 alone, which the kernel's table does not tell.
        is_certain = any(address != ANY_6 for address, _ in listeners)
        return False if is_certain or not self.is_free(port) else None

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


def _listeners(port: int) -> list[tuple[str, str]]:
    """Address and inode of the sockets that a connection to HOST may come to."""
    found = []
    for table, addresses in (("net/tcp", (HOST_4, ANY_4)), ("net/tcp6", (HOST_6, ANY_6))):
        with suppress(OSError):
            for line in (PROC / table).read_text().splitlines()[1:]:
                fields = line.split()
                address, _, number = fields[1].partition(":")
                if fields[3] == LISTEN and int(number, 16) == port and address in addresses:
                    found.append((address, fields[9]))
    return found


def _holds(pid: int, inodes: set[str]) -> bool:
    with suppress(OSError):
        for descriptor in (PROC / str(pid) / "fd").iterdir():
            with suppress(OSError):
                if os.readlink(descriptor) in inodes:
                    return True
    return False
