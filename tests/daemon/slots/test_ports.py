"""Whose socket it is that a connection to a backend's port would come to."""

import os
import socket
from collections.abc import Iterator

import pytest

from hal0.daemon.slots.ports import HOST, Ports

OURS, ANOTHER = os.getpgrp(), 1


@pytest.fixture
def port() -> Iterator[int]:
    """One that nobody else is given meanwhile: it is bound on an address that no backend has."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.2", 0))
        yield holder.getsockname()[1]


def listen(family: socket.AddressFamily, address: str, port: int, *, only_6: bool = False) -> socket.socket:
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family is socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(only_6))
    try:
        listener.bind((address, port))
    except OSError:
        if family is socket.AF_INET:
            raise
        listener.close()
        pytest.skip("this machine has no IPv6")
    listener.listen()
    return listener


async def served(port: int) -> tuple[bool | None, bool | None]:
    """Whether by this process's group, and as another group would be told."""
    ports = Ports(lambda: (port, port))
    return await ports.is_served(port, group=OURS), await ports.is_served(port, group=ANOTHER)


async def test_nobody_listens(port: int) -> None:
    assert await served(port) == (None, None)


@pytest.mark.parametrize("address", [HOST, "::ffff:127.0.0.1"])
async def test_a_listener_on_the_address_of_backends(port: int, address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with listen(family, address, port):
        assert await served(port) == (True, False)


async def test_a_listener_on_another_address_is_nobody(port: int) -> None:
    with listen(socket.AF_INET, "127.0.0.3", port):
        assert await served(port) == (None, None)


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")])
async def test_a_listener_on_every_address(family: socket.AddressFamily, address: str) -> None:
    with listen(family, address, 0) as listener:
        assert await served(listener.getsockname()[1]) == (True, False)


async def test_a_stranger_for_ipv6_alone_is_in_nobodys_way() -> None:
    with listen(socket.AF_INET6, "::", 0, only_6=True) as listener:
        port = listener.getsockname()[1]
        assert (await served(port))[1] is None
        with listen(socket.AF_INET, HOST, port):
            assert await served(port) == (True, False)
