"""TLS: clients are accepted here, and are counted from then on, not only once they have come to terms.

Else a crowd that connects and says nothing would take every file descriptor unseen by the limit on connections: the
servers of asyncio tell nobody of a handshake before it is over.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from hal0.daemon.serving.connection import ClientConnection
from hal0.daemon.serving.limits import Limits
from hal0.errors import Hal0Error

ACCEPTED_AT_ONCE = 10  # at 3 ms each; then others have their turn
RETRY_SECONDS = 1.0  # after a failure that is no client's, such as no more file descriptors

log = logging.getLogger(__name__)


class Handshakes:
    """Owner of those under way. `admit` is asked for each client as it comes, and may send anybody away."""

    def __init__(
        self,
        *,
        tls: ssl.SSLContext,
        limits: Limits,
        make: Callable[[], ClientConnection],
        admit: Callable[["Handshake"], None],
    ) -> None:
        self._tls = tls
        self._limits = limits
        self._make = make
        self._admit = admit
        self._loop = asyncio.get_running_loop()
        self._listening: dict[socket.socket, asyncio.TimerHandle | None] = {}  # which rests for how long
        self._under_way: dict[ClientConnection, Handshake] = {}

    def __len__(self) -> int:
        return len(self._under_way)

    def __iter__(self) -> "Iterator[Handshake]":
        return iter(self._under_way.values())

    def listen(self, sock: socket.socket, *, backlog: int) -> None:
        sock.setblocking(False)
        sock.listen(backlog)
        self._resume(sock)

    def stop(self) -> None:
        """Accept no more, and send away who has asked nothing yet. The sockets stay open; safe to call twice."""
        for sock, rest in self._listening.items():
            self._loop.remove_reader(sock)
            if rest is not None:
                rest.cancel()
        self._listening.clear()
        for handshake in list(self):
            handshake.abort()

    def taken(self, connection: ClientConnection) -> "Handshake | None":
        """The handshake that this connection comes from: it is over."""
        return self._under_way.pop(connection, None)

    def _over(self, connection: ClientConnection, _: object) -> None:
        self.taken(connection)

    def _resume(self, sock: socket.socket) -> None:
        self._listening[sock] = None
        self._loop.add_reader(sock, self._accept, sock)

    def _accept(self, sock: socket.socket) -> None:
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                client, _ = sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                log.warning("no client can be accepted for %g s: %s", RETRY_SECONDS, error)
                self._loop.remove_reader(sock)
                self._listening[sock] = self._loop.call_later(RETRY_SECONDS, self._resume, sock)
                return
            client.setblocking(False)
            connection = self._make()
            handshake = Handshake(client, connection, tls=self._tls, limits=self._limits)
            self._under_way[connection] = handshake
            handshake.task.add_done_callback(partial(self._over, connection))
            self._admit(handshake)


class Handshake:
    """A client that is no connection yet. It may be sent away at any time: it has asked for nothing."""

    def __init__(
        self, client: socket.socket, connection: ClientConnection, *, tls: ssl.SSLContext, limits: Limits
    ) -> None:
        self.refusal: Hal0Error | None = None  # what is said once anything can be said
        loop = asyncio.get_running_loop()
        self.task = loop.create_task(self._run(connection, tls, limits))
        self._client = client
        self._has_begun = False
        self._since = loop.time()

    @property
    def idle_since(self) -> float | None:
        return None if self.refusal is not None or self.task.cancelling() else self._since

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        self.task.cancel()
        if not self._has_begun:  # nor will it: nobody else closes the socket then
            self._client.close()

    def refuse(self, error: Hal0Error) -> None:
        self.refusal = error

    async def _run(self, connection: ClientConnection, tls: ssl.SSLContext, limits: Limits) -> None:
        self._has_begun = True
        with suppress(OSError):  # whoever does not come to terms is let go
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection,
                self._client,
                ssl=tls,
                ssl_handshake_timeout=limits.handshake_seconds,
                ssl_shutdown_timeout=limits.linger_seconds,
            )
