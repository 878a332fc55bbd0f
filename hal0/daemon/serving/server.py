"""Serves one ASGI app on TCP and Unix sockets, inside of this process.

The lifespan is Hypercorn's. Its connections are not: at hundreds of token streams their cost per chunk is what
decides (docs/performance.md). Stopping has three steps that the owner takes: accept no more, drain, close.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypercorn.asyncio.lifespan import Lifespan
from hypercorn.config import Config

from hal0.daemon.serving.connection import App, ClientConnection
from hal0.daemon.serving.crowd import Crowd, Guest
from hal0.daemon.serving.handshakes import Handshakes
from hal0.daemon.serving.limits import Limits
from hal0.daemon.serving.sockets import remove_unix

BACKLOG = 2048
CHECK_SECONDS = 0.5  # how exactly time limits are kept
GRACE_SECONDS = 2.0  # for answers to end after they were told to

log = logging.getLogger(__name__)


class Server:
    """The app's door. `sockets` are bound already; see `hal0.daemon.serving.sockets`. With `tls`, TCP speaks it."""

    def __init__(
        self,
        app: App,
        *,
        sockets: list[socket.socket],
        limits: Limits | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.app = app
        self.limits = limits or Limits()
        self.is_draining = False
        self.connections: set[ClientConnection] = set()
        self._crowd = Crowd(self.limits.connections)
        self._sockets = sockets
        self._tls = tls
        self._handshakes: Handshakes | None = None  # of clients who are to speak TLS
        self._servers: list[asyncio.Server] = []
        self._unix = [
            (Path(sock.getsockname()), Path(sock.getsockname()).stat())
            for sock in sockets
            if sock.family == socket.AF_UNIX
        ]
        self._quiet = asyncio.Event()  # set whenever an exchange has ended; `drain` looks again then
        self._lifespan: Lifespan | None = None
        self._lifespan_task: asyncio.Task[None] | None = None
        self._check_handle: asyncio.TimerHandle | None = None

    @property
    def in_flight(self) -> int:
        """Requests being answered now."""
        return sum(connection.is_busy for connection in self.connections)

    async def start(self) -> None:
        """Run the app's start-up, then accept connections."""
        loop = asyncio.get_running_loop()
        await self._start_lifespan(loop)
        if self._tls is not None:
            self._handshakes = Handshakes(
                tls=self._tls,
                limits=self.limits,
                make=lambda: ClientConnection(self, is_local=False),
                admit=self._make_room,
            )
        for sock in self._sockets:
            if self._handshakes is not None and sock.family != socket.AF_UNIX:
                self._handshakes.listen(sock, backlog=BACKLOG)
            else:
                self._servers.append(await self._listen(loop, sock))
        self._check_handle = loop.call_later(CHECK_SECONDS, self._check)

    async def _listen(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> asyncio.Server:
        is_local = sock.family == socket.AF_UNIX

        def make() -> ClientConnection:
            return ClientConnection(self, is_local=is_local)

        if is_local:
            return await loop.create_unix_server(make, sock=sock, backlog=BACKLOG)
        return await loop.create_server(make, sock=sock, backlog=BACKLOG)

    def stop_accepting(self) -> None:
        """Close the listening sockets; safe to call twice. Connections stay."""
        for server in self._servers:
            server.close()
        self._servers.clear()
        if self._handshakes is not None:
            self._handshakes.stop()
        for sock in self._sockets:
            sock.close()  # those that never began to listen
        for path, bound in self._unix:
            remove_unix(path, bound)
        self._unix.clear()

    async def drain(self, timeout_seconds: float, *, at_timeout: Callable[[], None] | None = None) -> bool:
        """Close what is idle and wait for the answers in flight; tells whether all came to their end in time.

        After the time `at_timeout` may end them properly, with an error event; what then still runs is cancelled.
        """
        self.stop_accepting()
        self.is_draining = True
        for connection in list(self.connections):
            connection.close_if_idle()
        if await self._wait_quiet(timeout_seconds):
            return True
        if at_timeout is not None:
            at_timeout()
            if await self._wait_quiet(GRACE_SECONDS):
                return False
        for connection in list(self.connections):
            connection.abort()
        return False

    async def close(self) -> None:
        """End everything that is left, and run the app's shutdown."""
        self.stop_accepting()
        if self._check_handle is not None:
            self._check_handle.cancel()
        tasks = [connection.task for connection in self.connections if connection.task is not None]
        for connection in list(self.connections):
            if connection.is_busy:
                connection.abort()
            else:
                connection.close()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=GRACE_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        await self._stop_lifespan()

    def exchange_ended(self) -> None:
        self._quiet.set()

    def admit(self, connection: ClientConnection) -> None:
        handshake = None if self._handshakes is None else self._handshakes.taken(connection)
        if handshake is None:
            self._make_room(connection)
        elif handshake.refusal is not None:
            connection.refuse(handshake.refusal)

    def _make_room(self, newcomer: Guest) -> None:
        handshakes = self._handshakes or ()
        present = (*self.connections, *handshakes)
        self._crowd.admit(newcomer, present, len(present))

    async def _wait_quiet(self, timeout_seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                while self.in_flight:
                    self._quiet.clear()
                    await self._quiet.wait()
        return not self.in_flight

    def _check(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in list(self.connections):
            connection.check(now)
        self._check_handle = loop.call_later(CHECK_SECONDS, self._check)

    async def _start_lifespan(self, loop: asyncio.AbstractEventLoop) -> None:
        app = self.app

        async def without_threads(scope: Any, receive: Any, send: Any, *_: Any) -> None:
            await app(scope, receive, send)

        wrapped: Callable[..., Awaitable[None]] = without_threads
        config = Config()
        config.errorlog = log
        self._lifespan = Lifespan(wrapped, config, loop, {})  # type: ignore[arg-type]
        self._lifespan_task = loop.create_task(self._lifespan.handle_lifespan())
        await self._lifespan.wait_for_startup()
        if self._lifespan_task.done() and not self._lifespan_task.cancelled() and self._lifespan_task.exception():
            await self._lifespan_task

    async def _stop_lifespan(self) -> None:
        if self._lifespan is None or self._lifespan_task is None:
            return
        await self._lifespan.wait_for_shutdown()
        self._lifespan_task.cancel()
        with suppress(asyncio.CancelledError):
            await self._lifespan_task
        self._lifespan = None
