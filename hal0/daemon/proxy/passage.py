"""One request on its way through the proxy, and its body as it arrives."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from hal0.daemon.config.schema import Settings
from hal0.daemon.http.pipe import ClientGone
from hal0.daemon.keys.key import Key
from hal0.daemon.proxy.headers import find
from hal0.daemon.proxy.replies import Reply
from hal0.daemon.proxy.request import Request
from hal0.errors import Hal0Error

Receive = Callable[[], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Passage:
    """A request, its answer, and the configuration it began under."""

    path: str
    method: str
    headers: list[tuple[bytes, bytes]]
    receive: Receive
    reply: Reply
    request: Request
    settings: Settings
    key: Key | None

    async def body(self, *, limit_bytes: int) -> bytes:
        """All of it; one that is too large is refused before it is read. Raises `dispatch.too_large` or ClientGone."""
        self._refuse_announced(limit_bytes)
        parts: list[bytes] = []
        size, is_more = 0, True
        while is_more:
            part, is_more = await self._next_part()
            parts.append(part)
            size += len(part)
            if size > limit_bytes:
                raise Hal0Error("dispatch.too_large", limit_bytes=limit_bytes)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def parts(self, *, limit_bytes: int) -> AsyncIterator[bytes]:
        """The body as it comes, no faster than it is taken; raises like `body`."""
        self._refuse_announced(limit_bytes)
        size, is_more = 0, True
        while is_more:
            part, is_more = await self._next_part()
            size += len(part)
            if size > limit_bytes:
                raise Hal0Error("dispatch.too_large", limit_bytes=limit_bytes)
            yield part

    def _refuse_announced(self, limit_bytes: int) -> None:
        announced = find(self.headers, b"content-length")
        if announced is not None and int(announced) > limit_bytes:
            raise Hal0Error("dispatch.too_large", limit_bytes=limit_bytes)

    async def _next_part(self) -> tuple[bytes, bool]:
        """Some more of the body, and whether there is more."""
        message = await self.receive()
        if message["type"] == "http.disconnect":
            raise ClientGone("the client left before its request was whole")
        return message["body"], message["more_body"]
