"""`/api/config`: the revision that runs, and what is wrong with the file if it was refused."""

from quart import Blueprint, Response, request

from hal0.daemon.admin.replies import reply
from hal0.daemon.services import Services


def make(services: Services) -> Blueprint:
    routes = Blueprint("config", __name__)

    @routes.get("/config")
    async def show_config() -> Response:
        return reply(services.config.view())

    @routes.post("/config/reload")
    async def reload_config() -> Response:
        force = request.args.get("force") in ("1", "true")
        return reply(await services.config.reload(force=force))

    return routes
