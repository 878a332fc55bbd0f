"""Models that come and go: `POST /api/models/pull`, `/api/pulls`, references to files, and removal."""

import asyncio
from pathlib import Path

from quart import Blueprint, Response, request

from hal0.daemon.admin.bodies import Body, body_of
from hal0.daemon.admin.config import BY, config_reply
from hal0.daemon.admin.replies import list_reply, reply
from hal0.daemon.config.edits import Edit
from hal0.daemon.config.proposals import with_edits
from hal0.daemon.models.file import ModelFile
from hal0.daemon.models.gguf import read_header
from hal0.daemon.services import Services
from hal0.errors import Hal0Error
from hal0.wire import Kind, Removed


class Wanted(Body):
    """A catalogue name, `hf:OWNER/REPOSITORY[@REVISION][:FILE]`, or an address."""

    source: str
    name: str | None = None
    sha256: str | None = None
    kind: Kind | None = None  # of a folder, whose files do not tell


class Reference(Body):
    """A file, or a model of another program by its name, to be known under a name of its own."""

    path: str
    name: str


def make(services: Services) -> Blueprint:
    routes = Blueprint("pulls", __name__)
    pulls = services.pulls

    @routes.post("/models/pull")
    async def pull() -> Response:
        body = await body_of(Wanted)
        view = await pulls.start(body.source, name=body.name, sha256=body.sha256, kind=body.kind)
        return reply(view, status=200 if view.state == "done" else 202)

    @routes.get("/pulls")
    async def list_pulls() -> Response:
        return list_reply("pulls", pulls.views())

    @routes.get("/pulls/<name>")
    async def show_pull(name: str) -> Response:
        return reply(await pulls.view(name))

    @routes.delete("/pulls/<name>")
    async def cancel(name: str) -> Response:
        """Stops it; what has come is kept."""
        return reply(await pulls.cancel(name, by=_by()))

    @routes.post("/models")
    async def add() -> Response:
        """Writes `[models.NAME]`; the file stays where it is."""
        body = await body_of(Reference)
        table = await asyncio.to_thread(_place, body.path, services)
        if (there := services.listing.registry().place_of(body.name)) is not None:
            raise Hal0Error("model.already_exists", model=body.name, reason=there)
        edit = Edit(("models", body.name), table)
        why = f"model {body.name} added"
        return config_reply(await services.config.write(with_edits([edit]), by=_by(), why=why), status=201)

    @routes.delete("/models/<path:name>")
    async def remove(name: str) -> Response:
        """Deletes what hal0 has pulled; of anything else only the reference goes. `force` also if a slot serves it."""
        forced = request.args.get("force") in ("1", "true")
        return reply(await _remove(name, services, forced=forced))

    return routes


def _place(given: str, services: Services) -> dict[str, str]:
    """What the table of the model says: the file that is meant, if it is a model; raises `model.*`."""
    if not given.startswith("/"):
        model = services.listing.registry().find(given)
        eyes = model.own_projector
        return {"path": str(model.path), **({"mmproj": str(eyes)} if eyes is not None else {})}
    path = Path(given)
    if not path.exists():
        raise Hal0Error("model.no_such_file", path=given)
    if not path.is_dir():  # a folder is judged by the provider that serves it
        read_header(path, whole=False)
    return {"path": given}


async def _remove(name: str, services: Services, *, forced: bool) -> Removed:
    if services.pulls.is_pull(name):
        return Removed(name=name, what="partial", freed_bytes=await services.pulls.forget(name, by=_by()))
    table = services.config.current.settings.models.files.get(name)
    # Of a model with an address its file goes first; as long as that is there, the table is only where it came from.
    if table is not None and not (table.url is not None and await services.pulls.has(name)):
        _check_unused(name, (), services, forced=forced)
        await services.config.write(with_edits([Edit(("models", name))]), by=_by(), why=f"model {name} removed")
        return Removed(name=name, what="reference")
    model = await _known(name, services)
    _check_unused(model.id, model.aliases, services, forced=forced)
    freed = await services.pulls.remove(model.id)
    return Removed(name=model.id, what="files", freed_bytes=freed)


async def _known(name: str, services: Services) -> ModelFile:
    """A model that hal0 has pulled, also one whose files are damaged or gone; raises `model.not_ours`."""
    try:
        model = await asyncio.to_thread(services.listing.registry().find, name)
    except Hal0Error as error:
        if not await services.pulls.has(name) or error.code not in ("model.file_missing", "model.file_invalid"):
            raise
        return ModelFile(name, Path(), "chat", 0, pulled=True)
    if model.pulled:
        return model
    if model.embedded:
        reason, fix = "it is part of the package", "Nothing to do: it goes when hal0 is uninstalled."
    elif services.foreign.is_name(name):
        reason = f"it belongs to {name.partition('/')[0]}"
        fix = "Delete it with the program that it belongs to; hal0 then no longer finds it."
    else:
        reason = f"its file lies in a folder of yours: {model.path}"
        fix = f"Delete the file yourself: rm {model.path}"
    raise Hal0Error("model.not_ours", model=name, reason=reason, fix=fix)


def _check_unused(name: str, aliases: tuple[str, ...], services: Services, *, forced: bool) -> None:
    slots = [slot.name for slot in services.supervisor if slot.config.model in (name, *aliases)]
    if slots and not forced:
        raise Hal0Error("model.in_use", model=name, slots=", ".join(slots))


def _by() -> str:
    return request.headers.get("x-hal0-by") or BY
