"""`PUT`, `PATCH` and `DELETE /api/slots/NAME`: a slot's table in the configuration, by the one way of writing it."""

from typing import Any

from pydantic import RootModel
from quart import Blueprint, Response, request

from hal0.daemon.admin.bodies import based_on, body_of
from hal0.daemon.admin.config import BY, config_reply
from hal0.daemon.config.proposals import Proposal, with_slot, with_slot_keys, without_slot
from hal0.daemon.services import Services


class SlotKeys(RootModel[dict[str, Any]]):
    """Keys of a slot as the file has them; in a PATCH null takes one out."""


def make(services: Services) -> Blueprint:
    routes = Blueprint("slot_tables", __name__)

    @routes.put("/slots/<name>")
    async def put(name: str) -> Response:
        keys = (await body_of(SlotKeys)).root
        if request.headers.get("if-none-match") == "*":
            return await write(with_slot(name, keys, is_new=True), f"slot {name} created", status=201)
        return await write(with_slot(name, keys), f"slot {name} replaced")

    @routes.patch("/slots/<name>")
    async def patch(name: str) -> Response:
        keys = (await body_of(SlotKeys)).root
        return await write(with_slot_keys(name, keys), f"slot {name} edited")

    @routes.delete("/slots/<name>")
    async def delete(name: str) -> Response:
        return await write(without_slot(name), f"slot {name} deleted")

    async def write(proposal: Proposal, why: str, *, status: int = 200) -> Response:
        by = request.headers.get("x-hal0-by") or BY
        view = await services.config.write(proposal, by=by, why=why, based_on=based_on())
        return config_reply(view, status=status)

    return routes
