"""`/api/crashes`: what was known when backends failed."""

import asyncio

from quart import Blueprint, Response

from hal0.daemon.admin.replies import list_reply, reply
from hal0.daemon.services import Services


def make(services: Services) -> Blueprint:
    routes = Blueprint("crashes", __name__)
    crashes = services.supervisor.crashes

    @routes.get("/crashes")
    async def list_crashes() -> Response:
        return list_reply("crashes", await asyncio.to_thread(crashes.all))

    @routes.get("/crashes/<id>")
    async def show_crash(id: str) -> Response:
        return reply(await asyncio.to_thread(crashes.get, id))

    return routes
