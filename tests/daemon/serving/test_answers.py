"""How answers leave: framed, bounded, ended properly, or visibly cut."""

import asyncio
import logging
import socket
from contextlib import ExitStack
from typing import Any

import pytest

from hal0.daemon.http.pipe import CutShort
from hal0.daemon.serving.limits import Limits
from tests.fakes.door import served, until
from tests.fakes.http_client import ask, connect, post
from tests.fakes.tls import client_side

GET = b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n"
START = {"type": "http.response.start", "status": 200, "headers": []}


def part(data: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def test_an_answer_without_a_length_is_chunked_and_each_part_arrives_when_it_is_sent() -> None:
    go_on = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(part(b"one"))
        await go_on.wait()
        await send(part(b"two"))
        await send(part(b"", more=False))

    async with served(app) as (_, port), connect(port) as client:
        await client.send(GET)
        assert (await client.head())[1]["transfer-encoding"] == "chunked"
        assert await client.chunk() == b"one"
        go_on.set()
        assert [await client.chunk(), await client.chunk()] == [b"two", b""]


async def test_the_head_is_not_held_back_until_the_body_comes() -> None:
    go_on = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await go_on.wait()
        await send(part(b"late", more=False))

    async with served(app) as (_, port), connect(port) as client:
        await client.send(GET)
        assert (await client.head())[0] == 200
        go_on.set()
        assert await client.chunk() == b"late"


async def test_an_app_that_fails_before_the_head_answers_500_in_our_envelope(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("secret detail")

    with caplog.at_level(logging.CRITICAL, "hal0"):
        async with served(app) as (_, port):
            answer = await ask(port, GET)
    assert (answer.status, answer.code) == (500, "system.internal")
    assert b"secret" not in answer.body


@pytest.mark.parametrize("failure", [RuntimeError("x"), CutShort("x")])
async def test_an_app_that_fails_after_the_head_cuts_the_connection(
    failure: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        await send(part(b"one"))
        raise failure

    with caplog.at_level(logging.CRITICAL, "hal0"):
        async with served(app) as (_, port):
            answer = await ask(port, GET)
    assert (answer.body, answer.is_whole) == (b"one", False)


async def test_an_answer_shorter_or_longer_than_announced_is_cut(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({**START, "headers": [(b"content-length", b"5")]})
        await send(part(b"four" if scope["path"] == "/short" else b"sixsix"))
        await send(part(b"", more=False))

    with caplog.at_level(logging.CRITICAL, "hal0"):
        async with served(app) as (_, port):
            for path, sent in ((b"/short", b"four"), (b"/long", b"")):
                async with connect(port) as client:
                    await client.send(GET.replace(b"/a", path))
                    assert (await client.reader.read()).partition(b"\r\n\r\n")[2] == sent


async def test_a_header_that_would_split_the_answer_is_not_sent(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({**START, "headers": [(b"x-evil", b"a\r\nset-cookie: b")]})

    with caplog.at_level(logging.CRITICAL, "hal0"):
        async with served(app) as (_, port), connect(port) as client:
            await client.send(GET)
            assert b"set-cookie" not in await client.reader.read()


async def test_a_large_body_is_read_no_faster_than_the_app_takes_it() -> None:
    go_on = asyncio.Event()
    size = 32 * 2**20

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await go_on.wait()
        got = 0
        while True:
            message = await receive()
            got += len(message["body"])
            if not message["more_body"]:
                break
        await send(START)
        await send(part(b"%d" % got, more=False))

    async with served(app) as (server, port), connect(port) as client:
        sending = asyncio.ensure_future(client.send(post("/", b"x" * size)))
        await until(lambda: bool(server.connections))
        (connection,) = server.connections
        await until(lambda: connection._is_reading_paused)
        unread = connection._current._unread  # type: ignore[union-attr]
        assert unread < 2 * 2**20
        go_on.set()
        await sending
        assert (await client.answer()).body == b"%d" % size


async def test_an_app_waits_for_a_client_that_does_not_read() -> None:
    sent = 0

    async def app(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        await send(START)
        for _ in range(1000):
            await send(part(b"x" * 2**16))
            sent += 1
        await send(part(b"", more=False))

    async with served(app) as (server, port), connect(port) as client:
        await client.send(GET)
        await client.head()
        before = -1
        while sent != before:  # what lies on the way, sockets and TLS, fills bit by bit
            before = sent
            await asyncio.sleep(0.2)
        assert any(connection.is_full for connection in server.connections)
        assert 0 < before < 300  # sockets' own buffers take some
        size = 0
        while chunk := await client.chunk():
            size += len(chunk)
        assert size == 1000 * 2**16


async def test_an_endless_answer_does_not_starve_the_loop_and_ends_when_the_client_leaves() -> None:
    ended = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        try:
            while True:
                await send(part(b"x"))
        finally:
            ended.set()

    async with served(app) as (_, port), connect(port) as client:
        await client.send(GET)
        await client.chunk_after_head()
        client.abort()
        async with asyncio.timeout(2):
            await ended.wait()


async def test_a_client_that_takes_nothing_for_too_long_is_let_go() -> None:
    ended = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send(START)
        try:
            while True:
                await send(part(b"x" * 2**16))
        finally:
            ended.set()

    async with served(app, Limits(stuck_seconds=0.3)) as (_, port), connect(port) as client:
        await client.send(GET)
        await client.head()
        async with asyncio.timeout(30):
            await ended.wait()


async def test_an_app_is_cancelled_at_once_when_its_client_leaves_before_the_answer() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async with served(app) as (_, port), connect(port) as client:
        await client.send(GET)
        await begun.wait()
        client.abort()
        async with asyncio.timeout(1):
            await ended.wait()


async def test_an_app_that_waits_in_receive_hears_of_its_client_leaving_and_may_end_by_itself() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        seen.append((await receive())["type"])
        await asyncio.sleep(0.05)
        seen.append("cleaned up")

    async with served(app) as (_, port), connect(port) as client:
        await client.send(GET)
        await asyncio.sleep(0.05)
        client.abort()
        await until(lambda: seen == ["http.disconnect", "cleaned up"])


async def test_an_answer_given_without_reading_the_body_reaches_a_client_that_sends_all_of_it_first() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({**START, "status": 413})
        await send(part(b"too much", more=False))

    def send_then_read(port: int) -> bytes:
        tls = client_side()
        with ExitStack() as stack:
            sock = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            if tls is not None:
                sock = stack.enter_context(tls.wrap_socket(sock, server_hostname="127.0.0.1"))
            sock.sendall(post("/", b"x" * 20_000_000))
            answer = b""
            while piece := sock.recv(65536):
                answer += piece
            return answer

    async with served(app) as (_, port):
        answer = await asyncio.to_thread(send_then_read, port)
        assert answer.startswith(b"HTTP/1.1 413 ")
        assert b"connection: close\r\n" in answer
        assert answer.endswith(b"\r\n\r\ntoo much")
