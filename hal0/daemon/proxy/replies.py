"""What the proxy itself says to a client: JSON, and errors before and after the head of an answer."""

import json
import math
from collections.abc import Awaitable, Callable
from typing import Any

from hal0.daemon.http.pipe import PIPE, CutShort, Pipe
from hal0.errors import Hal0Error

Send = Callable[[dict[str, Any]], Awaitable[None]]
Header = tuple[bytes, bytes]

EVENT_STREAM = b"text/event-stream"


class Reply:
    """The answer to one request: at most one head, and an end that says what happened."""

    def __init__(self, scope: Any, send: Send, *, headers: list[Header]) -> None:
        self.headers = headers  # sent with every answer: the request's id, CORS, and later which slot it was
        self.status: int | None = (
            None  # as sent; None as long as there is no answer, though its stream may be held open
        )
        self.pipe: Pipe | None = scope.get("extensions", {}).get(PIPE)
        self.error_body: Callable[[Hal0Error], bytes] = Hal0Error.body  # how the client's API tells of a failure …
        self.last_event: Callable[[Hal0Error], bytes] = _error_event  # … and in the middle of a stream
        self._send = send
        self._is_stream = False
        self.is_held = False  # a stream has begun, of comments only
        self._has_ended = False

    async def hold(self, comment: bytes) -> None:
        """Begin a stream of events before anything is known of the answer, or say in it that there is nothing yet."""
        if not self.is_held:
            self.is_held = True
            kept = [(b"content-type", EVENT_STREAM), (b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
            await self._send({"type": "http.response.start", "status": 200, "headers": [*kept, *self.headers]})
        await self.part(comment)

    async def head(self, status: int, headers: list[Header], *, is_stream: bool) -> None:
        self.status = status
        self._is_stream = is_stream or self.is_held
        if self.is_held:
            return
        await self._send({"type": "http.response.start", "status": status, "headers": [*headers, *self.headers]})

    async def part(self, data: bytes) -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"") -> None:
        self._has_ended = True
        await self._send({"type": "http.response.body", "body": data, "more_body": False})

    async def whole(self, status: int, body: bytes, headers: list[Header]) -> None:
        await self.head(status, [*headers, (b"content-length", b"%d" % len(body))], is_stream=False)
        await self.end(_event(body) if self.is_held else body)

    async def fail(self, error: Hal0Error) -> None:
        """Tell of an error in the way that is still open: an answer of its own, or a last event, or a cut connection.

        A stream never ends silently nor with a `[DONE]` that nobody sent: clients would take it for the end.
        """
        if self._has_ended:
            return  # cancelled while the last bytes were on their way
        if self.status is None and not self.is_held:
            await self.whole(error.status, self.error_body(error), error_headers(error))
        elif self._is_stream or self.is_held:
            await self.end(self.last_event(error))
        else:
            raise CutShort(str(error))


def _event(body: bytes) -> bytes:
    """One event of a stream; a line break in it would end it early."""
    return b"".join(b"data: %b\n" % line for line in body.splitlines() if line) + b"\n"


def _error_event(error: Hal0Error) -> bytes:
    return b"data: %b\n\n" % json.dumps(error.envelope(), default=str).encode()


def error_headers(error: Hal0Error) -> list[Header]:
    """Retry-After only where waiting is known to help; OpenAI's SDKs retry 409 and 5xx unless they are told not to."""
    headers = [(b"content-type", b"application/json")]
    if error.retry_after_seconds is not None:
        headers.append((b"retry-after", b"%d" % max(1, math.ceil(error.retry_after_seconds))))
    elif not error.spec.retryable:
        headers.append((b"x-should-retry", b"false"))
    if error.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if error.code == "system.method_not_allowed":
        headers.append((b"allow", str(error.details["allowed"]).encode()))
    return headers
