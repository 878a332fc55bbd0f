"""Connections to backends: opened when needed, kept for a moment, asked again once if they had gone stale.

A backend may close a connection while it lies here, or just as it is used. If it closed before a byte came back the
request was not begun, and is sent once more over a fresh connection; in no other case is a request ever repeated.
"""

import asyncio

from hal0.daemon.http.client import BrokenAnswer, Connection
from hal0.daemon.http.endpoint import Endpoint
from hal0.daemon.http.payload import Body
from hal0.daemon.proxy.headers import Headers

# Each connection that lies here occupies a thread of llama.cpp's server: not many, and not for long.
IDLE_CONNECTIONS = 64  # per backend
IDLE_SECONDS = 1.0


class Pool:
    """Owner of the connections to all backends."""

    def __init__(self) -> None:
        self._idle: dict[Endpoint, list[tuple[float, Connection]]] = {}
        self._sweep: asyncio.TimerHandle | None = None

    async def ask(
        self, endpoint: Endpoint, path: str, *, body: Body, headers: Headers, timeout_seconds: float
    ) -> Connection:
        """POST a request and wait for the head of its answer; raises OSError, TimeoutError or BrokenAnswer.

        Who gets the connection gives it back with `release`.
        """
        until = asyncio.get_running_loop().time() + timeout_seconds
        connection = self._take(endpoint)
        try:
            if connection is not None:
                try:
                    await connection.ask("POST", path, body=body, headers=headers, until=until)
                    return connection
                except BrokenAnswer:
                    if not connection.is_silent:
                        raise
            connection = await Connection.open(endpoint)
            await connection.ask("POST", path, body=body, headers=headers, until=until)
            return connection
        except BaseException:
            if connection is not None:
                connection.close()
            raise

    def release(self, connection: Connection) -> None:
        """Keep the connection if its answer was read to the end; else close it at once.

        That is how a backend learns that nobody waits any more.
        """
        kept = self._idle.setdefault(connection.endpoint, [])
        if not connection.is_reusable or len(kept) >= IDLE_CONNECTIONS:
            connection.close()
            if not kept:
                del self._idle[connection.endpoint]
            return
        loop = asyncio.get_running_loop()
        connection.on_lost = self._forget
        kept.append((loop.time(), connection))
        if self._sweep is None:
            self._sweep = loop.call_later(IDLE_SECONDS, self._close_old)

    def close(self) -> None:
        """Close what is kept."""
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for kept in self._idle.values():
            for _, connection in kept:
                connection.on_lost = None
                connection.close()
        self._idle.clear()

    def count(self, endpoint: Endpoint) -> int:
        return len(self._idle.get(endpoint, ()))

    def _take(self, endpoint: Endpoint) -> Connection | None:
        kept = self._idle.get(endpoint)
        if not kept:
            return None
        _, connection = kept.pop()
        connection.on_lost = None
        return connection

    def _forget(self, lost: Connection) -> None:
        kept = self._idle.get(lost.endpoint, [])
        kept[:] = [entry for entry in kept if entry[1] is not lost]
        if not kept:
            self._idle.pop(lost.endpoint, None)

    def _close_old(self) -> None:
        loop = asyncio.get_running_loop()
        oldest = loop.time() - IDLE_SECONDS
        self._sweep = None
        for endpoint, kept in list(self._idle.items()):
            for since, connection in kept:
                if since <= oldest:
                    connection.on_lost = None
                    connection.close()
            kept[:] = [entry for entry in kept if entry[0] > oldest]
            if not kept:
                del self._idle[endpoint]
        if self._idle:
            self._sweep = loop.call_later(IDLE_SECONDS, self._close_old)
