"""What the proxy needs of the rest of the daemon."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from hal0.daemon.http.client import Connection
from hal0.daemon.http.endpoint import Endpoint
from hal0.daemon.providers.base import Api, SlotSpec
from hal0.daemon.proxy.body import Call
from hal0.errors import Hal0Error
from hal0.wire import Kind


class Lease(Protocol):
    """A hold on a backend that is ready."""

    @property
    def endpoint(self) -> Endpoint: ...
    @property
    def spec(self) -> SlotSpec: ...
    @property
    def queue_ms(self) -> float: ...
    @property
    def load_ms(self) -> float: ...

    async def failure(self, reason: str) -> Hal0Error: ...
    def carried_by(self, line: Connection) -> None: ...


class Slot(Protocol):
    """What may be leased."""

    @property
    def name(self) -> str: ...
    @property
    def state(self) -> str: ...

    def lease(self, *, request: str) -> AbstractAsyncContextManager[Lease]: ...


class Choice(Protocol):
    @property
    def slot(self) -> Slot: ...
    @property
    def rule(self) -> str: ...


class Dispatcher(Protocol):
    def pick(self, api: Api, model: str | None) -> Choice: ...


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


class Dialect(Protocol):
    """Another API than chat completions, at paths of its own, that is answered by chat completions."""

    def call(self, path: str, raw: bytes) -> Call:
        """The request in the words of chat completions; raises `dispatch.*` for what cannot be said in them."""
        ...

    def headers(self, request: str) -> list[tuple[bytes, bytes]]:
        """What its clients look for in the head of every answer."""
        ...

    def error(self, error: Hal0Error, *, request: str) -> bytes:
        """The body of an answer that is a failure."""
        ...
