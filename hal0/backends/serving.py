"""HTTP for backends of hal0's own: a few routes, the slot's key, failures in JSON, and an end when the client leaves.

An ASGI app on Hypercorn, on 127.0.0.1 alone. It listens before the model is loaded; until then every route answers 503,
and so does /health. No permission for web pages of any origin is ever given. SIGTERM ends the process at once: hal0
lets requests in flight finish before it sends one.
"""

import asyncio
import hmac
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any, NoReturn

from hypercorn.asyncio import serve
from hypercorn.config import Config

from hal0.errors import Hal0Error
from hal0.forms import Form

KEY_ENV = "HAL0_BACKEND_KEY"
HEALTH = "/health"
EXIT_USAGE = 2
EXIT_CANNOT_SERVE = 3
EXIT_NO_ENGINE = 4
JSON = b"application/json"

Headers = list[tuple[bytes, bytes]]

log = logging.getLogger(__name__)


class Refusal(Exception):  # noqa: N818 - it says what happened
    """A request that is answered with an error; `param` names the field that is at fault."""

    def __init__(self, message: str, *, status: int = 400, param: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.param = param

    def body(self) -> dict[str, Any]:
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.status}}


class CannotServe(Exception):  # noqa: N818 - it says what happened
    """The program cannot do its work; `status` is what it ends with."""

    def __init__(self, reason: str, *, status: int = EXIT_CANNOT_SERVE) -> None:
        super().__init__(reason)
        self.status = status


