"""Which headers pass, in both directions, and what web pages of other origins may do. No I/O here.

Both lists name what passes: a header nobody thought of stays where it is. A client's keys and cookies never reach a
backend, and a backend's ideas on CORS never reach a browser.
"""

import random
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from urllib.parse import quote

from hal0.errors import Hal0Error

Headers = tuple[tuple[bytes, bytes], ...]

TO_BACKEND = frozenset({b"content-type", b"accept", b"user-agent", b"traceparent", b"tracestate"})
# To a remote that has the API the client speaks: which of its forms is meant. No secret is in these.
TO_NATIVE = frozenset({b"anthropic-version", b"anthropic-beta"})
TO_CLIENT = frozenset(
    {
        b"content-type",
        b"content-encoding",
        b"content-disposition",
        b"cache-control",
        b"x-hal0-ignored",
    }
)
ANSWER_NAMES = (
    b"x-request-id, request-id, x-hal0-slot, x-hal0-remote, x-hal0-model, x-hal0-queue-ms, x-hal0-load-ms, "
    b"x-hal0-route, x-hal0-engine, x-hal0-ignored, x-hal0-fallback, retry-after"
)
PRIORITY = b"x-hal0-priority"
SANE_HOST = re.compile(rb"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
SANE_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
# Browsers do not let a `*` stand for Authorization, so each header is named (and those asked for are echoed).
USUAL_REQUEST_HEADERS = b"authorization, content-type, x-request-id, x-api-key, anthropic-version"
PREFLIGHT_SECONDS = b"600"


def find(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    for key, value in headers:
        if key == name:
            return value
    return None


def request_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The client's own id if it is sane, else a new one."""
    given = find(headers, b"x-request-id")
    return given.decode() if given and SANE_ID.fullmatch(given) else new_request_id()


def is_background(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether the client says that no person waits for the answer; raises `dispatch.invalid_request`."""
    given = find(headers, PRIORITY)
    if given is None:
        return False
    word = given.strip().lower()
    if word not in (b"background", b"normal"):
        name, reason = "X-Hal0-Priority", "it is neither `background` nor `normal`"
        raise Hal0Error("dispatch.invalid_request", param=name, field=name, reason=reason)
    return word == b"background"


def new_request_id() -> str:
    """Short, for people; it names a request and opens nothing."""
    return f"{random.getrandbits(48):012x}"


def to_backend(
    headers: Iterable[tuple[bytes, bytes]],
    *,
    request_id: str,
    content_type: bytes = b"application/json",
    natively: bool = False,
) -> Headers:
    passing = TO_BACKEND | TO_NATIVE if natively else TO_BACKEND
    kept = [(name, value) for name, value in headers if name in passing and name != b"content-type"]
    return ((b"content-type", content_type), (b"x-request-id", request_id.encode()), *kept)


def for_pictures(headers: Iterable[tuple[bytes, bytes]], *, folder: str, path: str) -> Headers:
    """Where one of hal0's own backends is to put pictures, and the address under which the client will find them."""
    given = dict(headers)
    host = given.get(b"x-forwarded-host", given.get(b"host", b""))
    scheme = b"https" if given.get(b"x-forwarded-proto") == b"https" else b"http"
    origin = b"%b://%b" % (scheme, host) if SANE_HOST.fullmatch(host) else b""  # without one it is a path
    return ((b"x-hal0-pictures", quote(folder).encode()), (b"x-hal0-pictures-url", origin + path.encode()))


def to_client(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name in TO_CLIENT]


def seconds(value: bytes) -> float | None:
    """A Retry-After that counts seconds; None for a date or nonsense."""
    return float(value) if value.isdigit() and len(value) < 7 else None


@lru_cache(maxsize=256)
def ascii_value(text: str) -> bytes:
    """A header value from a name that may hold anything."""
    return text.encode("ascii", "backslashreplace").replace(b"\r", b" ").replace(b"\n", b" ")


def printable(text: str) -> str:
    """What a client wrote, for screens and logs: without what would move a terminal's cursor."""
    return (
        text
        if text.isprintable()
        else "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    )


def cors(origins: Sequence[str], headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """What an answer says to a browser; nothing unless the page's origin is one of those configured."""
    if not origins:
        return []
    origin = find(headers, b"origin")
    if origin is None or not _allows(origins, origin):
        return [(b"vary", b"origin")]
    return [
        (b"access-control-allow-origin", origin),
        (b"access-control-expose-headers", ANSWER_NAMES),
        (b"vary", b"origin"),
    ]


def preflight(origins: Sequence[str], headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """What the answer to OPTIONS says; a browser reads the absence of a permission as a no."""
    answer = cors(origins, headers)
    if any(name == b"access-control-allow-origin" for name, _ in answer):
        asked = find(headers, b"access-control-request-headers")
        answer += [
            (b"access-control-allow-methods", b"GET, POST, OPTIONS"),
            (b"access-control-allow-headers", asked or USUAL_REQUEST_HEADERS),
            (b"access-control-max-age", PREFLIGHT_SECONDS),
        ]
        if find(headers, b"access-control-request-private-network") == b"true":
            answer.append((b"access-control-allow-private-network", b"true"))
    return answer


def _allows(origins: Sequence[str], origin: bytes) -> bool:
    text = origin.decode("latin-1").lower()
    return any(allowed == "*" or allowed.rstrip("/").lower() == text for allowed in origins)
