"""How many clients may be connected at once. Past that the daemon still answers: the longest idle has to go.

The process's file descriptors are not the clients' alone: a stream takes a second one to its backend, and the admin
socket, logs and pipes need theirs. Without a bound of its own the daemon would be deaf, and could not even say so.
"""

import logging
import resource
import time
from collections.abc import Iterable
from typing import Protocol

from hal0.errors import Hal0Error

OWN_DESCRIPTORS = 64  # for what is not a client nor its backend
MOST_CONNECTIONS = 10_000
REFUSED_AT_ONCE = 32  # connections that are being told so; more are dropped without a word
RETRY_SECONDS = 1.0
LOG_SECONDS = 60.0

log = logging.getLogger(__name__)


class Guest(Protocol):
    """A connection, as far as making room goes."""

    @property
    def idle_since(self) -> float | None: ...
    def close(self) -> None: ...
    def abort(self) -> None: ...
    def refuse(self, error: Hal0Error) -> None: ...


def most_connections() -> int:
    """As many as the limit on open files leaves, with a backend's connection for each."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MOST_CONNECTIONS
    return max(16, min(MOST_CONNECTIONS, (soft - OWN_DESCRIPTORS) // 2))


class Crowd:
    """Makes room for newcomers, or turns them away."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._logged_at = float("-inf")

    def admit(self, newcomer: Guest, present: Iterable[Guest], count: int) -> None:
        """`present` are all connections, `count` of them, the newcomer among them."""
        if count <= self._limit:
            return
        self._log()
        idle = [(guest.idle_since or 0.0, id(guest), guest) for guest in present if guest.idle_since is not None]
        others = [entry for entry in idle if entry[2] is not newcomer]
        if others:
            min(others)[2].close()
        elif count <= self._limit + REFUSED_AT_ONCE:
            newcomer.refuse(Hal0Error("system.overloaded", connections=self._limit, retry_after_seconds=RETRY_SECONDS))
        else:
            newcomer.abort()

    def _log(self) -> None:
        now = time.monotonic()
        if now - self._logged_at >= LOG_SECONDS:
            self._logged_at = now
            log.warning("more than %d client connections: idle ones are closed, then newcomers refused", self._limit)
