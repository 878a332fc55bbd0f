"""A server of model files that speaks HTTP/1.1 with ranges, and misbehaves as it is told.

Each file has a `Behaviour`, which a test changes while the server runs; `requests` tells what was asked, with headers.
It runs in a thread of its own, so that tests with and without a loop can use it.
"""

import asyncio
import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import unquote

CHUNK_BYTES = 16 * 2**10


@dataclass
class Behaviour:
    """How one file is served. The defaults are those of an honest server."""

    body: bytes = b""
    etag: str | None = '"first"'
    content_type: str = "application/octet-stream"
    headers: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    redirect: str = ""  # to this address
    redirect_status: int = 302
    statuses: list[int] = field(default_factory=list)  # answered first, one by one, before the file
    retry_after: str = ""  # with them
    needs_token: str = ""  # else 401
    gated: bool = False  # 403 with the hub's words
    break_after: list[int] = field(
        default_factory=list
    )  # of the next answers: bytes of the body before the line breaks
    stall_after: list[int] = field(default_factory=list)  # the same, before nothing more comes
    wrong_start: int = 0  # added to the first byte of a Content-Range, and of what is sent
    wrong_total: int = 0  # added to the total of a Content-Range
    announce: int = 0  # added to Content-Length
    surplus: bytes = b""  # sent after a body whose length is not announced
    chunked: bool = False  # no Content-Length
    until_close: bool = False  # neither Content-Length nor chunks
    ignore_range: int = 0  # so many requests for a part are answered with 200 and everything
    etags: list[str] = field(default_factory=list)  # of the next answers
    slow_seconds: float = 0.0  # between chunks
    hold: threading.Event | None = None  # the body goes on after half of it only once this is set


@dataclass(frozen=True)
class Asked:
    """One request."""

    path: str
    headers: dict[str, str]
    at: float

    @property
    def range(self) -> str:
        return self.headers.get("range", "")


