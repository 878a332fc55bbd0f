"""One request and its answer, as ASGI sees them: scope, receive, send.

Everything written goes through `send` or the pipe, which frame it; an app cannot send a message that is not HTTP. Both
directions are bounded: `send` waits while the client is behind, and the client is not read while the app is behind.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from hal0.daemon.http.pipe import ClientGone
from hal0.daemon.serving.reply import STATUS_LINES, date_line
from hal0.errors import Hal0Error

# How much may be sent without once giving way to others, if the client takes everything at once; a part costs time
# however short it is.
BURST_BYTES = 256 * 2**10
PART_BYTES = 2**10
# What belongs to the connection and not to the answer; only the server says it.
CONNECTION_HEADERS = frozenset({b"connection", b"transfer-encoding", b"keep-alive", b"upgrade", b"date"})


class Line(Protocol):
    """What an exchange needs of its connection."""

    loop: asyncio.AbstractEventLoop
    is_gone: bool
    is_full: bool

    @property
    def is_draining(self) -> bool: ...

    def write(self, data: bytes) -> None: ...
    async def drained(self) -> None: ...
    def resume_reading(self) -> None: ...


class Exchange:
    """One request on one connection."""

    __slots__ = (
        "_body_left",
        "_burst",
        "_chunked",
        "_connection",
        "_head",
        "_head_flush",
        "_on_pause",
        "_on_resume",
        "_parts",
        "_sends_body",
        "_unread",
        "_waiter",
        "answered",
        "began",
        "expects_continue",
        "finished",
        "keep_alive",
        "received",
        "refused",
        "scope",
    )

    def __init__(self, connection: Line, scope: dict[str, Any], *, keep_alive: bool) -> None:
        self.scope = scope
        self.keep_alive = keep_alive  # whether the connection may serve another request after this one
        self.expects_continue = False
        self.received = False  # the whole request has arrived
        self.refused: Hal0Error | None = None  # what was wrong with the rest of the request
        self.began = False  # the app gave the head of its answer
        self.answered = False  # the head is on its way to the client
        self.finished = False  # the whole answer is
        self._connection = connection
        self._parts: list[bytes] = []
        self._unread = 0
        self._waiter: asyncio.Future[None] | None = None
        self._head = b""
        self._head_flush: asyncio.Handle | None = None
        self._body_left: int | None = None
        self._chunked = False
        self._sends_body = True
        self._burst = 0
        self._on_pause: Callable[[], None] | None = None
        self._on_resume: Callable[[], None] | None = None

    # The request, from the connection to the app

    def feed(self, data: bytes) -> int:
        """Take a part of the body; tells how much waits for the app."""
        if self.finished:
            return 0
        self._parts.append(data)
        self._unread += len(data)
        return self._unread

    def wake(self) -> None:
        """Something has changed for an app that waits in `receive`."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    @property
    def is_awaited(self) -> bool:
        """Whether the app waits in `receive` and so learns by itself that the client has left."""
        return self._waiter is not None

    async def receive(self) -> dict[str, Any]:
        """The next part of the body; after the last one, wait until the client leaves or the answer is sent."""
        body_was_given = self._unread < 0
        while True:
            if self._connection.is_gone or self.finished:
                return {"type": "http.disconnect"}
            if self._parts or (self.received and not body_was_given):
                break
            if self.refused is not None:
                raise self.refused
            if self.expects_continue:
                self.expects_continue = False
                self._connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._connection.resume_reading()  # it may have come while the request before was still ending
            self._waiter = self._connection.loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        body = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        self._unread = -1 if self.received else 0  # -1: all of it was given
        self._connection.resume_reading()
        return {"type": "http.request", "body": body, "more_body": not self.received}

    # The answer, from the app to the client

    async def send(self, message: dict[str, Any]) -> None:
        """Send the head or a part of the body; waits while the client is behind. Raises ClientGone once it left."""
        connection = self._connection
        if connection.is_gone:
            raise ClientGone("the client has left")
        kind = message["type"]
        if kind == "http.response.body":
            self._send_body(message.get("body", b""), last=not message.get("more_body", False))
            if connection.is_full:
                await connection.drained()
            elif self._burst > BURST_BYTES:
                self._burst = 0
                await asyncio.sleep(0)
        elif kind == "http.response.start":
            self._begin(message["status"], message.get("headers", ()))
        else:
            raise ValueError(f"{kind} has no place in an answer")

    def _begin(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        if self.began:
            raise RuntimeError("the answer has begun already")
        self.began = True
        if self._connection.is_draining or not self.received:
            self.keep_alive = False
        lines = [STATUS_LINES[status]]
        for name, value in headers:
            name = name.lower()
            if name in CONNECTION_HEADERS:
                continue
            if name == b"content-length":
                self._body_left = int(value)
            lines.append(b"%b: %b\r\n" % (name, value))
        lines.append(date_line())
        head = b"".join(lines)
        if not head.count(b"\n") == head.count(b"\r") == len(lines) or b"\0" in head:
            raise ValueError("a header that would split the answer")
        if status < 200 or status in (204, 304):
            self._body_left = 0
            self._sends_body = False
        elif self.scope["method"] == "HEAD":
            self._sends_body = False
        self._head = head
        # The head waits for the first bytes of the body to share their packet, but not beyond this round of the loop.
        self._head_flush = self._connection.loop.call_soon(self._send_head)

    def _send_head(self) -> None:
        if not self.answered:
            self._connection.write(self._take_head())

    def _take_head(self) -> bytes:
        """The head as bytes, framed by what is known of the body now."""
        self.answered = True
        if self._head_flush is not None:
            self._head_flush.cancel()
            self._head_flush = None
        head, version = self._head, self.scope["http_version"]
        if self._body_left is None and self._sends_body:
            if version == "1.1":
                self._chunked = True
                head += b"transfer-encoding: chunked\r\n"
            else:
                self.keep_alive = False
        if not self.keep_alive:
            head += b"connection: close\r\n"
        elif version == "1.0":
            head += b"connection: keep-alive\r\n"
        return head + b"\r\n"

    def _send_body(self, body: bytes, *, last: bool) -> None:
        if not self.began or self.finished:
            raise RuntimeError("a body outside of an answer")
        if not self.answered:
            if last and self._body_left is None:
                self._body_left = len(body)
                self._head += b"content-length: %d\r\n" % len(body)
            self._connection.write(self._take_head() + self._framed(body, last=last))
        elif framed := self._framed(body, last=last):
            self._connection.write(framed)
        self._burst += len(body) + PART_BYTES
        if last:
            if self._body_left and self._sends_body:
                raise RuntimeError(f"the answer is {self._body_left} bytes shorter than announced")
            self.finished = True
            self._parts.clear()
            self.wake()

    def _framed(self, body: bytes, *, last: bool) -> bytes:
        if not self._sends_body:
            return b""
        if self._chunked:
            if body:
                return b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if last else b"%x\r\n%b\r\n" % (len(body), body)
            return b"0\r\n\r\n" if last else b""
        if self._body_left is not None:
            if len(body) > self._body_left:
                raise RuntimeError("the answer is longer than announced")
            self._body_left -= len(body)
        return body

    # The short way of the body; see hal0.daemon.http.pipe

    def open(self, *, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._send_head()
        self._on_pause, self._on_resume = pause, resume
        if self._connection.is_full:
            pause()

    def write(self, data: bytes) -> None:
        if self._chunked:
            if data:
                self._connection.write(b"%x\r\n%b\r\n" % (len(data), data))
        elif framed := self._framed(data, last=False):
            self._connection.write(framed)

    def close(self) -> None:
        self._on_pause = self._on_resume = None

    def flow(self, *, is_full: bool) -> None:
        """The client fell behind, or caught up."""
        turn = self._on_pause if is_full else self._on_resume
        if turn is not None:
            turn()
