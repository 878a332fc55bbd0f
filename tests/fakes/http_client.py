"""A client that speaks HTTP by the byte: it can say what no library would, and sees exactly what comes back."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from tests.fakes.tls import client_side


@dataclass(frozen=True)
class Seen:
    """One answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes
    is_whole: bool = True

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json()["error"]["code"])

    def events(self) -> list[str]:
        """The data of each server-sent event."""
        return [event.removeprefix("data: ") for event in self.body.decode().split("\n\n") if event]


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def head(self) -> tuple[int, dict[str, str]]:
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = [line.partition(":") for line in lines[1:] if line]
        return int(lines[0].split()[1]), {name.lower(): value.strip() for name, _, value in pairs}

    async def answer(self, *, method: str = "POST") -> Seen:
        """Read one answer by its own framing; one that is cut short is marked so."""
        status, headers = await self.head()
        body, is_whole = b"", True
        try:
            async for chunk in self._body(headers, has_body=method != "HEAD" and status not in (204, 304)):
                body += chunk
        except (asyncio.IncompleteReadError, ConnectionResetError):
            is_whole = False
        return Seen(status, headers, body, is_whole)

    async def chunk_after_head(self) -> bytes:
        """The head and the first chunk."""
        await self.head()
        return await self.chunk()

    async def chunk(self) -> bytes:
        """One chunk of a chunked body; b"" for the last."""
        size = int((await self.reader.readuntil(b"\r\n")).strip(), 16)
        return (await self.reader.readexactly(size + 2))[:-2]

    async def ended(self) -> bool:
        """Wait for the server to close; tells whether it did so without another byte."""
        try:
            return await self.reader.read(1) == b""
        except ConnectionResetError:
            return True

    async def close(self) -> None:
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()

    def abort(self) -> None:
        self.writer.transport.abort()

    async def _body(self, headers: dict[str, str], *, has_body: bool) -> AsyncIterator[bytes]:
        if not has_body:
            return
        if "content-length" in headers:
            yield await self.reader.readexactly(int(headers["content-length"]))
        elif headers.get("transfer-encoding") == "chunked":
            while chunk := await self.chunk():
                yield chunk
        else:
            yield await self.reader.read()


@asynccontextmanager
async def connect(port: int, *, seconds: float = 30.0) -> AsyncIterator[Client]:
    client = Client(*await asyncio.open_connection("127.0.0.1", port, ssl=client_side()))
    try:
        async with asyncio.timeout(seconds):
            yield client
    finally:
        await client.close()


def post(path: str, body: Any, *headers: str) -> bytes:
    """A request as bytes; a body that is not bytes is sent as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"POST {path} HTTP/1.1", "host: hal0", f"content-length: {len(raw)}", *headers]
    if not any(header.lower().startswith("content-type") for header in headers):
        lines.append("content-type: application/json")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + raw


async def ask(port: int, request: bytes, *, method: str = "POST") -> Seen:
    async with connect(port) as client:
        await client.send(request)
        return await client.answer(method=method)
