"""What one client connection may cost."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on clients; each but the last is kept for every connection on its own."""

    header_bytes: int = 64 * 2**10
    handshake_seconds: float = 10.0  # until TLS is agreed on
    request_seconds: float = 60.0  # from the first byte of a request to its last
    keep_alive_seconds: float = 75.0  # longer than client pools keep theirs: they close first, and no request is lost
    unread_body_bytes: int = 256 * 2**10  # held for an app that reads slowly, before reading from the client stops
    unsent_bytes: int = 64 * 2**10  # held for a client that reads slowly, before the app has to wait
    stuck_seconds: float = 300.0  # a client that takes nothing for so long is gone
    linger_seconds: float = 2.0  # how long the rest of a refused request is thrown away before the connection closes
    pipelined_requests: int = 100
    connections: int = 10_000  # of all clients together; those on the Unix socket are let in all the same
