"""HTTP/1.1 towards a backend on this machine: one connection, one request at a time.

Every request is framed afresh here, whole and with its length: nothing of a client's framing reaches a backend, and a
backend never waits for the rest of a request. An answer that ends before its own framing says so is `BrokenAnswer`.
Reading from the backend stops while the reader of the answer is behind.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self, cast

import httptools

from hal0.daemon.http.endpoint import Endpoint
from hal0.daemon.http.payload import Body, Payload
from hal0.daemon.timer import Timer

HEAD_LIMIT_BYTES = 64 * 2**10
UNREAD_LIMIT_BYTES = 64 * 2**10  # how much of an answer is held for a reader that is behind
FETCH_LIMIT_BYTES = 16 * 2**20
CONNECT_TIMEOUT_SECONDS = 5.0


class BrokenAnswer(Exception):  # noqa: N818 - it says what came, as the design pages do
    """What came is not a whole HTTP answer: cut short, malformed, or over a limit."""


async def read_whole(read: Callable[[], Awaitable[bytes]], limit_bytes: int) -> bytes:
    """What `read` gives until it gives nothing; raises BrokenAnswer if that is longer than the limit."""
    parts, size = [], 0
    while data := await read():
        size += len(data)
        if size > limit_bytes:
            raise BrokenAnswer(f"the answer is longer than {limit_bytes} bytes")
        parts.append(data)
    return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an answer; header names are in lower case."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    length: int | None  # bytes of body announced; None: chunked, or until the connection ends
    until_close: bool  # the end of the connection is the end of the body: a crash cannot be told from the end

    def header(self, name: bytes) -> bytes:
        return next((value for key, value in self.headers if key == name), b"")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class Connection(asyncio.Protocol):
    """One connection to a backend. `send`, then `head`, then `read` until it gives b"", or `pour` the body away.

    It may be used again if `is_reusable` after the end of an answer; in every other case `close` it.
    """

    counted: None = None  # the bytes of an answer tell its tokens

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._always = b"host: %b:%d\r\n" % (endpoint.host.encode(), endpoint.port)  # in the head of every request
        if endpoint.key:
            self._always += b"authorization: Bearer %b\r\n" % endpoint.key.encode()
        self.last_heard = 0.0  # loop time of the last bytes that came
        self.paused = False
        self.on_lost: Callable[[Connection], None] | None = None  # told when the connection ends while nobody reads
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._patience = Timer(lambda: self.fail(TimeoutError()))
        self._may_write: asyncio.Future[None] | None = None  # while the backend is behind in taking a request
        self._sink: Callable[[bytes], None] | None = None
        self._error: Exception | None = None
        self._begin()

    def _begin(self) -> None:
        self._head: Head | None = None
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._parts: list[bytes] = []
        self._unread = 0
        self._ended = False
        self._stays_open = False
        self._surplus = False
        self._is_sent = False

    # What users of a connection call

    @classmethod
    async def open(cls, endpoint: Endpoint) -> Self:
        """Connect; raises OSError or TimeoutError."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_TIMEOUT_SECONDS):
            _, connection = await loop.create_connection(lambda: cls(endpoint), endpoint.host, endpoint.port)
        return connection

    async def ask(
        self, method: str, path: str, *, body: Body, headers: tuple[tuple[bytes, bytes], ...], until: float
    ) -> Head:
        """Send one whole request and wait for the head of its answer; raises TimeoutError at that loop time."""
        self._patience.set(until)
        try:
            await self.send_all(method, path, body=body, headers=headers)
            return await self.head()
        finally:
            self._patience.clear()

    def send(self, method: str, path: str, *, body: bytes = b"", headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
        """Send one whole request. The length, the host and the backend's key are added here."""
        transport, head = self._begun(method, path, len(body), headers)
        self._is_sent = True
        if len(body) < UNREAD_LIMIT_BYTES:
            transport.write(head + body)
        else:
            transport.write(head)
            transport.write(body)

    async def send_all(
        self, method: str, path: str, *, body: Body, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        """Send one whole request; one that comes in pieces no faster than the backend takes them.

        Stops early, without a failure of its own, if the backend answers or leaves before it has all of it.
        """
        if isinstance(body, bytes):
            self.send(method, path, body=body, headers=headers)
            return
        transport, head = self._begun(method, path, body.length, headers)
        transport.write(head)
        await self._send_pieces(transport, body)

    async def _send_pieces(self, transport: asyncio.Transport, body: Payload) -> None:
        async for piece in body.pieces():
            if self._head is not None or self._error is not None:
                return
            self.last_heard = self._loop.time()  # what takes a request is not silent
            transport.write(piece)
            if self._may_write is not None:
                await self._may_write
        self._is_sent = True

    def _begun(
        self, method: str, path: str, length: int, headers: tuple[tuple[bytes, bytes], ...]
    ) -> tuple[asyncio.Transport, bytes]:
        """Make ready for a request; gives its head."""
        if self._transport is None or self._error is not None:
            raise self._error or BrokenAnswer("the connection is closed")
        self._begin()
        self.last_heard = self._loop.time()
        lines = [b"%b %b HTTP/1.1\r\n" % (method.encode(), path.encode()), self._always]
        lines += [b"%b: %b\r\n" % header for header in headers]
        lines.append(b"content-length: %d\r\n\r\n" % length)
        return self._transport, b"".join(lines)

    async def head(self) -> Head:
        """Wait for the head of the answer."""
        while self._head is None:
            if self._error is not None:
                raise self._error
            await self._wait()
        return self._head

    async def read(self) -> bytes:
        """The next bytes of the body, as many as have come; b"" at the end."""
        while not self._parts:
            if self._ended:
                return b""
            if self._error is not None:
                raise self._error
            await self._wait()
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self._unread = 0
        self.resume()
        return data

    async def read_all(self, limit_bytes: int) -> bytes:
        """The rest of the body, which must not be longer than the limit."""
        return await read_whole(self.read, limit_bytes)

    async def pour(self, sink: Callable[[bytes], None]) -> None:
        """Give the rest of the body to `sink`, each time straight from the socket's callback; return at its end.

        `sink` must neither wait nor raise; it calls `pause` while its own buffer is full and `resume` later.
        """
        if self._parts:
            sink(b"".join(self._parts))
            self._parts.clear()
            self._unread = 0
            self.resume()
        self._sink = sink
        try:
            while not self._ended:
                if self._error is not None:
                    raise self._error
                await self._wait()
        finally:
            self._sink = None

    def pause(self) -> None:
        if not self.paused and self._transport is not None:
            self.paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        if self.paused and self._transport is not None:
            self.paused = False
            self.last_heard = self._loop.time()
            self._transport.resume_reading()

    @property
    def is_silent(self) -> bool:
        """Whether no byte has come since the request was sent."""
        return self._head_bytes == 0 and self._head is None

    @property
    def is_reusable(self) -> bool:
        return (
            self._ended
            and self._is_sent
            and self._stays_open
            and not self._surplus
            and self._error is None
            and self._transport is not None
        )

    def fail(self, error: Exception) -> None:
        """End the connection; whoever waits for the answer gets `error`."""
        if self._error is None:
            self._error = error
        self.close()
        self._wake()

    def close(self) -> None:
        """End the connection at once, so that the backend notices; safe to call twice."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        if self._error is None:
            self._error = BrokenAnswer("the connection is closed")

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self.last_heard = self._loop.time()

    def data_received(self, data: bytes) -> None:
        self.last_heard = self._loop.time()
        if self._ended:
            self.fail(BrokenAnswer("it sent more than one answer"))
            return
        if self._head is None:
            self._head_bytes += len(data)
        parts = self._parts
        held = len(parts)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self.fail(BrokenAnswer("it wants to speak another protocol"))
        except httptools.HttpParserError as error:
            self._garbled(error)
        if self._head is None and self._head_bytes > HEAD_LIMIT_BYTES:
            self.fail(BrokenAnswer("the head of its answer is too long"))
        if self._sink is not None:
            if parts:
                body = parts[0] if len(parts) == 1 else b"".join(parts)
                parts.clear()
                self._sink(body)
            if self._ended or self._error is not None:
                self._wake()
            return
        for part in parts[held:]:
            self._unread += len(part)
        if self._unread > UNREAD_LIMIT_BYTES:
            self.pause()
        self._wake()

    def pause_writing(self) -> None:
        self._may_write = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._may_write is not None:
            if not self._may_write.done():
                self._may_write.set_result(None)
            self._may_write = None

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._head is not None and self._head.until_close and exc is None:
            self._ended = True
        self._stays_open = False
        if self._error is None:
            where = "before it answered" if self._head is None else "in the middle of its answer"
            self._error = BrokenAnswer(f"the connection ended {where}")
        self.resume_writing()
        self._wake()
        # The parser and the timer hold methods of this object: without this they wait for the garbage collector.
        del self._parser
        self._patience.close()
        if self.on_lost is not None:
            self.on_lost(self)

    # What the parser calls

    def on_message_begin(self) -> None:
        if self._ended:
            self._surplus = True  # more than was asked for, in one piece with the answer: whose is it?

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._head is None:  # later ones are trailers, which nobody here wants
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self._surplus:
            return
        status = self._parser.get_status_code()
        if status < 200:  # "continue" and the like; the answer itself is still to come
            return
        headers = tuple(self._headers)
        length, is_chunked = None, False
        for name, value in headers:
            if name == b"content-length":
                length = int(value)
            elif name == b"transfer-encoding":
                is_chunked = value.lower().endswith(b"chunked")
        if status in (204, 304):
            length = 0
        self._head = Head(status, headers, length, until_close=length is None and not is_chunked)
        self.resume_writing()  # an answer before the whole request was taken: the rest is of no use

    def on_body(self, data: bytes) -> None:
        if not self._surplus:
            self._parts.append(data)

    def on_message_complete(self) -> None:
        if self._head is None:
            self._headers = []
            return
        self._ended = True
        self._stays_open = self._parser.should_keep_alive()

    def _garbled(self, error: Exception) -> None:
        if self._ended:
            self._stays_open = False  # a whole answer came, and then something else
        else:
            self.fail(BrokenAnswer(f"not HTTP: {error}"))

    async def _wait(self) -> None:
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


async def fetch(
    endpoint: Endpoint,
    method: str,
    path: str,
    body: bytes = b"",
    *,
    content_type: str = "application/json",
    timeout_seconds: float,
) -> Answer:
    """Ask once over a connection of its own; raises OSError, TimeoutError or BrokenAnswer."""
    headers = ((b"content-type", content_type.encode()),) if body else ()
    async with asyncio.timeout(timeout_seconds):
        connection = await Connection.open(endpoint)
        try:
            connection.send(method, path, body=body, headers=(*headers, (b"connection", b"close")))
            head = await connection.head()
            return Answer(head.status, head.headers, await connection.read_all(FETCH_LIMIT_BYTES))
        finally:
            connection.close()
