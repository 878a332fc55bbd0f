"""More clients than there is room for: the daemon stays within reach."""

import asyncio
import logging
from contextlib import AsyncExitStack, suppress
from typing import Any

import pytest

from hal0.daemon.serving.limits import Limits
from hal0.daemon.serving.server import Server
from hal0.daemon.serving.sockets import listen_unix
from tests.daemon.serving.test_sockets import ask_unix, folder, who_asks
from tests.fakes.door import served, until, with_lifespan
from tests.fakes.http_client import Client, connect

HELLO = b"GET /%d HTTP/1.1\r\nhost: a\r\n\r\n"


async def when_told(scope: Any, receive: Any, send: Any) -> None:
    """Answers at once, but for /1, whose client has to leave first."""
    while scope["path"] == "/1" and (await receive())["type"] != "http.disconnect":
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


async def several(stack: AsyncExitStack, port: int, count: int) -> list[Client]:
    return [await stack.enter_async_context(connect(port)) for _ in range(count)]


async def test_past_the_limit_the_connection_that_was_idle_for_longest_makes_room() -> None:
    async with served(when_told, Limits(connections=3)) as (_, port), AsyncExitStack() as stack:
        clients = await several(stack, port, 3)
        for client in (*clients, clients[0]):  # the first was busy last
            await asyncio.sleep(0.005)  # uvloop's clock counts milliseconds; none shares its last one with another
            await client.send(HELLO % 0)
            assert (await client.answer(method="GET")).status == 200
        (newcomer,) = await several(stack, port, 1)
        await newcomer.send(HELLO % 0)
        assert (await newcomer.answer(method="GET")).status == 200
        assert await clients[1].ended()
        for client in (clients[0], clients[2]):
            await client.send(HELLO % 0)
            assert (await client.answer(method="GET")).status == 200


async def test_a_crowd_that_only_sits_there_does_not_keep_others_out() -> None:
    async with served(when_told, Limits(connections=20)) as (server, port), AsyncExitStack() as stack:
        await several(stack, port, 60)
        await until(lambda: len(server.connections) <= 20)
        (newcomer,) = await several(stack, port, 1)
        await newcomer.send(HELLO % 0)
        assert (await newcomer.answer(method="GET")).status == 200


async def test_while_all_are_busy_a_newcomer_is_told_to_come_again_and_the_log_says_so_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    async with served(when_told, Limits(connections=2)) as (server, port), AsyncExitStack() as stack:
        busy = await several(stack, port, 2)
        for client in busy:
            await client.send(HELLO % 1)
        await until(lambda: server.in_flight == 2)
        for client in await several(stack, port, 3):
            answer = await client.answer(method="GET")
            assert (answer.status, answer.code) == (503, "system.overloaded")
            assert answer.headers["retry-after"] == "1"
            assert answer.headers["x-request-id"]
        assert len([record for record in caplog.records if "client connections" in record.message]) == 1
        for _ in range(50):  # nor can those that are refused pile up
            with suppress(OSError):  # over TLS they do not come so far
                (client,) = await several(stack, port, 1)
                client.writer.write(b"x")
        await until(lambda: len(server.connections) <= 2 + 32)
        busy[0].abort()
        await until(lambda: server.in_flight == 1)
        await until(lambda: len(server.connections) <= 1)
        (newcomer,) = await several(stack, port, 1)
        await newcomer.send(HELLO % 0)
        assert (await newcomer.answer(method="GET")).status == 200


async def test_the_unix_socket_lets_everybody_in() -> None:
    with folder() as path:
        sock = listen_unix(path / "s")
        server = Server(with_lifespan(who_asks), sockets=[sock], limits=Limits(connections=0))
        await server.start()
        try:
            answers = await asyncio.gather(*(ask_unix(path / "s") for _ in range(40)))
            assert all(b"None" in answer for answer in answers)
        finally:
            await server.close()
