"""Forms that carry a file (multipart/form-data): read piece by piece, and framed anew for whoever gets them next.

Everything is bounded but the file, which its caller bounds with the body. What is ambiguous is refused: a field given
twice, a second file, bytes that are not UTF-8 where a text belongs.
"""

import re
import secrets
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from multipart import (
    MultipartError,
    MultipartSegment,
    PushMultipartParser,
    content_disposition_quote,
    parse_options_header,
)

from hal0.errors import Hal0Error
from hal0.spool import Spool

MEDIA = "multipart/form-data"
FILE = "file"  # the field of the file
MOST_PARTS = 64
FIELD_BYTES = 64 * 2**10
LONGEST_BOUNDARY = 200  # RFC 2046 allows 70
DEFAULT_TYPE = "application/octet-stream"
TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it was sent."""

    name: str
    type: str
    content: Spool


@dataclass(slots=True)
class Form:
    """What was sent. Fields in their order; `release` drops the file."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    upload: Upload | None = None

    def value(self, name: str) -> str | None:
        return next((value for key, value in self.fields if key == name), None)

    def values(self, name: str) -> list[str]:
        """Of a field that may come several times, as `name[]` or `name`."""
        return [value for key, value in self.fields if key in (name, f"{name}[]")]

    async def release(self) -> None:
        """Drop the file; safe to call twice."""
        if self.upload is not None:
            await self.upload.content.release()

    def close(self) -> None:
        """The same, for a thread."""
        if self.upload is not None:
            self.upload.content.close()


async def read_form(content_type: str, parts: AsyncIterator[bytes], *, folder: Path) -> Form:
    """Read a form; a large file lies in `folder` meanwhile.

    Raises `dispatch.unsupported_media`, `dispatch.invalid_request`, `system.disk_full` or `system.state_unwritable`.
    """
    parser = PushMultipartParser(
        _boundary(content_type), max_segment_count=MOST_PARTS, max_header_size=4096, max_header_count=8
    )
    form = Form()
    reading = _Reading(form, folder)
    try:
        async for part in parts:
            if not part:
                continue
            for event in _events(parser, part):
                await reading.take(event)
        try:
            parser.close()
        except MultipartError as error:
            _broken(error)
        if form.upload is None:
            _refuse(FILE, "the field is missing")
        return form
    except BaseException:
        await form.release()
        raise


class _Reading:
    """The part of a form that is being read."""

    def __init__(self, form: Form, folder: Path) -> None:
        self._form = form
        self._folder = folder
        self._name = ""
        self._text: bytearray | None = None  # of a field; None while it is the file

    async def take(self, event: MultipartSegment | bytes | bytearray | None) -> None:
        """A part's head, a piece of it, or its end."""
        if isinstance(event, MultipartSegment):
            self._begin(event)
        elif event is None:
            await self._end()
        elif self._text is None:
            assert self._form.upload is not None
            await self._form.upload.content.write(bytes(event))
        else:
            self._text += event
            if len(self._text) > FIELD_BYTES:
                _refuse(self._name, f"it is longer than {FIELD_BYTES} bytes")

    def _begin(self, segment: MultipartSegment) -> None:
        self._name = segment.name or ""
        if not self._name:
            _refuse(None, "a field has no name")
        if segment.filename is None:
            self._text = bytearray()
            return
        if self._name != FILE:
            _refuse(self._name, "it is a file, and only `file` may be one")
        if self._form.upload is not None:
            _refuse(FILE, "it was given twice")
        self._text = None
        given = segment.content_type or ""
        type_ = given if TYPE.fullmatch(given) else DEFAULT_TYPE  # it is written into the next request
        self._form.upload = Upload(segment.filename, type_, Spool(self._folder))

    async def _end(self) -> None:
        if self._text is None:
            assert self._form.upload is not None
            await self._form.upload.content.done()
            return
        if self._name == FILE:
            _refuse(FILE, "it is a text and no file; with curl, write `-F file=@NAME`")
        if not self._name.endswith("[]") and self._form.value(self._name) is not None:
            _refuse(self._name, "it was given twice")
        try:
            self._form.fields.append((self._name, self._text.decode()))
        except UnicodeDecodeError:
            _refuse(self._name, "it is not UTF-8 text")


def frame(fields: Sequence[tuple[str, str]], *, name: str, type: str) -> tuple[str, bytes, bytes]:
    """The content type of a form, and what stands before and after its file."""
    boundary = secrets.token_hex(16)
    head = bytearray()
    for key, value in fields:
        head += (
            f"--{boundary}\r\ncontent-disposition: form-data; name={content_disposition_quote(key)}\r\n\r\n".encode()
        )
        head += value.encode() + b"\r\n"
    head += (
        f"--{boundary}\r\ncontent-disposition: form-data; name={content_disposition_quote(FILE)}; "
        f"filename={content_disposition_quote(name)}\r\ncontent-type: {type}\r\n\r\n"
    ).encode()
    return f"{MEDIA}; boundary={boundary}", bytes(head), f"\r\n--{boundary}--\r\n".encode()


def _boundary(content_type: str) -> str:
    media, options = parse_options_header(content_type)
    if media != MEDIA:
        raise Hal0Error("dispatch.unsupported_media", wanted=MEDIA, given=media or "nothing")
    boundary = options.get("boundary", "")
    if not boundary or len(boundary) > LONGEST_BOUNDARY or not boundary.isascii() or not boundary.isprintable():
        given = f"{media} without a boundary that can be used"
        raise Hal0Error("dispatch.unsupported_media", wanted=f"{MEDIA} with a boundary", given=given)
    return str(boundary)


def _events(parser: PushMultipartParser, part: bytes) -> Iterator[MultipartSegment | bytes | bytearray | None]:
    try:
        yield from parser.parse(part)
    except MultipartError as error:
        _broken(error)


def _broken(error: MultipartError) -> NoReturn:
    reason = str(error)
    reason = f"it is broken: {reason[:1].lower()}{reason[1:]}"
    raise Hal0Error("dispatch.invalid_request", field="the form", reason=reason) from error


def _refuse(name: str | None, reason: str) -> NoReturn:
    raise Hal0Error("dispatch.invalid_request", param=name, field=name or "the form", reason=reason)
