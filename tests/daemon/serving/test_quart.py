"""The admin app's framework on this server: answers, uploads, and an event stream whose reader leaves."""

import asyncio
from collections.abc import AsyncIterator

from quart import Quart, Response, request

from hal0.daemon.serving.server import Server
from hal0.daemon.serving.sockets import listen_tcp
from tests.fakes.door import until
from tests.fakes.http_client import ask, connect, post
from tests.fakes.tls import server_side


async def test_quart_serves_and_its_event_streams_end_when_their_reader_leaves() -> None:
    app = Quart("test")
    told: list[str] = []

    @app.before_serving
    async def begin() -> None:
        told.append("began")

    @app.after_serving
    async def end() -> None:
        told.append("ended")

    @app.post("/echo")
    async def echo() -> Response:
        return Response(await request.get_data())

    @app.get("/events")
    async def events() -> Response:
        async def follow() -> AsyncIterator[bytes]:
            told.append("open")
            try:
                while True:
                    yield b"data: 1\n\n"
                    await asyncio.sleep(0.01)
            finally:
                told.append("closed")

        answer = Response(follow(), content_type="text/event-stream")
        answer.timeout = None
        return answer

    sock = listen_tcp("127.0.0.1", 0)
    port = sock.getsockname()[1]
    server = Server(app, sockets=[sock], tls=server_side())
    await server.start()
    try:
        big = b"x" * 3_000_000
        assert (await ask(port, post("/echo", big))).body == big
        assert (await ask(port, b"HEAD /events HTTP/1.1\r\nhost: a\r\n\r\n", method="HEAD")).status == 200
        assert (await ask(port, post("/nothing", b""))).status == 404
        told.clear()
        async with connect(port) as client:
            await client.send(b"GET /events HTTP/1.1\r\nhost: a\r\n\r\n")
            await client.chunk_after_head()
            await client.chunk()
            client.abort()
            await until(lambda: told == ["open", "closed"])
        await until(lambda: not server.connections)
    finally:
        await server.close()
    assert told[-1] == "ended"


async def test_a_reader_of_quarts_events_that_leaves_while_nothing_is_sent_is_noticed() -> None:
    app, told = Quart("test"), asyncio.Event()

    @app.get("/quiet")
    async def quiet() -> Response:
        async def follow() -> AsyncIterator[bytes]:
            yield b": connected\n\n"
            try:
                await asyncio.sleep(60)
            finally:
                told.set()

        answer = Response(follow(), content_type="text/event-stream")
        answer.timeout = None
        return answer

    sock = listen_tcp("127.0.0.1", 0)
    server = Server(app, sockets=[sock], tls=server_side())
    await server.start()
    try:
        async with connect(sock.getsockname()[1]) as client:
            await client.send(b"GET /quiet HTTP/1.1\r\nhost: a\r\n\r\n")
            await client.chunk_after_head()
            client.abort()
            async with asyncio.timeout(2):
                await told.wait()
    finally:
        await server.close()
