"""The door on port 8080 and on the Unix socket: relays go to the proxy, `/api` to Quart, the rest is answered here.

Raw ASGI, so that nothing stands between a token stream and its client. Every answer that is a failure, on whatever
path and method, is in the envelope.
"""

import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, unquote

from hal0 import __version__
from hal0.daemon.image_files import PATH as PICTURES
from hal0.daemon.keys.key import Key
from hal0.daemon.metrics import CONTENT_TYPE, exposition
from hal0.daemon.proxy import headers
from hal0.daemon.proxy.app import PATHS, ProxyApp
from hal0.daemon.proxy.replies import Reply
from hal0.daemon.routing.voices import PATH as VOICES
from hal0.daemon.services import Services
from hal0.errors import Hal0Error, did_you_mean

App = Callable[[Any, Any, Any], Awaitable[None]]

MODELS = "/v1/models"
HEALTH = "/health"
METRICS = "/metrics"
FACTS = (HEALTH, METRICS, MODELS, VOICES)  # what may be read here,
BELOW = (MODELS + "/", PICTURES)  # and all that is below these
READS = ("GET", "HEAD", "OPTIONS")
JSON_TYPE = b"application/json"

log = logging.getLogger("hal0.front")


class Front:
    """Chooses by path who answers."""

    def __init__(self, services: Services, *, proxy: ProxyApp, admin: App) -> None:
        self._services = services
        self._proxy = proxy
        self._admin = admin

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._admin(scope, receive, send)  # start-up and shutdown; websockets are refused there
            return
        path = scope["path"]
        if path.startswith("/api/"):
            await self._admin(scope, receive, send)
        elif path in PATHS:
            await self._relay(scope, receive, send)
        elif path.startswith(PICTURES) and scope["method"] in READS:
            await self._picture(scope, send)
        else:
            await self._answer(scope, send)

    async def _relay(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            with self._services.gate:
                await self._proxy(scope, receive, send)
        except Hal0Error as error:  # the gate is closed; the proxy answers its own failures
            await self._proxy.refuse(scope, send, error)

    async def _answer(self, scope: Any, send: Any) -> None:
        reply = self._reply(scope, send)
        try:
            self._check_path(scope)
            kind, body = (b"", b"") if scope["method"] == "OPTIONS" else await self._read(scope)
        except Hal0Error as error:
            await reply.fail(error)
            return
        if scope["method"] == "OPTIONS":
            await self._permit(scope, send)
            return
        await reply.whole(200, body, [(b"content-type", kind)])

    async def _picture(self, scope: Any, send: Any) -> None:
        """Without a key: its name is random, and who shows the picture, a browser say, has no key to show."""
        if scope["method"] == "OPTIONS":
            await self._permit(scope, send)
            return
        reply = self._reply(scope, send)
        try:
            picture, seconds = await self._services.image_files.read(scope["path"].removeprefix(PICTURES))
        except Hal0Error as error:
            await reply.fail(error)
            return
        told = [
            (b"content-type", b"image/png"),
            (b"cache-control", b"private, immutable, max-age=%d" % seconds),
            (b"x-content-type-options", b"nosniff"),
        ]
        await reply.whole(200, picture, told)

    async def _permit(self, scope: Any, send: Any) -> None:
        origins = self._services.config.current.settings.server.cors_origins
        await Reply(scope, send, headers=headers.preflight(origins, scope["headers"])).whole(204, b"", [])

    def _reply(self, scope: Any, send: Any) -> Reply:
        origins = self._services.config.current.settings.server.cors_origins
        reply = Reply(scope, send, headers=headers.cors(origins, scope["headers"]))
        reply.headers.append((b"x-request-id", headers.request_id(scope["headers"]).encode()))
        return reply

    def _check_path(self, scope: Any) -> None:
        """Raises `system.not_found` or `system.method_not_allowed`."""
        path, method = scope["path"], scope["method"]
        known = (*FACTS, *PATHS)
        if path not in FACTS and not path.startswith(BELOW):
            raise Hal0Error("system.not_found", path=path, nearest=did_you_mean(path, known))
        if method not in READS:
            raise Hal0Error("system.method_not_allowed", path=path, method=method, allowed="GET")

    async def _read(self, scope: Any) -> tuple[bytes, bytes]:
        """The type and body of what a GET of this path answers.

        Raises `system.auth_required`, `system.forbidden`, `dispatch.no_route` or `model.*`.
        """
        path = scope["path"]
        if path == HEALTH:
            return JSON_TYPE, json.dumps(self._health()).encode()
        key = self._services.keys.ring.admit(scope)
        if path == VOICES:
            asked = parse_qs(scope["query_string"].decode("latin-1")).get("model", [""])[0]
            return JSON_TYPE, json.dumps(await self._services.voices.all(asked, key=key)).encode()
        if path != METRICS:
            return JSON_TYPE, json.dumps(self._models(path, key)).encode()
        if key is not None and key.slots is not None:
            raise Hal0Error(
                "system.forbidden", reason=f"{METRICS} tells of all slots, the key {key.name!r} is for some"
            )
        return CONTENT_TYPE, await exposition(self._services)

    def _models(self, path: str, key: Key | None) -> dict[str, Any]:
        if path == MODELS:
            return self._services.listing.all(key=key)
        # Ids may hold slashes, written plainly or as %2F.
        return self._services.listing.one(unquote(path.removeprefix(MODELS + "/")), key=key)

    def _health(self) -> dict[str, Any]:
        """For whoever looks after the machine, without a key."""
        slots = {slot.name: slot.state.value for slot in self._services.supervisor}
        status = "stopping" if self._services.gate.is_closed else "ok"
        return {"status": status, "version": __version__, "slots": slots}
