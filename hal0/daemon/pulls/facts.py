"""What a server tells of a file before any of it is fetched, and whether an answer keeps to that.

Pure, but for `ask`. A server's word is checked at every answer: many lie about ranges, lengths and tags.
"""

import re
from dataclasses import dataclass

from hal0.daemon.pulls.remote import Answer, Remote

CONTENT_RANGE = re.compile(r"bytes (?:(?P<first>\d{1,18})-(?P<last>\d{1,18})|\*)/(?P<total>\d{1,18}|\*)")
SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a file from its server."""

    size: int | None
    ranges: bool  # whether it can be fetched in pieces
    validator: str = ""  # strong ETag or date, to notice that it became another
    sha256: str | None = None
    commit: str = ""  # of the repository
    content_type: str = ""


class Liar(Exception):  # noqa: N818 - it says what the server is
    """The server does not keep to what it said; its ranges are worth nothing."""


async def ask(remote: Remote, url: str) -> Facts:
    """Ask for the first byte, which tells more surely than HEAD what a server does with ranges."""
    async with remote.open(url, headers={"Range": "bytes=0-0"}) as answer:
        return facts_of(answer)


def facts_of(answer: Answer) -> Facts:
    """From the answer to a request for the first byte."""
    first, last, total = content_range(answer.header("content-range"))
    linked_size = _number(answer.linked.get("x-linked-size", ""))
    tag = answer.linked.get("x-linked-etag", "").strip('W/"')
    honest = answer.status == 206 and (first, last) == (0, 0) and total is not None
    if answer.status == 206:
        size = total if total is not None else linked_size
    elif answer.status == 416:
        size = 0 if total == 0 else linked_size
    else:
        size = _number(answer.header("content-length"))
        size = linked_size if size is None else size
    return Facts(
        size=size,
        ranges=honest and size is not None and size > 0,
        validator=validator_of(answer),
        sha256=tag if SHA256.fullmatch(tag) else None,
        commit=answer.linked.get("x-repo-commit", ""),
        content_type=answer.header("content-type").partition(";")[0].strip().lower(),
    )


def check_piece(answer: Answer, first: int, last: int, size: int) -> None:
    """Raises `Liar` unless the answer is the piece that was asked for."""
    told = content_range(answer.header("content-range"))
    length = _number(answer.header("content-length"))
    if answer.status != 206:
        raise Liar(f"it answers a request for a part with {answer.status}")
    if told != (first, last, size):
        raise Liar("it sends another part than was asked for")
    if length is not None and length != last - first + 1:
        raise Liar("the length of its answer is not that of the part")


def validator_of(answer: Answer) -> str:
    tag = answer.header("etag").strip()
    return tag if tag and not tag.startswith("W/") else answer.header("last-modified").strip()


def content_range(value: str) -> tuple[int | None, int | None, int | None]:
    """First, last, total; None for what it does not say."""
    match = CONTENT_RANGE.fullmatch(value.strip())
    if match is None:
        return None, None, None
    return _number(match["first"] or ""), _number(match["last"] or ""), _number(match["total"])


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else None