class Exchange:
    """One request, whole, and the answer to it."""

    def __init__(self, scope: Any, body: bytes, send: Callable[[Any], Awaitable[None]]) -> None:
        self.headers: Mapping[bytes, bytes] = dict(scope["headers"])
        self.body = body
        self.form: Form | None = None  # in the place of `body`, for an app that reads forms; the route closes it
        self.has_begun = False
        self._send = send

    async def json(self, status: int, value: Any) -> None:
        data = json.dumps(value).encode()
        await self.whole(status, data, [(b"content-type", JSON)])

    async def whole(self, status: int, data: bytes, headers: Headers) -> None:
        await self.begin(status, [*headers, (b"content-length", b"%d" % len(data))])
        await self.end(data)

    async def begin(self, status: int, headers: Headers) -> None:
        self.has_begun = True
        await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def part(self, data: bytes) -> None:
        """Send some of the body; waits while the client is behind."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes = b"") -> None:
        await self._send({"type": "http.response.body", "body": data, "more_body": False})


Route = Callable[[Exchange], Awaitable[None]]
Reader = Callable[[Exchange, AsyncIterator[bytes]], Awaitable[None]]


class App:
    """`routes` by method and path. `is_ready`: the model is loaded; `health` then answers for it, if more is to see.

    Bodies are held, up to `body_limit_bytes`, unless `read` takes them piece by piece.
    """

    def __init__(
        self,
        routes: Mapping[tuple[str, str], Route],
        *,
        key: str,
        is_ready: Callable[[], bool],
        body_limit_bytes: int = 0,
        read: Reader | None = None,
        health: Route | None = None,
    ) -> None:
        self._routes = routes
        self._key = key
        self._is_ready = is_ready
        self._body_limit_bytes = body_limit_bytes
        self._look = health
        self._read = read or self._hold

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Any) -> None:
        if scope["type"] != "http":
            await _lifespan(receive, send)
            return
        exchange = Exchange(scope, b"", send)
        try:
            route = self._route(scope, exchange)
            if scope["method"] == "POST":
                await self._read(exchange, _parts(receive))
            await _while_client_stays(route(exchange), receive)
        except Refusal as refusal:
            if exchange.has_begun:
                raise
            await exchange.json(refusal.status, refusal.body())
        except Hal0Error as error:
            if exchange.has_begun:
                raise
            await exchange.whole(error.status, error.body(), [(b"content-type", JSON)])
        except ConnectionError:
            return  # the client left
        except Exception as error:  # a defect, or what an engine's library raises; cut off if the answer has begun
            log.exception("%s failed", scope["path"])
            if exchange.has_begun:
                raise
            failure = Refusal(f"{type(error).__name__}: {error}", status=500)
            await exchange.json(failure.status, failure.body())

    def _route(self, scope: Any, exchange: Exchange) -> Route:
        method, path = scope["method"], scope["path"]
        if (method, path) == ("GET", HEALTH):
            return self._health
        given = exchange.headers.get(b"authorization", b"").removeprefix(b"Bearer ")
        if self._key and not hmac.compare_digest(given, self._key.encode()):
            raise Refusal("another key is needed", status=401)
        route = self._routes.get((method, path))
        if route is None:
            known = path in {path for _, path in self._routes}
            raise Refusal(f"{path} does not answer {method}" if known else f"there is nothing at {path}", status=404)
        if not self._is_ready():
            raise Refusal("the model is loading", status=503)
        return route

    async def _health(self, exchange: Exchange) -> None:
        if not self._is_ready():
            raise Refusal("the model is loading", status=503)
        if self._look is not None:
            await self._look(exchange)
            return
        await exchange.json(200, {"status": "ok"})

    async def _hold(self, exchange: Exchange, parts: AsyncIterator[bytes]) -> None:
        held: list[bytes] = []
        size = 0
        async for part in parts:
            held.append(part)
            size += len(part)
            if size > self._body_limit_bytes:
                raise Refusal(f"the body is larger than {self._body_limit_bytes} bytes", status=413)
        exchange.body = b"".join(held)


async def _parts(receive: Callable[[], Awaitable[Any]]) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the client left before its request was whole")
        yield message["body"]
        if not message.get("more_body"):
            return


async def _lifespan(receive: Callable[[], Awaitable[Any]], send: Any) -> None:
    while True:
        word = (await receive())["type"]
        await send({"type": f"{word}.complete"})
        if word == "lifespan.shutdown":
            return


async def _while_client_stays(answering: Awaitable[None], receive: Callable[[], Awaitable[Any]]) -> None:
    """Answer; when the client leaves, the answering is cancelled. Raises what it raises."""
    work = asyncio.ensure_future(answering)
    left = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait({work, left}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        left.cancel()
        work.cancel()  # nothing happens if it is done
        with suppress(asyncio.CancelledError):
            await asyncio.wait({work, left})
    if work.cancelled():
        raise ConnectionError("the client left")
    work.result()


async def _left(receive: Callable[[], Awaitable[Any]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def run(app: App, *, port: int, load: Callable[[], None]) -> NoReturn:
    """Listen, load the model in a thread, serve until SIGTERM. Ends the process; a `CannotServe` of `load` with it."""
    asyncio.run(_serve(app, port=port, load=load))
    raise AssertionError("it serves until the process ends")


async def _serve(app: App, *, port: int, load: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        # Without the interpreter's own end, which would wait for threads in the middle of a computation.
        loop.add_signal_handler(number, os._exit, 0)
    loading = loop.run_in_executor(None, _load_or_end, load)
    serving = asyncio.ensure_future(serving_on(app, port))
    await loading
    await serving


async def serving_on(app: App, port: int) -> None:
    """Serve for as long as the task lives."""
    config = Config()
    config.bind = [f"127.0.0.1:{port}"]
    config.accesslog = None
    config.loglevel = "warning"
    config.include_server_header = False
    config.keep_alive_timeout = 75.0
    config.graceful_timeout = 0.0
    await serve(app, config, shutdown_trigger=asyncio.Event().wait)


def _load_or_end(load: Callable[[], None]) -> None:
    try:
        load()
    except CannotServe as failure:
        end(failure.status, str(failure))


def end(status: int, reason: str) -> NoReturn:
    """End the process, the reason in the last line of what it printed."""
    sys.stdout.flush()
    sys.stderr.write(f"error: {' '.join(reason.split())}\n")
    sys.stderr.flush()
    os._exit(status)
