"""How large a body may be, and of how many parts. No I/O here."""

from typing import NoReturn

from hal0.daemon.providers.base import Api
from hal0.errors import Hal0Error

# A body is parsed on the event loop, and what that costs goes by its parts rather than by its bytes: a picture is one
# string, but a megabyte of `[],[],` is seconds and gigabytes. Each bound is far above what the largest agents send, and
# together they keep the loop for a fraction of a second at most.
MOST_VALUES = 400_000  # a whole batch of token ids; OpenAI takes 300,000 in one request
MOST_STRINGS = 100_000
MOST_COLLECTIONS = 20_000  # objects and lists
MOST_BYTES_OUTSIDE = 8 * 2**20  # of strings: digits are slow to read
TEXT_BODY_BYTES = 8 * 2**20  # of an endpoint that takes no files, however large `body_limit` is


def bytes_allowed(api: Api, body_limit: int) -> int:
    """How long a body may be; only chat has pictures in it, and transcriptions have sound."""
    return body_limit if api in (Api.CHAT, Api.TRANSCRIPTION) else min(body_limit, TEXT_BODY_BYTES)


def refuse_swarm(raw: bytes) -> None:
    """Refuse a body of too many parts before anything is made of it; what stands inside of strings does not count."""
    if len(raw) <= MOST_COLLECTIONS:
        return
    plain = raw.replace(b"\\\\", b"").replace(b'\\"', b"") if b"\\" in raw else raw  # every quote left ends or begins
    if plain.count(b'"') > 2 * MOST_STRINGS:
        _too_many(f"{MOST_STRINGS} strings")
    outside = b'"'.join(plain.split(b'"')[::2])
    if len(outside) > MOST_BYTES_OUTSIDE:
        _too_many(f"{MOST_BYTES_OUTSIDE} bytes outside of strings")
    if outside.count(b"[") + outside.count(b"{") > MOST_COLLECTIONS:
        _too_many(f"{MOST_COLLECTIONS} objects and lists")
    if outside.count(b",") > MOST_VALUES:
        _too_many(f"{MOST_VALUES} values")


def _too_many(what: str) -> NoReturn:
    raise Hal0Error("dispatch.invalid_request", field="the body", reason=f"it has more than {what}; send less at once")
