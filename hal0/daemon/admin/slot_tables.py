"""`PUT`, `PATCH` and `DELETE /api/slots/NAME`, `POST …/plan`, `…/swap` and `…/pin`.

A slot's table in the configuration, by the one way of writing it.
"""

from typing import Any

from pydantic import Field, RootModel
from quart import Blueprint, Response, request

from hal0.daemon.admin.bodies import Body, based_on, body_of
from hal0.daemon.admin.config import BY, config_reply
from hal0.daemon.admin.plans import Plans
from hal0.daemon.admin.replies import reply
from hal0.daemon.config.proposals import Proposal, with_slot, with_slot_keys, without_slot
from hal0.daemon.services import Services
from hal0.wire import Accepted, Drain


class SlotKeys(RootModel[dict[str, Any]]):
    """Keys of a slot as the file has them; in a PATCH null takes one out."""


class SwapTo(Body):
    """Another model for a slot, and how long requests on the old one may go on."""

    model: str = Field(min_length=1)
    drain: Drain = "grace"


class Pin(Body):
    pinned: bool


def make(services: Services) -> Blueprint:
    routes = Blueprint("slot_tables", __name__)
    plans = Plans(services)

    @routes.put("/slots/<name>")
    async def put(name: str) -> Response:
        keys = (await body_of(SlotKeys)).root
        if request.headers.get("if-none-match") == "*":
            return await write(with_slot(name, keys, is_new=True), f"slot {name} created", status=201)
        return await write(with_slot(name, keys), f"slot {name} replaced")

    @routes.post("/slots/<name>/plan")
    async def plan(name: str) -> Response:
        """What a PUT of this table would do, with the same headers; nothing is written."""
        keys = (await body_of(SlotKeys)).root
        return reply(await plans.of_slot(name, keys, is_new=request.headers.get("if-none-match") == "*"))

    @routes.patch("/slots/<name>")
    async def patch(name: str) -> Response:
        keys = (await body_of(SlotKeys)).root
        return await write(with_slot_keys(name, keys), f"slot {name} edited")

    @routes.delete("/slots/<name>")
    async def delete(name: str) -> Response:
        return await write(without_slot(name), f"slot {name} deleted")

    @routes.post("/slots/<name>/swap")
    async def swap(name: str) -> Response:
        body, base = await body_of(SwapTo), based_on()
        slot = services.supervisor.get(name)
        since = services.bus.last_id
        accepted = Accepted(operation=f"swap-{since}", slot=name, since=since)
        await services.swaps.begin(
            slot, body.model, operation=accepted.operation, drain=body.drain, by=author(), based_on=base
        )
        return reply(accepted, status=202)

    @routes.post("/slots/<name>/pin")
    async def pin(name: str) -> Response:
        pinned = (await body_of(Pin)).pinned
        if services.supervisor.get(name).config.pinned == pinned:
            return config_reply(services.config.view())
        return await write(
            with_slot_keys(name, {"pinned": pinned}), f"slot {name} {'pinned' if pinned else 'unpinned'}"
        )

    def author() -> str:
        return request.headers.get("x-hal0-by") or BY

    async def write(proposal: Proposal, why: str, *, status: int = 200) -> Response:
        view = await services.config.write(proposal, by=author(), why=why, based_on=based_on())
        return config_reply(view, status=status)

    return routes
