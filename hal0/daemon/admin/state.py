"""`GET /api/state`: the whole picture; `GET /api/errors`: the recent failures."""

from quart import Blueprint, Response

from hal0.daemon.admin.replies import list_reply, reply
from hal0.daemon.admin.views import state_view
from hal0.daemon.services import Services


def make(services: Services) -> Blueprint:
    routes = Blueprint("state", __name__)

    @routes.get("/state")
    async def show_state() -> Response:
        return reply(state_view(services))

    @routes.get("/errors")
    async def list_errors() -> Response:
        return list_reply("errors", services.errors.records())

    return routes
