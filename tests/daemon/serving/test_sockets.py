"""Where the server listens, and what happens if it cannot."""

import asyncio
import os
import shutil
import socket
import stat
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hal0.daemon.serving.server import Server
from hal0.daemon.serving.sockets import listen_tcp, listen_unix
from hal0.errors import Hal0Error
from tests.fakes.door import served, with_lifespan
from tests.fakes.http_client import ask


async def who_asks(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": repr((scope["client"], scope["server"])).encode()})


@contextmanager
def folder() -> Iterator[Path]:
    """A folder with a short name: a socket's path may have 107 bytes at most."""
    made = tempfile.mkdtemp(prefix="hal0-")
    try:
        yield Path(made)
    finally:
        shutil.rmtree(made)


async def ask_unix(path: Path) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer.partition(b"\r\n\r\n")[2]


async def test_a_unix_socket_serves_its_owner_and_group_and_is_removed_at_the_end() -> None:
    with folder() as home:
        path = home / "hal0.sock"
        server = Server(with_lifespan(who_asks), sockets=[listen_unix(path)])
        await server.start()
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert await ask_unix(path) == repr((None, (str(path), None))).encode()
        await server.close()
        assert not path.exists()


async def test_a_socket_file_of_a_dead_daemon_is_replaced_and_that_of_a_living_one_is_not() -> None:
    with folder() as home:
        path = home / "hal0.sock"
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(path))
        server = Server(with_lifespan(who_asks), sockets=[listen_unix(path)])
        await server.start()
        with pytest.raises(Hal0Error) as refused:
            listen_unix(path)
        assert refused.value.code == "system.address_in_use"
        assert await ask_unix(path)
        await server.close()


async def test_the_socket_file_of_a_successor_is_left_alone() -> None:
    with folder() as home:
        path = home / "hal0.sock"
        server = Server(with_lifespan(who_asks), sockets=[listen_unix(path)])
        await server.start()
        path.rename(home / "old.sock")
        successor = listen_unix(path)
        await server.close()
        assert path.exists()
        successor.close()


async def test_a_taken_port_is_an_error_that_names_the_address() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(Hal0Error) as refused:
            listen_tcp("127.0.0.1", port)
    assert refused.value.code == "system.address_in_use"
    assert str(port) in refused.value.message


async def test_an_address_that_cannot_be_is_an_error_with_a_code() -> None:
    for host in ("203.0.113.1", "no.such.host.invalid"):
        with pytest.raises(Hal0Error) as refused:
            listen_tcp(host, 0)
        assert refused.value.code == "system.address_unusable"
        assert host in refused.value.message
    with pytest.raises(Hal0Error) as refused:
        listen_unix(Path("/tmp") / ("long" * 40))
    assert refused.value.code == "system.address_unusable"
    assert "too long" in refused.value.message


async def test_what_was_reset_before_it_was_accepted_is_not_taken_for_the_unix_socket() -> None:
    asked: list[object] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            asked.append(scope["client"])
            await who_asks(scope, receive, send)

    async with served(app) as (_, port):
        with socket.create_connection(("127.0.0.1", port)) as client:  # the loop does not run: nobody accepts yet
            client.sendall(b"POST /api/keys HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        answer = await ask(port, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")  # it comes after that one
        assert answer.status == 200
    assert asked
    assert None not in asked


async def test_backends_do_not_inherit_listening_sockets() -> None:
    sock = listen_tcp("127.0.0.1", 0)
    assert not os.get_inheritable(sock.fileno())
    sock.close()
