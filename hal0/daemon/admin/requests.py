"""`/api/requests`: what is in flight and what was lately, and the way to cancel."""

from quart import Blueprint, Response

from hal0.daemon.admin.replies import list_reply, reply
from hal0.daemon.services import Services


def make(services: Services) -> Blueprint:
    routes = Blueprint("requests", __name__)

    @routes.get("/requests")
    async def list_requests() -> Response:
        return list_reply("requests", services.requests.views())

    @routes.get("/requests/<id>")
    async def show_request(id: str) -> Response:
        return reply(services.requests.view(id))

    @routes.delete("/requests/<id>")
    async def cancel_request(id: str) -> Response:
        view = services.requests.view(id)
        services.requests.cancel(id, by="a person")
        return reply(view, status=202)

    return routes