class ModelServer:
    """Use as `with`. `url("x")` is the address of the file put under `/x`."""

    def __init__(self) -> None:
        self.files: dict[str, Behaviour] = {}
        self.requests: list[Asked] = []
        self.open_bodies = 0
        self.most_open_bodies = 0
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def url(self, path: str) -> str:
        return f"{self.origin}/{path}"

    def put(self, path: str, body: bytes, **more: object) -> Behaviour:
        behaviour = Behaviour(body, **more)  # type: ignore[arg-type]
        self.files["/" + path] = behaviour
        return behaviour

    def put_repository(self, name: str, files: dict[str, bytes], *, commit: str = "c0ffee", lfs: bool = True) -> None:
        """A repository as the hub of Hugging Face serves it: list of files, and the way to each by its revision."""
        entries = [
            {
                "type": "file",
                "path": path,
                "size": len(body),
                "oid": "0" * 40,
                **({"lfs": {"oid": hashlib.sha256(body).hexdigest(), "size": len(body)}} if lfs else {}),
            }
            for path, body in files.items()
        ]
        listing = json.dumps([{"type": "directory", "path": "x", "oid": "1" * 40}, *entries]).encode()
        self.put(f"api/models/{name}/tree/main", listing, content_type="application/json", ranges=False)
        for path, body in files.items():
            self.put(f"cdn/{name}/{path}", body)
            for revision in ("main", commit):
                linked = {
                    "X-Repo-Commit": commit,
                    "X-Linked-Size": str(len(body)),
                    "X-Linked-Etag": f'"{hashlib.sha256(body).hexdigest()}"',
                }
                self.put(
                    f"{name}/resolve/{revision}/{path}", b"", redirect=self.url(f"cdn/{name}/{path}"), headers=linked
                )

    def asked(self, path: str) -> list[Asked]:
        return [each for each in self.requests if each.path == "/" + path]

    # HTTP ------------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        tasks: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = self._loop.create_task(self._connection(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                _, target, _ = head[0].split(" ")
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
                path = unquote(target.partition("?")[0])
                self.requests.append(Asked(path, headers, self._loop.time()))
                if not await self._answer(path, headers, writer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.transport.abort()

    async def _answer(self, path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> bool:
        """Whether the connection can be used again."""
        file = self.files.get(path)
        if file is None:
            return _send(writer, 404, {"X-Error-Code": "EntryNotFound"}, b"not here")
        if file.statuses:
            more = {"Retry-After": file.retry_after} if file.retry_after else {}
            return _send(writer, file.statuses.pop(0), more, b"<html>come back later</html>")
        if file.needs_token and headers.get("authorization") != f"Bearer {file.needs_token}":
            return _send(writer, 401, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted"}, b"")
        if file.gated:
            return _send(writer, 403, {"X-Error-Code": "GatedRepo", "X-Error-Message": "You must accept it"}, b"")
        if file.redirect:
            return _send(writer, file.redirect_status, {**file.headers, "Location": file.redirect}, b"")
        return await self._send_file(file, headers, writer)

    async def _send_file(self, file: Behaviour, headers: dict[str, str], writer: asyncio.StreamWriter) -> bool:
        body, status, extra = file.body, 200, dict(file.headers)
        asked = headers.get("range", "")
        if asked and file.ignore_range:
            file.ignore_range -= 1
            asked = ""
        if asked and file.ranges:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, end = int(first), min(int(last or len(body)), len(body) - 1)
            if start >= len(body):
                return _send(writer, 416, {"Content-Range": f"bytes */{len(body)}"}, b"")
            # A wrong start is a lie of a server that is right about the first byte.
            shift = file.wrong_start if start else 0
            total = len(body) + (file.wrong_total if start else 0)
            extra["Content-Range"] = f"bytes {start + shift}-{end + shift}/{total}"
            body, status = body[start + shift : end + 1 + shift], 206
        etag = file.etags.pop(0) if file.etags else file.etag
        if etag:
            extra["ETag"] = etag
        extra["Content-Type"] = file.content_type
        if file.chunked:
            extra["Transfer-Encoding"] = "chunked"
        elif file.until_close:
            extra["Connection"] = "close"
        else:
            extra["Content-Length"] = str(len(body) + file.announce)
        writer.write(_head(status, extra))
        is_probe = len(body) <= 1
        breaks = None if is_probe or not file.break_after else file.break_after.pop(0)
        stalls = None if is_probe or not file.stall_after else file.stall_after.pop(0)
        self.open_bodies += 1
        self.most_open_bodies = max(self.most_open_bodies, self.open_bodies)
        try:
            return await self._send_body(file, body + file.surplus, writer, breaks, stalls)
        finally:
            self.open_bodies -= 1

    async def _send_body(
        self, file: Behaviour, body: bytes, writer: asyncio.StreamWriter, breaks: int | None, stalls: int | None
    ) -> bool:
        at = 0
        while at < len(body):
            end = min(at + CHUNK_BYTES, len(body), *(limit for limit in (breaks, stalls) if limit is not None))
            chunk = body[at:end]
            writer.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" if file.chunked and chunk else chunk)
            await writer.drain()
            at = end
            if breaks is not None and at >= breaks:
                await asyncio.sleep(0)
                return False
            if stalls is not None and at >= stalls:
                await asyncio.Event().wait()
            if file.hold is not None and len(body) > 1 and at >= len(body) // 2:
                while not file.hold.is_set():
                    await asyncio.sleep(0.005)
            await asyncio.sleep(file.slow_seconds)
        if file.chunked:
            writer.write(b"0\r\n\r\n")
        await writer.drain()
        return not file.until_close


def _head(status: int, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} Said", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def _send(writer: asyncio.StreamWriter, status: int, headers: dict[str, str], body: bytes) -> bool:
    writer.write(_head(status, {"Content-Length": str(len(body)), **headers}) + body)
    return True


def wait_for(claim: Callable[[], bool], what: str, *, seconds: float = 10.0) -> None:
    """For tests without a loop."""
    import time

    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, what
        time.sleep(0.005)
