"""How the server stops: no new connections, idle ones closed, answers in flight finished, the rest ended."""

import asyncio
from typing import Any

import pytest

from tests.fakes.door import served, until
from tests.fakes.http_client import connect

GET = b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n"
START = {"type": "http.response.start", "status": 200, "headers": []}


class Slow:
    """An app that answers when it is told to."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()
        self.cancelled = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/a":
            await send(START)
            await send({"type": "http.response.body", "body": b"begun", "more_body": True})
            try:
                await self.go_on.wait()
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        elif scope["path"] == "/late":
            await self.go_on.wait()
            await send(START)
        else:
            await send(START)
        await send({"type": "http.response.body", "body": b"done", "more_body": False})


async def test_drain_lets_streams_end_and_closes_what_is_idle() -> None:
    app = Slow()
    async with served(app) as (server, port), connect(port) as streaming, connect(port) as idle:
        await idle.send(GET.replace(b"/a", b"/b"))
        await idle.answer()
        await streaming.send(GET)
        await streaming.chunk_after_head()
        draining = asyncio.ensure_future(server.drain(5))
        assert await idle.ended()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        assert not draining.done()
        app.go_on.set()
        assert [await streaming.chunk(), await streaming.chunk()] == [b"done", b""]
        assert await streaming.ended()
        assert await draining is True


async def test_drain_tells_late_answers_first_and_then_cuts_them() -> None:
    app, told = Slow(), asyncio.Event()
    async with served(app) as (server, port), connect(port) as client:
        await client.send(GET)
        await client.chunk_after_head()
        assert await server.drain(0.05, at_timeout=told.set) is False
        assert told.is_set()
        assert await client.ended()
        await until(lambda: app.cancelled == 1)


async def test_answers_that_begin_during_the_drain_say_that_the_connection_ends() -> None:
    app = Slow()
    async with served(app) as (server, port), connect(port) as streaming, connect(port) as late:
        await streaming.send(GET)
        await streaming.chunk_after_head()
        await late.send(GET.replace(b"/a", b"/late"))
        await until(lambda: server.in_flight == 2)
        draining = asyncio.ensure_future(server.drain(5))
        app.go_on.set()
        assert (await late.answer()).headers["connection"] == "close"
        assert await draining is True


async def test_close_leaves_no_connection_and_no_task() -> None:
    app = Slow()
    before = asyncio.all_tasks()
    async with served(app) as (server, port), connect(port) as client:
        await client.send(GET)
        await client.chunk_after_head()
        await server.close()
        assert await client.ended()
        await until(lambda: not server.connections and app.cancelled == 1)
    await until(lambda: asyncio.all_tasks() == before)
