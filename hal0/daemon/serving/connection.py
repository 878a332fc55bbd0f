"""One client connection: llhttp reads the requests, one task serves them one after another.

The task lives as long as the connection, so a request costs no task. When the client leaves, the task is cancelled
(or, if the app waits in `receive`, told): that is how its leaving reaches a backend. What is ambiguous or malformed is
refused with our envelope and ends the connection, so that nobody can smuggle a second request inside of a first.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, cast
from urllib.parse import unquote

import httptools

from hal0.daemon.http.pipe import PIPE, CutShort
from hal0.daemon.proxy.headers import request_id
from hal0.daemon.serving.exchange import Exchange
from hal0.daemon.serving.limits import Limits
from hal0.daemon.serving.reply import refusal
from hal0.errors import Hal0Error

log = logging.getLogger(__name__)

App = Callable[[Any, Any, Any], Awaitable[None]]

ASGI = {"version": "3.0", "spec_version": "2.4"}
LEAVE_SECONDS = 1.0  # how long an app that waits in `receive` may take to end by itself after its client left


class House(Protocol):
    """What a connection needs to know of its server."""

    app: App
    limits: Limits
    is_draining: bool
    connections: "set[ClientConnection]"

    def exchange_ended(self) -> None: ...
    def admit(self, connection: "ClientConnection") -> None: ...


class ClientConnection(asyncio.Protocol):
    """Reads requests from a client and serves them in order."""

    def __init__(self, house: House, *, is_local: bool) -> None:
        """`is_local`: it comes by the Unix socket. No address of the peer says so: a reset takes that away too."""
        self.loop = asyncio.get_running_loop()
        self.is_gone = False
        self.is_full = False  # the client is behind: what we wrote has not left yet
        self.task: asyncio.Task[None] | None = None
        self._house = house
        self._is_local = is_local
        self._limits = house.limits
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._waiter: asyncio.Future[None] | None = None  # the task, while there is nothing to serve
        self._drain_waiter: asyncio.Future[None] | None = None
        self._queue: deque[Exchange | Hal0Error] = deque()
        self._current: Exchange | None = None
        self._incoming: Exchange | None = None  # whose body is being read
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._head_bytes = 0
        self._refused = False  # nothing more is read as a request
        self._declines_upgrade = False
        self._is_reading_paused = False
        self._since = self.loop.time()  # when the present request began to arrive, or when it last was quiet
        self._is_receiving = False
        self._full_since = 0.0
        self._lingers_until = 0.0
        self._client: tuple[str, int] | None = None
        self._server: tuple[str, int | None] | None = None
        self._scheme = "http"

    @property
    def is_draining(self) -> bool:
        return self._house.is_draining

    @property
    def is_busy(self) -> bool:
        return self._current is not None or bool(self._queue)

    @property
    def idle_since(self) -> float | None:
        """Since when nothing has happened here; None while something does, or while it is ending."""
        if self._transport is None or self._transport.is_closing() or self._refused or self.is_busy:
            return None
        return None if self._is_receiving else self._since

    # Called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but name
        self._transport = transport
        transport.set_write_buffer_limits(high=self._limits.unsent_bytes)
        peer, here = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if self._is_local:
            self._server = (str(here), None)
        elif isinstance(peer, tuple) and isinstance(here, tuple):
            self._client, self._server = (peer[0], peer[1]), (here[0], here[1])
        else:  # it was reset before it was accepted: what it sent must not be taken for a request of nobody's
            self._refused = True
            transport.abort()
            return
        if transport.get_extra_info("sslcontext") is not None:
            self._scheme = "https"
        self._house.connections.add(self)
        self.task = self.loop.create_task(self._serve())
        if self._client is not None:  # whoever comes by the Unix socket is let in
            self._house.admit(self)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        if not self._is_receiving:
            self._is_receiving = True
            self._since = self.loop.time()
        if self._incoming is None:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._decline_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            cause = error.__context__
            self.refuse(cause if isinstance(cause, Hal0Error) else Hal0Error("system.bad_request", reason=str(error)))
        if self._incoming is None and self._head_bytes > self._limits.header_bytes:
            self.refuse(Hal0Error("system.header_too_large", limit_bytes=self._limits.header_bytes))
        if len(self._queue) > 0 and self._current is not None:
            self._pause_reading()

    def eof_received(self) -> bool:
        return False  # a client that has sent all it will is taken for gone, as nginx does

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_gone = True
        self._transport = None
        self._house.connections.discard(self)
        del self._parser  # it holds bound methods of this object; see Connection.connection_lost
        if self._drain_waiter is not None and not self._drain_waiter.done():
            self._drain_waiter.set_result(None)
        current = self._current
        if self.task is None or self.task.done():
            return
        if current is not None and current.is_awaited:
            current.wake()
            self.loop.call_later(LEAVE_SECONDS, self.task.cancel)
        else:
            self.task.cancel()

    def pause_writing(self) -> None:
        self.is_full = True
        self._full_since = self.loop.time()
        if self._current is not None:
            self._current.flow(is_full=True)

    def resume_writing(self) -> None:
        self.is_full = False
        if self._drain_waiter is not None and not self._drain_waiter.done():
            self._drain_waiter.set_result(None)
        if self._current is not None:
            self._current.flow(is_full=False)

    # Called by the parser

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._incoming is None and not self._declines_upgrade:  # later ones are trailers
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self._declines_upgrade:
            return
        parser = self._parser
        version = parser.get_http_version()
        exchange = Exchange(self, self._scope(version), keep_alive=parser.should_keep_alive())
        head_bytes, hosts = len(self._url), 0
        for name, value in self._headers:
            head_bytes += len(name) + len(value) + 4
            if name == b"host":
                hosts += 1
            elif name == b"expect":
                exchange.expects_continue = version == "1.1" and value.lower() == b"100-continue"
            elif name == b"transfer-encoding" and (version != "1.1" or value.lower() != b"chunked"):
                raise Hal0Error("system.bad_request", reason=f"transfer-encoding {value.decode('latin-1')!r}")
        if version not in ("1.1", "1.0"):
            raise Hal0Error("system.bad_request", reason=f"HTTP/{version}")
        if hosts != 1 and (hosts or version == "1.1"):
            raise Hal0Error("system.bad_request", reason=f"{hosts or 'no'} host headers")
        if head_bytes > self._limits.header_bytes:
            raise Hal0Error("system.header_too_large", limit_bytes=self._limits.header_bytes)
        if len(self._queue) >= self._limits.pipelined_requests:
            raise Hal0Error("system.bad_request", reason=f"more than {len(self._queue)} requests sent ahead")
        self._incoming = exchange
        self._head_bytes = 0
        self._enqueue(exchange)

    def on_body(self, data: bytes) -> None:
        exchange = self._incoming
        assert exchange is not None
        if exchange.feed(data) > self._limits.unread_body_bytes:
            self._pause_reading()
        exchange.wake()

    def on_message_complete(self) -> None:
        if self._parser.should_upgrade() and not self._declines_upgrade:
            return  # llhttp skips the body of such a request; `_decline_upgrade` goes on with it
        exchange = self._incoming
        assert exchange is not None
        exchange.received = True
        exchange.expects_continue = False
        exchange.wake()
        self._incoming = None
        self._declines_upgrade = False
        self._is_receiving = False
        self._since = self.loop.time()

    # Called by the exchange

    def write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    async def drained(self) -> None:
        """Wait until the client has caught up, or has left."""
        while self.is_full and not self.is_gone:
            self._drain_waiter = self.loop.create_future()
            try:
                await self._drain_waiter
            finally:
                self._drain_waiter = None

    def resume_reading(self) -> None:
        if self._is_reading_paused and not self._refused and self._transport is not None and not self._queue:
            self._is_reading_paused = False
            self._since = self.loop.time()
            self._transport.resume_reading()

    # Called by the server

    def check(self, now: float) -> None:
        """Keep the time limits; the server calls this about once a second."""
        if self._lingers_until:
            if now > self._lingers_until:
                self.abort()
        elif self.is_full and now - self._full_since > self._limits.stuck_seconds:
            self.abort()
        elif self._is_receiving and not self._is_reading_paused:
            if now - self._since > self._limits.request_seconds:
                self.refuse(Hal0Error("system.request_timeout", seconds=self._limits.request_seconds))
        elif not self.is_busy and not self._is_receiving and now - self._since > self._limits.keep_alive_seconds:
            self.close()

    def close_if_idle(self) -> None:
        if not self.is_busy:
            self.close()

    def close(self) -> None:
        """End the connection after everything written has left."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End the connection now: the client sees that its answer is not whole."""
        if self._transport is not None:
            self._transport.abort()

    # The task

    async def _serve(self) -> None:
        try:
            while not self.is_gone:
                if not self._queue:
                    self._waiter = self.loop.create_future()
                    try:
                        await self._waiter
                    finally:
                        self._waiter = None
                item = self._queue.popleft()
                if isinstance(item, Hal0Error):
                    self.write(refusal(item, request_id=request_id(self._headers)))
                    self._close_lingering()
                    return
                self._current = item
                try:
                    await self._answer(item)
                finally:
                    self._current = None
                    self._since = self.loop.time()
                    self._house.exchange_ended()
                if not item.keep_alive or self.is_draining:
                    if item.received:
                        self.close()
                    else:
                        self._close_lingering()
                    return
                self.resume_reading()
        except asyncio.CancelledError:
            self.abort()

    async def _answer(self, exchange: Exchange) -> None:
        """Let the app answer; whatever it does, the client gets an answer or sees the connection end."""
        error: Exception | None = None
        try:
            await self._house.app(exchange.scope, exchange.receive, exchange.send)
        except Exception as raised:  # whatever fails in an app must not take the server with it: the client is told
            error = raised
        if exchange.finished or self.is_gone:
            exchange.keep_alive = exchange.keep_alive and error is None
            return
        exchange.keep_alive = False
        if exchange.answered or exchange.began:
            if error is None or not isinstance(error, CutShort):
                log.error("the answer to %s was left unfinished", exchange.scope["path"], exc_info=error)
            self.abort()
            return
        refused = exchange.refused
        if refused is None:
            log.error("%s was not answered", exchange.scope["path"], exc_info=error)
            reason = type(error).__name__ if error is not None else "no answer"
            refused = error if isinstance(error, Hal0Error) else Hal0Error("system.internal", reason=reason)
        known_as = request_id(exchange.scope["headers"])
        self.write(refusal(refused, request_id=known_as, with_body=exchange.scope["method"] != "HEAD"))
        exchange.finished = True

    # Details

    def _scope(self, version: str) -> dict[str, Any]:
        url = self._url
        if url[:1] != b"/" and url != b"*":
            try:
                parsed = httptools.parse_url(url)
            except httptools.HttpParserInvalidURLError as error:
                raise Hal0Error("system.bad_request", reason="the target is not a URL") from error
            url = (parsed.path or b"/") + (b"?" + parsed.query if parsed.query else b"")
        raw_path, _, query = url.partition(b"?")
        path = raw_path.decode("ascii")
        return {
            "type": "http",
            "asgi": ASGI,
            "http_version": version,
            "method": self._parser.get_method().decode("ascii"),
            "scheme": self._scheme,
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": self._headers,
            "client": self._client,
            "server": self._server,
            "extensions": {},
            "state": {},
        }

    def _enqueue(self, item: Exchange | Hal0Error) -> None:
        if isinstance(item, Exchange):
            item.scope["extensions"][PIPE] = item
        self._queue.append(item)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def refuse(self, error: Hal0Error) -> None:
        """Read no more requests; the client is told after the answers that are still due."""
        if self._refused:
            return
        self._refused = True
        self._is_receiving = False
        if self._incoming is not None:
            self._incoming.refused = error
            self._incoming.wake()
        else:
            self._enqueue(error)

    def _decline_upgrade(self, rest: bytes) -> None:
        """Go on in HTTP/1.1 with a client that offered another protocol, as Java's does with every request.

        llhttp takes the rest of such a connection for the other protocol. A fresh parser, told only how the body is
        framed, reads on from there.
        """
        exchange = self._incoming
        if exchange is None or exchange.scope["method"] == "CONNECT":
            self.refuse(Hal0Error("system.bad_request", reason="no tunnels here"))
            return
        framing = [h for h in self._headers if h[0] in (b"content-length", b"transfer-encoding")]
        self._declines_upgrade = True
        headers = self._headers
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(b"POST / HTTP/1.1\r\n" + b"".join(b"%b: %b\r\n" % h for h in framing) + b"\r\n")
        self._headers = headers
        if rest:
            self.data_received(rest)

    def _pause_reading(self) -> None:
        if not self._is_reading_paused and self._transport is not None:
            self._is_reading_paused = True
            self._transport.pause_reading()

    def _close_lingering(self) -> None:
        """Close, but throw away for a moment what still comes: a reset would take our answer with it."""
        self._refused = True
        if self._transport is None:
            return
        self._lingers_until = self.loop.time() + self._limits.linger_seconds
        if self._transport.can_write_eof():
            self._transport.write_eof()
        if self._is_reading_paused:
            self._is_reading_paused = False
            self._transport.resume_reading()
