"""`/api/remotes`: the providers elsewhere."""

from quart import Blueprint, Response

from hal0.daemon.admin.replies import list_reply, reply
from hal0.daemon.admin.views import remote_view
from hal0.daemon.services import Services


def make(services: Services) -> Blueprint:
    routes = Blueprint("remotes", __name__)

    @routes.get("/remotes")
    async def list_remotes() -> Response:
        return list_reply("remotes", [remote_view(remote, services) for remote in services.remotes])

    @routes.get("/remotes/<name>")
    async def show_remote(name: str) -> Response:
        return reply(remote_view(services.remotes.get(name), services))

    @routes.post("/remotes/<name>/test")
    async def test_remote(name: str) -> Response:
        """Ask it for its list of models now, with its key."""
        return reply(remote_view(await services.remotes.refresh(name), services))

    return routes
