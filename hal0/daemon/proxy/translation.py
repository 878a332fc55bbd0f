"""How a request in the words of another API becomes one that backends know, and its answer is put back.

Pure: bytes in, bytes out, never a wait. What belongs to one request is one `Translation`, made when its body is read.
"""

from typing import Protocol

from hal0.errors import Hal0Error


class ToldFailure(Exception):  # noqa: N818 - it says what came, like BrokenAnswer
    """In the middle of its stream the backend told of an error instead of going on; `body` is what it said."""

    def __init__(self, body: bytes) -> None:
        super().__init__("the backend told of an error")
        self.body = body


class Translator(Protocol):
    """Puts a stream into other words, event by event. What it was fed before a failure is never lost: `fail` has it."""

    @property
    def has_ended(self) -> bool:
        """Whether the client has all of its answer by now."""
        ...

    def begin(self, *, model: str) -> bytes:
        """What the client hears before the backend's first word."""
        ...

    def feed(self, data: bytes) -> bytes:
        """What these bytes mean; raises ToldFailure, or ValueError if they make no sense."""
        ...

    def end(self) -> bytes:
        """What is left to say at the end of the backend's stream."""
        ...

    def fail(self, error: Hal0Error) -> bytes:
        """The last words of a stream that failed."""
        ...


class Translation(Protocol):
    """One request on its way to a backend, and the answer on its way back."""

    @property
    def path(self) -> str:
        """Where the backend is asked."""
        ...

    @property
    def stream(self) -> Translator | None:
        """How its stream is translated, if it asks for one."""
        ...

    def body(self, chat: bytes) -> bytes:
        """What the backend gets, made of the request in the words of chat completions."""
        ...

    def instead(self, status: int) -> "Translation | None":
        """Another way to ask a backend that answers with this status."""
        ...

    def whole(self, body: bytes) -> bytes:
        """The client's answer, made of the backend's; raises ValueError if that makes no sense."""
        ...
