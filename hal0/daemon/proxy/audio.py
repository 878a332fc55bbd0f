"""A recording on its way to be transcribed: a form with a file, which is framed anew for whoever gets it.

Checked is what hal0 itself reads; the other fields pass, as the one who answers knows what it can do.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from hal0.daemon.proxy.body import Body, checked_fields
from hal0.daemon.proxy.headers import printable
from hal0.errors import Hal0Error
from hal0.forms import Form, Upload, frame

TRUE = ("true", "1")
KIB = 2**10


class TranscriptionBody(Body):
    """What hal0 reads of it."""

    stream: str | None = None
    file: str  # its name
    size_bytes: int

    @property
    def is_stream(self) -> bool:
        return (self.stream or "").lower() in TRUE

    def prompt(self) -> str:
        return f"{self.file} ({-(-self.size_bytes // KIB)} KiB)"


@dataclass(frozen=True, slots=True)
class FormPayload:
    """A form as a body; `head` and `tail` stand around the file."""

    content_type: str
    head: bytes
    upload: Upload
    tail: bytes

    @property
    def length(self) -> int:
        return len(self.head) + self.upload.content.size + len(self.tail)

    async def pieces(self) -> AsyncIterator[bytes]:
        yield self.head
        async for piece in self.upload.content.pieces():
            yield piece
        yield self.tail


def read_call(form: Form) -> TranscriptionBody:
    """Check a form; raises `dispatch.invalid_request` or `dispatch.audio_empty`."""
    upload = form.upload
    assert upload is not None, "a form without a file is refused when it is read"
    body = checked_fields(
        TranscriptionBody,
        {
            "model": form.value("model") or None,
            "stream": form.value("stream"),
            "file": printable(upload.name) or "the file",
            "size_bytes": upload.content.size,
        },
    )
    if not upload.content.size:
        raise Hal0Error("dispatch.audio_empty", param="file", file=body.file)
    return body


def for_model(form: Form, model: str) -> FormPayload:
    """The form for someone who knows the model as `model`."""
    assert form.upload is not None
    fields = [("model", model), *(each for each in form.fields if each[0] != "model")]
    media, head, tail = frame(fields, name=form.upload.name, type=form.upload.type)
    return FormPayload(media, head, form.upload, tail)
