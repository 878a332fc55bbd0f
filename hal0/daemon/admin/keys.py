"""`/api/keys`: the API keys, without their texts; a new one's text is in the answer that makes it, and nowhere else."""

from quart import Blueprint, Response

from hal0.daemon.admin.bodies import Body, body_of
from hal0.daemon.admin.replies import reply
from hal0.daemon.keys.key import Scope
from hal0.daemon.services import Services


class Wanted(Body):
    """A key to be made. Without `slots` it reaches all of them."""

    name: str
    scope: Scope = "inference"
    slots: tuple[str, ...] = ()


def make(services: Services) -> Blueprint:
    routes = Blueprint("keys", __name__)

    @routes.get("/keys")
    async def list_keys() -> Response:
        return reply(services.keys.view())

    @routes.post("/keys")
    async def add() -> Response:
        wanted = await body_of(Wanted)
        return reply(await services.keys.add(wanted.name, wanted.scope, wanted.slots), status=201)

    @routes.delete("/keys/<name>")
    async def revoke(name: str) -> Response:
        return reply(await services.keys.revoke(name))

    @routes.delete("/keys")
    async def remove_all() -> Response:
        return reply(await services.keys.remove_all())

    return routes
