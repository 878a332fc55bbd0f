"""`/api/models`: the registry, and what a model would need beside what is free now."""

import asyncio

from quart import Blueprint, Response, request

from hal0.daemon.admin.fit import fit_view, needs_view
from hal0.daemon.admin.replies import query_number, reply
from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.models.file import ModelFile
from hal0.daemon.models.projectors import AUTO, projector_of
from hal0.daemon.services import Services
from hal0.daemon.slots.slot import Slot
from hal0.errors import Hal0Error
from hal0.wire import ErrorView, FoundModel, ModelDetail, ModelList, ModelView

LARGEST_CONTEXT = 2**24
MOST_PARALLEL = 64


def make(services: Services) -> Blueprint:
    routes = Blueprint("models", __name__)
    appraisal = services.appraisal

    @routes.get("/models")
    async def list_models() -> Response:
        """With `found` also what the stores of other programs have."""
        registry = services.listing.registry()
        await asyncio.to_thread(registry.look)
        found = await asyncio.to_thread(registry.found) if request.args.get("found") in ("1", "true") else []
        return reply(
            ModelList(
                models=[_view(model, services) for model in registry.all()],
                pulls=services.pulls.views(),
                found=[
                    FoundModel(name=each.name, store=each.store, path=str(each.path), size_bytes=each.size_bytes)
                    for each in found
                ],
                problems=[ErrorView(code=e.code, message=e.message, details=e.details) for e in registry.problems],
            )
        )

    @routes.get("/models/<path:name>")
    async def show_model(name: str) -> Response:
        """`context` and `parallel` ask for others than the configured ones, `slot` for another slot's settings."""
        model = await asyncio.to_thread(services.listing.registry().find, name)
        shown = _view(model, services).model_copy(update={"projector": await asyncio.to_thread(_projector, model)})
        context = query_number(request.args.get("context"), "context", default=0, most=LARGEST_CONTEXT)
        parallel = query_number(request.args.get("parallel"), "parallel", default=0, most=MOST_PARALLEL)
        like = _like(model, services, request.args.get("slot"))
        devices = await services.sampler.known_devices()
        try:
            appraised = await asyncio.to_thread(
                appraisal.of_model,
                model.id,
                devices,
                like=like.config if like else None,
                context=context or None,
                parallel=parallel or None,
            )
        except Hal0Error as error:
            told = ErrorView(code=error.code, message=error.message)
            return reply(ModelDetail(model=shown, context=context, parallel=parallel, error=told))
        name, config = (like.name, like.config) if like else (model.id, SlotConfig(model=model.id))
        preview = await services.supervisor.room.preview(name, appraised, config)
        needs = appraised.needs
        return reply(
            ModelDetail(
                model=shown,
                context=appraised.context,
                parallel=appraised.parallel,
                like=like.name if like else "",
                gpus=list(appraised.gpus),
                ram=needs_view(needs.ram) if needs else None,
                gpu=needs_view(needs.gpu) if needs and needs.gpu else None,
                fit=fit_view(name, preview),
            )
        )

    return routes


def _view(model: ModelFile, services: Services) -> ModelView:
    return ModelView(
        id=model.id,
        kind=model.kind,
        path=str(model.path),
        size_bytes=model.size_bytes,
        aliases=list(model.aliases),
        context_limit=model.context_limit,
        embedded=model.embedded,
        licence=model.licence,
        owner=model.owner,
        source=model.source,
        pulled=model.pulled,
        projector=str(model.own_projector or ""),
        format="folder" if model.format == "folder" else "gguf",
        slots=[slot.name for slot in _serving(model, services)],
    )


def _projector(model: ModelFile) -> str:
    """What a slot with `mmproj = "auto"` would use, whether it came with the model or lies beside it."""
    if model.kind != "chat" or model.format != "gguf":
        return ""
    try:
        return str(projector_of(model, AUTO))
    except Hal0Error:
        return ""


def _serving(model: ModelFile, services: Services) -> list[Slot]:
    return [slot for slot in services.supervisor if slot.config.model in (model.id, *model.aliases)]


def _like(model: ModelFile, services: Services, named: str | None) -> Slot | None:
    """The slot whose settings are taken: the one asked for, else the first that serves the model."""
    if named is not None:
        return services.supervisor.get(named)
    return next(iter(_serving(model, services)), None)
