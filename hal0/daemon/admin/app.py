"""The admin API: a Quart app under `/api`, for the dashboard, the CLI and scripts on this machine."""

import logging

from quart import Quart, Response, request
from werkzeug.exceptions import HTTPException, InternalServerError, MethodNotAllowed, NotFound

from hal0.daemon.admin import (
    config,
    crashes,
    devices,
    events,
    keys,
    models,
    openapi,
    pulls,
    remotes,
    requests,
    slot_tables,
    slots,
    state,
)
from hal0.daemon.admin.guard import check_caller
from hal0.daemon.admin.replies import error_reply
from hal0.daemon.services import Services
from hal0.errors import Hal0Error

BODY_LIMIT_BYTES = 1 * 2**20

log = logging.getLogger("hal0.admin")


def make_admin(services: Services) -> Quart:
    """Build the app over the daemon's services."""
    app = Quart("hal0.daemon.admin", static_folder=None)
    # Quart's own limits end a busy stream silently (total time); ours are in the connection and in the streams.
    app.config.update(RESPONSE_TIMEOUT=None, BODY_TIMEOUT=None, MAX_CONTENT_LENGTH=BODY_LIMIT_BYTES)

    @app.before_request
    async def admit() -> None:
        await check_caller(services.config.current.settings, services.keys.ring)

    for module in (
        state,
        events,
        slots,
        slot_tables,
        requests,
        config,
        devices,
        crashes,
        keys,
        models,
        openapi,
        pulls,
        remotes,
    ):
        app.register_blueprint(module.make(services), url_prefix="/api")
    app.register_error_handler(Hal0Error, error_reply)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _defect)
    return app


def _http_error(error: HTTPException) -> Response:
    if isinstance(error, NotFound):
        return error_reply(Hal0Error("system.not_found", path=request.path, nearest=""))
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or ()))
        reply = error_reply(
            Hal0Error("system.method_not_allowed", path=request.path, method=request.method, allowed=allowed)
        )
        reply.headers["allow"] = allowed
        return reply
    if isinstance(error, InternalServerError):
        return _defect(error.original_exception or error)
    if error.code == 413:
        return error_reply(Hal0Error("dispatch.too_large", limit_bytes=BODY_LIMIT_BYTES))
    return error_reply(Hal0Error("system.bad_request", reason=error.description or error.name))


def _defect(error: BaseException) -> Response:
    log.error("the admin API failed", exc_info=error)
    return error_reply(Hal0Error("system.internal", reason=repr(error)))
