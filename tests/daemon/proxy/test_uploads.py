"""A recording on its way to a backend: on disk meanwhile, framed anew, sent again if need be, and gone in any case."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hal0.daemon.http.client import Connection
from hal0.daemon.http.endpoint import Endpoint
from hal0.spool import MEMORY_BYTES
from tests.fakes.backend import Asked, backend
from tests.fakes.door import relaying, until
from tests.fakes.http_client import ask, connect, post
from tests.fakes.openai_server import fields_of
from tests.test_forms import open_files

PATH = "/v1/audio/transcriptions"
MEDIA = "content-type: multipart/form-data; boundary=b"
LARGE = 4 * MEMORY_BYTES
LIMIT_SECONDS = 20


def form(sound: bytes, **fields: str) -> bytes:
    parts = [
        f'--b\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()
    ]
    head = '--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\ncontent-type: audio/wav\r\n\r\n'
    return head.encode() + sound + b"\r\n" + "".join(parts).encode() + b"--b--\r\n"


def request(sound: bytes, **fields: str) -> bytes:
    return post(PATH, form(sound, **{"model": "primary", **fields}), MEDIA)


async def answer(asked: Asked) -> None:
    got = fields_of(asked.headers["content-type"], asked.body)
    await asked.json_answer({"text": f"{got['model']} {len(got['file']['content'])}"})


async def test_the_file_lies_on_disk_until_the_answer_is_there_and_reaches_the_backend_whole(tmp_path: Path) -> None:
    sound = os.urandom(LARGE)
    before = open_files()
    during: list[str] = []

    async def script(asked: Asked) -> None:
        during.extend(open_files())
        got: Any = fields_of(asked.headers["content-type"], asked.body)
        assert got["file"]["content"] == sound
        assert (got["model"], got["prompt"], got["file"]["name"]) == ("tiny", "x", "a.wav")
        assert asked.headers["content-length"] == str(len(asked.body))
        await asked.json_answer({"text": "heard"})

    async with backend(script) as upstream, relaying(upstream.endpoint, uploads=tmp_path) as relay:
        seen = await ask(relay.port, request(sound, prompt="x"))
        assert (seen.status, seen.json()) == (200, {"text": "heard"})
        await until(lambda: open_files() == before)
        (view,) = relay.requests.views()
        assert (view.prompt, view.text) == ("a.wav (4096 KiB)", "heard")
    assert len(during) == len(before) + 1
    assert list(tmp_path.iterdir()) == []


async def test_a_stale_connection_costs_an_upload_nothing(tmp_path: Path) -> None:
    async def script(asked: Asked) -> None:
        if upstream.opened == 1 and len(upstream.asked) == 2:
            asked.cut()
        else:
            await answer(asked)

    async with backend(script) as upstream, relaying(upstream.endpoint, uploads=tmp_path) as relay:
        for _ in range(2):
            assert (await ask(relay.port, request(bytes(LARGE)))).json() == {"text": f"tiny {LARGE}"}
        assert (upstream.opened, len(upstream.asked)) == (2, 3)
        assert (await ask(relay.port, request(b"short"))).json() == {"text": "tiny 5"}
        assert upstream.opened == 2, "a connection that took an upload is used again"


async def test_a_backend_that_refuses_before_it_has_taken_all_is_heard(tmp_path: Path) -> None:
    """It reads the head alone and answers; what it does not take would fill every buffer on the way."""
    before = open_files()
    connections = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append((reader, writer))  # a reader that nobody holds would take everything
        await reader.readuntil(b"\r\n\r\n")
        body = b'{"error":{"message":"too much"}}'
        writer.write(b"HTTP/1.1 413 X\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    endpoint = Endpoint(server.sockets[0].getsockname()[1])
    async with server, relaying(endpoint, uploads=tmp_path) as relay, asyncio.timeout(LIMIT_SECONDS):
        seen = await ask(relay.port, request(bytes(32 * MEMORY_BYTES)))
        assert (seen.status, seen.code) == (400, "dispatch.upstream_rejected")
        assert "too much" in seen.json()["error"]["message"]
        await until(lambda: open_files() == before)
        assert relay.pool.count(endpoint) == 0, "half a request lies on that connection"
        for _, writer in connections:
            writer.transport.abort()
            with suppress(ConnectionError):
                await writer.wait_closed()


class Pieces:
    """64 MiB, and how many of them were asked for."""

    content_type = "x/y"
    length = 64 * 2**20

    def __init__(self) -> None:
        self.given = 0

    async def pieces(self) -> Any:
        for _ in range(64):
            self.given += 1
            yield bytes(2**20)

    async def until_it_stands_still(self) -> None:
        before = -1
        while before != self.given:
            before = self.given
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("takes_all", [True, False])
async def test_an_upload_is_no_faster_than_the_backend_takes_it_and_ends_when_it_answers(takes_all: bool) -> None:
    go_on, ended = asyncio.Event(), asyncio.Event()
    taken = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        await reader.readuntil(b"\r\n\r\n")
        await go_on.wait()
        while takes_all and taken < Pieces.length and (data := await reader.read(65536)):
            taken += len(data)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        await ended.wait()
        writer.transport.abort()
        with suppress(ConnectionError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    body = Pieces()
    async with server, asyncio.timeout(LIMIT_SECONDS):
        connection = await Connection.open(Endpoint(server.sockets[0].getsockname()[1]))
        sending = asyncio.ensure_future(connection.send_all("POST", "/", body=body))
        await body.until_it_stands_still()
        assert 0 < body.given < 32
        go_on.set()
        await sending
        assert (await connection.head()).status == 200
        assert await connection.read_all(10) == b"{}"
        assert (body.given == 64) is takes_all
        assert connection.is_reusable is takes_all
        assert taken == (Pieces.length if takes_all else 0)
        connection.close()
        ended.set()
        await asyncio.sleep(0)


@pytest.mark.parametrize("sent_bytes", [400, 3 * MEMORY_BYTES])
async def test_a_client_that_leaves_in_the_middle_of_its_upload_leaves_nothing(tmp_path: Path, sent_bytes: int) -> None:
    before = open_files()
    async with backend(answer) as upstream, relaying(upstream.endpoint, uploads=tmp_path) as relay:
        async with connect(relay.port) as client:
            await client.send(request(bytes(LARGE))[:sent_bytes])
            await until(lambda: bool(relay.requests.views()))
            if sent_bytes > 2 * MEMORY_BYTES:
                await until(lambda: len(open_files()) > len(before))
            client.abort()
            await until(lambda: relay.requests.views()[0].phase == "finished")
        await until(lambda: open_files() == before)
        assert upstream.opened == 0
        assert relay.requests.views()[0].outcome == "cancelled"


async def test_a_client_that_leaves_while_the_backend_listens_stops_it(tmp_path: Path) -> None:
    before = open_files()

    async def script(asked: Asked) -> None:
        await asked.left.wait()

    async with backend(script) as upstream, relaying(upstream.endpoint, uploads=tmp_path) as relay:
        async with connect(relay.port) as client:
            await client.send(request(bytes(LARGE)))
            await upstream.arrived.wait()
            client.abort()
            async with asyncio.timeout(LIMIT_SECONDS):
                await upstream.asked[0].left.wait()
        await until(lambda: open_files() == before)


async def test_what_hal0s_own_backend_says_of_a_file_is_told_as_it_says_it(tmp_path: Path) -> None:
    said = {
        "code": "dispatch.unsupported_audio",
        "message": "x",
        "details": {"file": "a.wav", "reason": "why", "param": 1},
    }

    async def script(asked: Asked) -> None:
        await asked.json_answer({"error": said}, 415)

    async with backend(script) as upstream, relaying(upstream.endpoint, uploads=tmp_path) as relay:
        seen = await ask(relay.port, request(b"x"))
        assert (seen.status, seen.code) == (415, "dispatch.unsupported_audio")
        assert seen.json()["error"]["message"] == "a.wav holds no sound that can be read: why"


async def test_no_room_for_an_upload_is_told_before_a_backend_is_asked(tmp_path: Path) -> None:
    async with backend(answer) as upstream, relaying(upstream.endpoint, uploads=tmp_path / "gone") as relay:
        seen = await ask(relay.port, request(bytes(LARGE)))
        assert (seen.status, seen.code) == (500, "system.state_unwritable")
        assert (await ask(relay.port, request(b"small"))).status == 200, "what is small needs no disk"
        assert len(upstream.asked) == 1
