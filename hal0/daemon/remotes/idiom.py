"""How one kind of remote is spoken to: its key's header, its lists, and the APIs it has beside chat completions.

Most speak OpenAI's API and get what the proxy sends. One that speaks another is given a `Spoken` for each request,
which is pure: bytes in, bytes out. No I/O here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from hal0.daemon.remotes.offer import Offered
from hal0.errors import Hal0Error


@dataclass(frozen=True, slots=True)
class Counted:
    """Tokens of one request, by the remote's own count."""

    prompt: int  # all of it, from a cache or not
    completion: int
    cached: int = 0  # of the prompt, read from a cache
    cache_written: int = 0  # of the prompt, put into a cache


class Spoken(Protocol):
    """One request in a remote's own words, and its answer put back into those of chat completions."""

    @property
    def path(self) -> str: ...
    @property
    def body(self) -> bytes: ...
    @property
    def streams(self) -> bool: ...
    @property
    def counted(self) -> Counted | None:
        """What the answer said of its tokens, once it did."""
        ...

    @property
    def failure(self) -> Hal0Error | None:
        """What the remote told of in the middle of its stream, or that this made no sense."""
        ...

    @property
    def has_ended(self) -> bool:
        """Whether the stream came to its end."""
        ...

    def feed(self, data: bytes) -> bytes:
        """What these bytes of its stream mean. It raises nothing: what came before a failure is the client's."""
        ...

    def whole(self, body: bytes) -> bytes:
        """What a whole answer means; raises ValueError if it makes no sense."""
        ...


class Idiom(Protocol):
    """One kind of remote."""

    @property
    def native(self) -> frozenset[str]:
        """The paths under which it has other APIs than chat completions itself: requests pass there as they came."""
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """With every request, unless the configuration or the client says otherwise."""
        ...

    @property
    def list_path(self) -> str: ...

    def authorization(self, key: str) -> dict[bytes, bytes]: ...

    def next_page(self, body: Any) -> str | None:
        """Where the list of models goes on after this page of it."""
        ...

    def spoken(self, path: str, body: bytes, *, remote: str, model: Offered | None) -> Spoken | None:
        """The request in its words, None: as it is. Raises `dispatch.*` for what cannot be said in them."""
        ...


@dataclass(frozen=True, slots=True)
class OpenAi:
    """Whoever speaks OpenAI's API."""

    native: frozenset[str] = frozenset()
    headers: Mapping[str, str] = field(default_factory=dict)
    list_path: str = "models"

    def authorization(self, key: str) -> dict[bytes, bytes]:
        return {b"authorization": b"Bearer " + key.encode()}

    def next_page(self, body: Any) -> str | None:
        return None

    def spoken(self, path: str, body: bytes, *, remote: str, model: Offered | None) -> Spoken | None:
        return None


PLAIN = OpenAi()
# Responses of OpenAI's own can be kept there, think between tools and search the web: its API passes whole.
OPENAI = OpenAi(native=frozenset({"/v1/responses", "/v1/responses/input_tokens"}))
