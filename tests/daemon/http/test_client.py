"""The client towards backends: what is a whole answer, and what is not."""

import asyncio

import pytest

from hal0.daemon.http.client import BrokenAnswer, Connection, fetch
from tests.fakes.backend import Asked, backend


async def test_fetch_asks_once_with_the_key_and_gives_the_whole_answer() -> None:
    async def script(asked: Asked) -> None:
        await asked.json_answer({"you": asked.json()["sent"]}, 201)

    async with backend(script) as upstream:
        answer = await fetch(upstream.endpoint, "POST", "/x", b'{"sent":"me"}', timeout_seconds=5)
        assert (answer.status, answer.body) == (201, b'{"you": "me"}')
        assert (b"content-type", b"application/json") in answer.headers
        (asked,) = upstream.asked
        assert asked.line == "POST /x HTTP/1.1"
        assert asked.headers["authorization"] == "Bearer backend-key"
        assert asked.headers["content-length"] == "13"
        assert upstream.open <= 1


async def test_fetch_gives_up_in_time() -> None:
    async def script(asked: Asked) -> None:
        await asked.left.wait()

    async with backend(script) as upstream:
        with pytest.raises(TimeoutError):
            await fetch(upstream.endpoint, "GET", "/", timeout_seconds=0.1)
        async with asyncio.timeout(1):
            await upstream.asked[0].left.wait()


async def test_fetch_from_a_closed_port_is_an_os_error() -> None:
    async def script(asked: Asked) -> None: ...

    async with backend(script) as upstream:
        pass
    with pytest.raises(OSError, match="Connect"):
        await fetch(upstream.endpoint, "GET", "/", timeout_seconds=1)


WHOLE = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nx: y\r\n\r\n",
    "until_close": b"HTTP/1.0 200 OK\r\n\r\nhello",
    "after_continue": b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
}


@pytest.mark.parametrize("words", WHOLE.values(), ids=WHOLE)
async def test_every_framing_is_understood_byte_by_byte_and_at_once(words: bytes) -> None:
    async def script(asked: Asked) -> None:
        if asked.line.startswith("POST"):
            for byte in words:
                await asked.send(bytes([byte]))
                await asyncio.sleep(0)
        else:
            await asked.send(words)
        asked.writer.close()

    async with backend(script) as upstream:
        for method in ("GET", "POST"):
            assert (await fetch(upstream.endpoint, method, "/", timeout_seconds=5)).body == b"hello"


BROKEN = {
    "length_cut": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
    "chunks_cut": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    "head_cut": b"HTTP/1.1 200 OK\r\nConte",
    "nothing": b"",
    "not_http": b"220 smtp ready\r\n",
    "both_framings": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "long_head": b"HTTP/1.1 200 OK\r\nx: " + b"a" * 70_000,
    "upgrade": b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
}


@pytest.mark.parametrize("words", BROKEN.values(), ids=BROKEN)
async def test_what_is_not_a_whole_answer_is_broken(words: bytes) -> None:
    async def script(asked: Asked) -> None:
        await asked.send(words)
        asked.writer.close()

    async with backend(script) as upstream:
        with pytest.raises(BrokenAnswer):
            await fetch(upstream.endpoint, "GET", "/", timeout_seconds=5)


async def test_a_reader_that_is_behind_stops_the_backend() -> None:
    sent = 0

    async def script(asked: Asked) -> None:
        nonlocal sent
        await asked.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (64 * 2**20))
        for _ in range(64):
            await asked.send(b"x" * 2**20)
            sent += 1

    async with backend(script) as upstream:
        connection = await Connection.open(upstream.endpoint)
        connection.send("GET", "/")
        await connection.head()
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.1)
        assert connection.paused
        assert sent < 32
        assert len(await connection.read_all(2**30)) == 64 * 2**20
        connection.close()


@pytest.mark.parametrize("announcement", ["connection: close", "connection: keep-alive"])
async def test_a_connection_is_offered_again_only_if_the_backend_stays(announcement: str) -> None:
    async def script(asked: Asked) -> None:
        await asked.json_answer({}, 200, announcement)

    async with backend(script) as upstream:
        connection = await Connection.open(upstream.endpoint)
        connection.send("GET", "/")
        await connection.head()
        await connection.read_all(100)
        assert connection.is_reusable is (announcement == "connection: keep-alive")
        connection.close()
        assert not connection.is_reusable


@pytest.mark.parametrize("pause", [0.0, 0.02])
async def test_bytes_after_an_answer_are_not_taken_for_it_and_make_the_connection_useless(pause: float) -> None:
    async def script(asked: Asked) -> None:
        answer = b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n"
        if pause:
            await asked.send(answer + b"yes")
            await asyncio.sleep(pause)
            await asked.send(answer + b"bad")
        else:
            await asked.send(answer + b"yes" + answer + b"bad")

    async with backend(script) as upstream:
        connection = await Connection.open(upstream.endpoint)
        connection.send("GET", "/")
        await connection.head()
        assert await connection.read_all(100) == b"yes"
        async with asyncio.timeout(2):
            while connection.is_reusable:
                await asyncio.sleep(0.005)
