"""`GET /api/devices`: what the machine has, and how busy it is; `GET /api/history`: the last hour, also of slots."""

from quart import Blueprint, Response

from hal0.daemon.admin.replies import list_reply, reply
from hal0.daemon.services import Services


def make(services: Services) -> Blueprint:
    routes = Blueprint("devices", __name__)

    @routes.get("/devices")
    async def list_devices() -> Response:
        return list_reply("devices", await services.sampler.known_devices())

    @routes.get("/history")
    async def show_past() -> Response:
        return reply(services.past.view())

    return routes
