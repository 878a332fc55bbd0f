"""The short way of an answer's bytes: from the socket of the backend to the socket of the client without a task.

Who serves an ASGI app may offer a `Pipe` under PIPE in the scope's extensions. Once the head of the answer is sent, the
app may write its body there from any callback; `http.response.body` with `more_body` false still ends the answer.
"""

from collections.abc import Callable
from typing import Protocol

PIPE = "hal0.pipe"


class Pipe(Protocol):
    """The body of one answer, on its way to the client."""

    def open(self, *, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Begin; the head goes out now. `pause` is called when the client falls behind, `resume` when it caught up."""
        ...

    def write(self, data: bytes) -> None:
        """Send bytes that are not empty; nothing happens if the client has left."""
        ...

    def close(self) -> None:
        """No more bytes this way; `pause` and `resume` are not called any more."""
        ...


class CutShort(Exception):  # noqa: N818 - it says what becomes of the answer
    """Raised by an app that cannot finish an answer it began: the connection is closed so that the client sees it."""


class ClientGone(OSError):  # noqa: N818 - it says what happened
    """The client has left; nothing sent reaches it."""
