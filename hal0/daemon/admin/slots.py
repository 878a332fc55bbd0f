"""`/api/slots`: the slots, their verbs, their logs and their command lines."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

from quart import Blueprint, Response, request

from hal0.daemon.admin.bodies import Body, body_of
from hal0.daemon.admin.fit import fit_view
from hal0.daemon.admin.replies import event_stream, list_reply, query_number, reply
from hal0.daemon.admin.views import slot_view
from hal0.daemon.services import Services
from hal0.daemon.slots.output import KEPT_LINES, Printed
from hal0.daemon.slots.slot import Slot
from hal0.wire import Accepted, CommandView, Drain, LogLines

DEFAULT_LINES = 200  # without a time
LONGEST_SECONDS = 10 * 365 * 24 * 3600
MASK = "<a new random key at each start>"


class Stop(Body):
    """How a slot is stopped."""

    drain: Drain = "grace"


def make(services: Services) -> Blueprint:
    routes = Blueprint("slots", __name__)

    @routes.get("/slots")
    async def list_slots() -> Response:
        return list_reply("slots", [slot_view(slot, services) for slot in services.supervisor])

    @routes.get("/slots/<name>")
    async def show_slot(name: str) -> Response:
        return reply(slot_view(services.supervisor.get(name), services))

    @routes.post("/slots/<name>/load")
    async def load(name: str) -> Response:
        await body_of(Body)
        return act(name, "load", lambda slot: slot.load(by="a person"))

    @routes.post("/slots/<name>/unload")
    async def unload(name: str) -> Response:
        drain = (await body_of(Stop)).drain
        return act(name, "unload", lambda slot: slot.unload("unloaded by a person", drain=drain))

    @routes.post("/slots/<name>/restart")
    async def restart(name: str) -> Response:
        drain = (await body_of(Stop)).drain
        return act(name, "restart", lambda slot: slot.restart(by="a person", drain=drain))

    def act(name: str, verb: str, do: Callable[[Slot], object]) -> Response:
        slot = services.supervisor.get(name)
        since = services.bus.last_id
        do(slot)
        return reply(Accepted(operation=f"{verb}-{since}", slot=name, since=since), status=202)

    @routes.get("/slots/<name>/command")
    async def show_command(name: str) -> Response:
        return reply(_command(services.supervisor.get(name)))

    @routes.get("/slots/<name>/fit")
    async def show_fit(name: str) -> Response:
        """Whether it could start now, and who would have to go; what runs under its name is taken for gone."""
        slot = services.supervisor.get(name)
        spec = slot.plan()
        launch = slot.provider.launch(spec)
        devices = await services.sampler.known_devices()
        appraised = await asyncio.to_thread(services.appraisal.of, spec, launch, devices)
        return reply(fit_view(name, await services.supervisor.room.preview(name, appraised, slot.config)))

    @routes.get("/slots/<name>/why")
    async def show_ledger(name: str) -> Response:
        return list_reply("entries", services.supervisor.get(name).journal.entries())

    @routes.get("/slots/<name>/logs")
    async def show_logs(name: str) -> Response:
        slot = services.supervisor.get(name)
        last = request.args.get("seconds")
        since = time.time() - query_number(last, "seconds", default=0, most=LONGEST_SECONDS) if last else None
        lines = DEFAULT_LINES if since is None else KEPT_LINES
        count = query_number(request.args.get("lines"), "lines", default=lines, most=KEPT_LINES)
        if request.args.get("follow") in ("1", "true"):
            return event_stream(_follow(slot, count, since))
        return reply(_log(slot, slot.output.printed(count, since=since)))

    return routes


def _command(slot: Slot) -> CommandView:
    launch = slot.provider.launch(slot.plan())
    port = slot.view().port
    return CommandView(
        argv=[word.text if port is None else word.text.replace("{port}", str(port)) for word in launch.command],
        env={**dict(launch.env), **({launch.key_env: MASK} if launch.key_env else {})},
        key=launch.key_env or launch.key_mark,
        cwd=launch.cwd,
        origins=[word.origin for word in launch.command],
    )


def _log(slot: Slot, printed: list[Printed]) -> LogLines:
    times = [round(line.at, 3) for line in printed]
    return LogLines(name=slot.name, lines=[line.text for line in printed], times=times)


async def _follow(slot: Slot, count: int, since: float | None) -> AsyncIterator[str]:
    async for printed in slot.output.follow(count, since=since):
        yield f"data: {_log(slot, printed).model_dump_json()}\n\n"
