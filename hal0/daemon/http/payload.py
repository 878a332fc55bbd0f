"""The body of a request to a backend or remote that is too large to be held."""

from collections.abc import AsyncIterator
from typing import Protocol


class Payload(Protocol):
    """A body that comes in pieces, as often as it is asked for: a request may have to be sent again."""

    @property
    def content_type(self) -> str: ...
    @property
    def length(self) -> int:
        """Bytes of all pieces together."""
        ...

    def pieces(self) -> AsyncIterator[bytes]: ...


Body = bytes | Payload
