"""What the proxy needs of the rest of the daemon."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from hal0.daemon.config.schema import Settings
from hal0.daemon.http.client import Head
from hal0.daemon.http.payload import Body
from hal0.daemon.keys.key import Key
from hal0.daemon.providers.base import Api
from hal0.daemon.proxy.body import Call
from hal0.daemon.proxy.headers import Headers
from hal0.daemon.proxy.shaping import Shaping
from hal0.daemon.remotes.idiom import Counted
from hal0.daemon.remotes.terms import Terms
from hal0.errors import Hal0Error
from hal0.wire import Kind


class Model(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def aliases(self) -> tuple[str, ...]: ...


class Spec(Protocol):
    """What an upstream is, as far as a request goes by it."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> Kind: ...
    @property
    def model(self) -> Model: ...
    @property
    def config(self) -> Shaping: ...


class Endpoint(Protocol):
    """Where an upstream answers."""

    @property
    def names_model(self) -> bool: ...
    @property
    def speaks_hal0(self) -> bool: ...
    def path(self, path: str) -> str: ...


class Answer(Protocol):
    """An answer that has begun to come."""

    @property
    def counted(self) -> Counted | None:
        """Its tokens, where its bytes do not tell."""
        ...

    @property
    def paused(self) -> bool: ...
    @property
    def last_heard(self) -> float: ...
    async def head(self) -> Head: ...
    async def read(self) -> bytes: ...
    async def read_all(self, limit_bytes: int) -> bytes: ...
    async def pour(self, sink: Callable[[bytes], None]) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def fail(self, error: Exception) -> None: ...


class Carrier(Protocol):
    """Brings requests to upstreams of one sort."""

    async def ask(
        self, endpoint: Any, path: str, *, body: Body, headers: Headers, timeout_seconds: float
    ) -> Any:  # an Answer, to be given back to `release`
        """POST a request and wait for the head; raises OSError, TimeoutError, BrokenAnswer or Hal0Error."""
        ...

    def release(self, answer: Any) -> None:
        """The answer was read, or nobody wants the rest of it."""
        ...


class Lease(Protocol):
    """A hold on an upstream that is ready."""

    @property
    def endpoint(self) -> Endpoint: ...
    @property
    def spec(self) -> Spec: ...
    @property
    def queue_ms(self) -> float: ...
    @property
    def load_ms(self) -> float: ...
    @property
    def engine(self) -> str:
        """What computes the answer, as far as that is known."""
        ...

    @property
    def context(self) -> int | None:
        """The tokens that there are for one request, where that is known."""
        ...

    @property
    def is_remote(self) -> bool: ...
    @property
    def terms(self) -> Terms | None:
        """What is special about a remote; None of a slot."""
        ...

    async def failure(self, reason: str) -> Hal0Error: ...
    def carried_by(self, line: Any) -> None: ...


class Upstream(Protocol):
    """What may be leased: a slot, or a remote."""

    @property
    def name(self) -> str: ...
    @property
    def state(self) -> str: ...
    @property
    def is_remote(self) -> bool: ...
    @property
    def native(self) -> frozenset[str]:
        """Paths of other APIs than chat completions that it has itself."""
        ...

    def lease(self, *, request: str, background: bool) -> AbstractAsyncContextManager[Lease]: ...


class Choice(Protocol):
    @property
    def upstream(self) -> Upstream: ...
    @property
    def rule(self) -> str: ...
    @property
    def fallback(self) -> tuple[str, ...]:
        """Names, as requests use them, of what stands in for it."""
        ...

    @property
    def background(self) -> bool:
        """Whether the name that was asked for says that no person waits for the answer."""
        ...


class Dispatcher(Protocol):
    def pick(self, api: Api, model: str | None, settings: Settings, *, key: Key | None) -> Choice: ...


class Adapter(Protocol):
    """Turns a request that backends do not know, or answer otherwise, into one that they do; and the answer back."""

    def applies_to(self, call: Call, kind: Kind) -> bool:
        """Whether this call to a slot of this kind needs it at all."""
        ...

    def request(self, call: Call, *, kind: Kind, model: str) -> tuple[str, bytes]:
        """The path and the body that the backend gets."""
        ...

    async def answer(self, call: Call, *, kind: Kind, body: bytes) -> bytes:
        """The body that the client gets; raises ValueError if the backend's makes no sense."""
        ...


class Wording(Protocol):
    """How an API's clients are told what is not the answer itself, where that is not as for chat completions."""

    def headers(self, request: str) -> list[tuple[bytes, bytes]]:
        """What its clients look for in the head of every answer."""
        ...

    def error(self, error: Hal0Error, *, request: str) -> bytes:
        """The body of an answer that is a failure."""
        ...


class Dialect(Protocol):
    """Another API than chat completions, at paths of its own, that is answered by chat completions."""

    @property
    def wording(self) -> Wording | None: ...

    def call(self, path: str, raw: bytes) -> Call:
        """The request in the words of chat completions; raises `dispatch.*` for what cannot be said in them."""
        ...
