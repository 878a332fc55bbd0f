"""The server's own words on the wire: status lines, the clock of the `date` header, and refusals."""

import math
import time
from email.utils import formatdate
from http import HTTPStatus

from hal0.errors import Hal0Error

STATUS_LINES = {
    status: b"HTTP/1.1 %d %b\r\n"
    % (status, (HTTPStatus(status).phrase if status in set(HTTPStatus) else "Unknown").encode())
    for status in range(100, 600)
}
STATUS_LINES[499] = b"HTTP/1.1 499 Client Closed Request\r\n"

_date = (0, b"")


def date_line() -> bytes:
    """The `date` header, made once a second."""
    global _date
    now = int(time.time())
    if _date[0] != now:
        _date = (now, b"date: %b\r\n" % formatdate(now, usegmt=True).encode())
    return _date[1]


def refusal(error: Hal0Error, *, request_id: str, with_body: bool = True) -> bytes:
    """A whole answer that tells of the error and that the connection ends."""
    body, wait = error.body(), error.retry_after_seconds
    lines = [
        STATUS_LINES[error.status],
        date_line(),
        b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body),
        b"x-request-id: %b\r\n" % request_id.encode(),
        b"x-should-retry: false\r\n" if wait is None else b"retry-after: %d\r\n" % max(1, math.ceil(wait)),
        b"connection: close\r\n\r\n",
    ]
    return b"".join(lines) + (body if with_body else b"")
