"""HTTP towards remotes, by httpx: TLS, HTTP/2, proxies of the environment. Imported when the first remote is asked.

Redirects are not followed: the key and the prompt go where the configuration says, and nowhere else.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import httpx

from hal0 import __version__
from hal0.daemon.http.client import BrokenAnswer, Head, read_whole
from hal0.daemon.http.payload import Body, Payload
from hal0.daemon.remotes.idiom import Counted
from hal0.errors import Hal0Error
from hal0.unreached import in_words

LIST_SECONDS = 30.0
LIST_BYTES = 16 * 2**20
KEPT_CONNECTIONS = 20
KEPT_SECONDS = 60.0


def make_client(url: str, headers: Mapping[str, str], *, name: str, connect_seconds: float) -> httpx.AsyncClient:
    """A pool of connections to one remote. `headers` go with every request. Raises `dispatch.upstream_unavailable`."""
    try:
        return httpx.AsyncClient(
            base_url=url.rstrip("/") + "/",
            # What is compressed cannot be looked at on its way, and tokens gain nothing by it.
            headers={"user-agent": f"hal0/{__version__}", **headers, "accept-encoding": "identity"},
            http2=True,
            follow_redirects=False,
            timeout=httpx.Timeout(None, connect=connect_seconds),
            limits=httpx.Limits(
                max_connections=None, max_keepalive_connections=KEPT_CONNECTIONS, keepalive_expiry=KEPT_SECONDS
            ),
        )
    # The environment names a proxy of a kind that the library cannot use, or certificates that are not there.
    except (ImportError, ValueError, httpx.InvalidURL, OSError) as error:
        raise Hal0Error("dispatch.upstream_unavailable", slot=name, reason=in_words(error)) from error


async def ask(
    client: httpx.AsyncClient,
    path: str,
    *,
    name: str,
    body: Body,
    headers: Mapping[bytes, bytes],
    first_byte_seconds: float,
    on_close: Callable[[httpx.Response], None],
) -> "RemoteAnswer":
    """POST, and wait for the head of the answer. Raises `dispatch.upstream_unavailable|timeout|failed`.

    As long as the remote takes what is sent in pieces, the time does not run.
    """
    limit = asyncio.timeout(first_byte_seconds)
    if isinstance(body, bytes):
        request = client.build_request("POST", path.lstrip("/"), content=body, headers=headers)
    else:
        framed = {**headers, b"content-length": b"%d" % body.length}
        pieces = _paced(body, limit, first_byte_seconds)
        request = client.build_request("POST", path.lstrip("/"), content=pieces, headers=framed)
    try:
        async with limit:
            response = await client.send(request, stream=True)
    except TimeoutError as error:
        raise Hal0Error("dispatch.upstream_timeout", slot=name, seconds=first_byte_seconds) from error
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise Hal0Error("dispatch.upstream_unavailable", slot=name, reason=in_words(error)) from error
    if response.is_redirect:
        target = response.headers.get("location", "")
        on_close(response)
        reason = f"it redirects to {target}; hal0 does not follow, so that keys stay where they were meant for"
        raise Hal0Error("dispatch.upstream_failed", slot=name, reason=reason)
    return RemoteAnswer(response, on_close=lambda: on_close(response))


async def _paced(body: Payload, limit: asyncio.Timeout, seconds: float) -> AsyncIterator[bytes]:
    clock = asyncio.get_running_loop().time
    async for piece in body.pieces():
        limit.reschedule(clock() + seconds)
        yield piece
    limit.reschedule(clock() + seconds)


async def fetch_list(client: httpx.AsyncClient, path: str, *, name: str, headers: Mapping[bytes, bytes]) -> Any:
    """The remote's answer to `GET /models`, or a page of it. Raises `dispatch.upstream_*`."""
    try:
        async with asyncio.timeout(LIST_SECONDS), client.stream("GET", path, headers=headers) as response:
            parts, size = [], 0
            async for part in response.aiter_raw():
                size += len(part)
                if size > LIST_BYTES:
                    raise Hal0Error("dispatch.upstream_failed", slot=name, reason="its list of models is too long")
                parts.append(part)
    except TimeoutError as error:
        raise Hal0Error("dispatch.upstream_timeout", slot=name, seconds=LIST_SECONDS) from error
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise Hal0Error("dispatch.upstream_unavailable", slot=name, reason=in_words(error)) from error
    if response.status_code != 200:
        reason = f"status {response.status_code} to its list of models"
        raise Hal0Error("dispatch.upstream_failed", slot=name, reason=reason)
    try:
        return json.loads(b"".join(parts))
    except (ValueError, RecursionError) as error:
        raise Hal0Error("dispatch.upstream_failed", slot=name, reason="its list of models is not JSON") from error


class RemoteAnswer:
    """A response that has begun. `read` until b"", or `pour`; `fail` and `close` end it early."""

    def __init__(self, response: httpx.Response, *, on_close: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_close = on_close
        self._parts = response.aiter_raw()
        self._error: Exception | None = None
        self._reading: asyncio.Timeout | None = None
        self._may_go_on = asyncio.Event()
        self._may_go_on.set()
        self.counted: Counted | None = None  # its bytes tell
        self.paused = False
        self.last_heard = self._loop.time()  # of the last bytes that came
        headers = tuple((name.lower(), value) for name, value in response.headers.raw)
        length = response.headers.get("content-length", "")
        self._head = Head(
            response.status_code,
            headers,
            length=int(length) if length.isdecimal() and len(length) < 19 else None,
            until_close=False,  # the library raises if an answer breaks off
        )

    async def head(self) -> Head:
        return self._head

    async def read(self) -> bytes:
        """The next bytes of the body; b"" at its end. Raises BrokenAnswer."""
        data: bytes | None = None
        try:
            # No limit of its own: `fail` brings it forward, as what ends an answer early is decided elsewhere.
            async with asyncio.timeout(None) as self._reading:
                while self._error is None and (data := await anext(self._parts, None)) == b"":
                    pass
        except TimeoutError:
            if self._error is None:
                raise
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise BrokenAnswer(in_words(error)) from error
        finally:
            self._reading = None
        if self._error is not None:
            raise self._error
        self.last_heard = self._loop.time()
        return data or b""

    async def read_all(self, limit_bytes: int) -> bytes:
        """The rest of the body, which must not be longer than the limit."""
        return await read_whole(self.read, limit_bytes)

    async def pour(self, sink: Callable[[bytes], None]) -> None:
        """Give the rest of the body to `sink` as it comes; return at its end."""
        while data := await self.read():
            sink(data)
            await self.may_go_on()

    async def may_go_on(self) -> None:
        """Return once whoever reads is no longer behind."""
        await self._may_go_on.wait()

    def pause(self) -> None:
        self.paused = True
        self._may_go_on.clear()

    def resume(self) -> None:
        self.paused = False
        self.last_heard = self._loop.time()
        self._may_go_on.set()

    def fail(self, error: Exception) -> None:
        """End it; whoever reads gets `error`."""
        self._error = self._error or error
        self._may_go_on.set()
        if self._reading is not None:
            self._reading.reschedule(self._loop.time())

    def close(self) -> None:
        """Nobody reads any more."""
        self._on_close()
