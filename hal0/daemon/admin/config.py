"""`/api/config`: the revision that runs, what another would do, writing one, and the history.

Every write is based on what its writer saw (`If-Match`, from `ETag` or `tag`), is judged as a whole before a file is
touched, and is answered with the configuration that then runs.
"""

import asyncio
from pathlib import Path
from typing import Any

from quart import Blueprint, Response, request

from hal0.daemon.admin.bodies import Body, based_on, body_of
from hal0.daemon.admin.plans import Plans
from hal0.daemon.admin.replies import list_reply, query_number, reply
from hal0.daemon.config.edits import Edit
from hal0.daemon.config.file import Judgement
from hal0.daemon.config.history import difference, texts_of
from hal0.daemon.config.origins import values, written_at
from hal0.daemon.config.proposals import key_of, with_edits, with_text
from hal0.daemon.services import Services
from hal0.errors import Hal0Error
from hal0.wire import ConfigView

BY = "api"


class Why(Body):
    by: str = BY
    why: str = ""


class Text(Why):
    """The whole text of hal0.toml, or of the drop-in that `file` names."""

    text: str
    file: str | None = None
    force: bool = False  # also one that has become implausibly short


class Keys(Why):
    """Single keys, dotted: their new values, or null to take them out."""

    set: dict[str, Any]


class Rollback(Why):
    revision: int


class Proposed(Body):
    """A text to judge; without one, the files on disk."""

    text: str | None = None
    file: str | None = None


def make(services: Services) -> Blueprint:
    routes = Blueprint("config", __name__)
    store = services.config
    plans = Plans(services)

    @routes.get("/config")
    async def show_config() -> Response:
        return config_reply(store.view())

    @routes.get("/config/values")
    async def show_values() -> Response:
        return list_reply("values", values(store.current.settings, store.sources, store.env))

    @routes.get("/config/text")
    async def show_text() -> Response:
        texts = await store.texts()
        answer = reply(texts)
        answer.headers["etag"] = f'"{texts.tag}"'
        return answer

    @routes.get("/config/place")
    async def show_place() -> Response:
        key = key_of(request.args.get("key", ""))
        texts = await store.texts()
        return reply(await asyncio.to_thread(written_at, key, texts.files, main=str(store.current.path)))

    @routes.put("/config")
    async def replace_text() -> Response:
        body, base = await body_of(Text), based_on()
        if base is None and request.headers.get("if-match") != "*":
            reason = "a whole text needs the ETag of the one it replaces, or * to replace any"
            raise Hal0Error("dispatch.invalid_request", param="If-Match", field="If-Match", reason=reason)
        proposal = with_text(_path(body.file), body.text)
        view = await store.write(proposal, by=body.by, why=body.why, based_on=base, is_whole=True, force=body.force)
        return config_reply(view)

    @routes.patch("/config")
    async def change_keys() -> Response:
        body = await body_of(Keys)
        proposal = with_edits([Edit(key_of(key), value) for key, value in body.set.items()])
        return config_reply(await store.write(proposal, by=body.by, why=body.why, based_on=based_on()))

    @routes.post("/config/check")
    async def check() -> Response:
        return list_reply("problems", (await _judge(await body_of(Proposed))).problems)

    @routes.get("/config/plan")
    async def plan_disk() -> Response:
        return reply(await plans.of(await store.judge()))

    @routes.post("/config/plan")
    async def plan() -> Response:
        return reply(await plans.of(await _judge(await body_of(Proposed))))

    @routes.post("/config/reload")
    async def reload_config() -> Response:
        force = request.args.get("force") in ("1", "true")
        return config_reply(await store.reload(force=force))

    @routes.post("/config/rollback")
    async def roll_back() -> Response:
        body = await body_of(Rollback)
        return config_reply(await store.rollback(body.revision, by=body.by, why=body.why, based_on=based_on()))

    @routes.get("/config/history")
    async def show_history() -> Response:
        revisions = await asyncio.to_thread(store.history.all) if store.history else []
        return reply({"revisions": [each.model_dump() for each in revisions], "running": store.current.revision})

    @routes.get("/config/history/<int:number>")
    async def show_revision(number: int) -> Response:
        if store.history is None:
            raise Hal0Error("config.no_revision", revision=number)
        return reply(await asyncio.to_thread(store.history.get, number))

    @routes.get("/config/diff")
    async def show_difference() -> Response:
        """Between two revisions, or from one (the running one if none is named) to the files on disk."""
        first, second = request.args.get("from"), request.args.get("to")
        names, texts = [], []
        for given in (first or str(store.current.revision), second):
            if given is None:
                names.append("on disk")
                texts.append((await store.texts()).files)
                continue
            number = query_number(given, "revision", default=0, most=10**12)
            names.append(f"revision {number}")
            if number == store.current.revision:
                texts.append(texts_of(store.sources))
            elif store.history is None:
                raise Hal0Error("config.no_revision", revision=number)
            else:
                texts.append((await asyncio.to_thread(store.history.get, number)).files)
        return reply({"from": names[0], "to": names[1], "lines": difference(*texts, names=(names[0], names[1]))})

    async def _judge(body: Proposed) -> Judgement:
        return await store.judge(None if body.text is None else with_text(_path(body.file), body.text))

    return routes


def config_reply(view: ConfigView, *, status: int = 200) -> Response:
    answer = reply(view, status=status)
    answer.headers["etag"] = f'"{view.tag}"'
    return answer


def _path(file: str | None) -> Path | None:
    return None if file is None else Path(file)
