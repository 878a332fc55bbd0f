"""A backend that does what a test tells it to, on a real socket: answers, streams, dawdles, breaks off."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from hal0.daemon.http.endpoint import Endpoint

STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


@dataclass
class Asked:
    """One request that reached the backend."""

    line: str
    headers: dict[str, str]
    body: bytes
    writer: asyncio.StreamWriter
    left: asyncio.Event = field(default_factory=asyncio.Event)  # hal0 has closed the connection

    def json(self) -> Any:
        return json.loads(self.body)

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def json_answer(self, body: Any, status: int = 200, *headers: str) -> None:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"HTTP/1.1 {status} X", "content-type: application/json", f"content-length: {len(raw)}", *headers]
        await self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + raw)

    async def event(self, data: Any) -> None:
        """One server-sent event as one chunk."""
        text = data if isinstance(data, str) else json.dumps(data, separators=(",", ":"))
        await self.chunk(b"data: %b\n\n" % text.encode())

    async def chunk(self, data: bytes) -> None:
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def stream(self, texts: list[str], *, pause: float = 0.0) -> None:
        """A whole chat stream as llama.cpp sends it."""
        await self.send(STREAM_HEAD)
        await self.event({"choices": [{"delta": {"role": "assistant", "content": None}}]})
        for text in texts:
            await self.event(delta(text))
            if pause:
                await asyncio.sleep(pause)
        usage = {"completion_tokens": len(texts), "prompt_tokens": 7}
        end = {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": usage}
        await self.event({**end, "timings": {"predicted_per_second": 50.5, "prompt_ms": 3.5}})
        await self.event("[DONE]")
        await self.send(b"0\r\n\r\n")

    def cut(self) -> None:
        """Break the connection off, as a backend that dies does."""
        self.writer.transport.abort()


def delta(text: str) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}}]}


Script = Callable[[Asked], Awaitable[None]]


class Backend:
    """Answers every request with `script`."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.asked: list[Asked] = []
        self.opened = 0  # connections
        self.open = 0
        self.port = 0
        self.arrived = asyncio.Event()  # set at every request

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(self.port, key="backend-key")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        self.open += 1
        try:
            while True:
                asked = await self._read(reader, writer)
                self.asked.append(asked)
                self.arrived.set()
                script = asyncio.ensure_future(_quietly(self.script(asked)))
                watch = asyncio.ensure_future(reader.read(1))
                await asyncio.wait({script, watch}, return_when=asyncio.FIRST_COMPLETED)
                if watch.done():
                    asked.left.set()
                    script.cancel()
                    return
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Asked:
        line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = [header.partition(":") for header in lines if header]
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        return Asked(line, headers, body, writer)


async def _quietly(work: Awaitable[None]) -> None:
    with suppress(ConnectionError):
        await work


@asynccontextmanager
async def backend(script: Script) -> AsyncIterator[Backend]:
    made = Backend(script)
    handlers: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        handlers.add(task)
        try:
            await made.serve(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            handlers.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1024)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in list(handlers):
            task.cancel()
        await asyncio.gather(*handlers, return_exceptions=True)
