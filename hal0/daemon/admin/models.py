"""`/api/models`: the registry, and what a model would need beside what is free now."""

import asyncio

from quart import Blueprint, Response, request

from hal0.daemon.admin.replies import query_number, reply
from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.hardware.room import free_memory_bytes
from hal0.daemon.models.file import ModelFile
from hal0.daemon.models.memory import Needs
from hal0.daemon.services import Services
from hal0.daemon.slots.admission import (
    MEMORY,
    Candidate,
    Evict,
    Fits,
    Holder,
    Impossible,
    Wait,
    free_of,
    need_of,
    plan,
    within,
)
from hal0.daemon.slots.appraisal import Appraisal, Appraised
from hal0.daemon.slots.lifecycle import State
from hal0.daemon.slots.slot import Slot
from hal0.errors import Hal0Error
from hal0.wire import DeviceView, ErrorView, FitView, FoundModel, ModelDetail, ModelList, ModelView, NeedsView, RoomView

LARGEST_CONTEXT = 2**24
MOST_PARALLEL = 64


def make(services: Services) -> Blueprint:
    routes = Blueprint("models", __name__)
    appraisal = services.appraisal

    @routes.get("/models")
    async def list_models() -> Response:
        """With `found` also what the stores of other programs have."""
        registry = services.listing.registry()
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
        context = query_number(request.args.get("context"), "context", default=0, most=LARGEST_CONTEXT)
        parallel = query_number(request.args.get("parallel"), "parallel", default=0, most=MOST_PARALLEL)
        like = _like(model, services, request.args.get("slot"))
        devices = list(services.sampler.devices)
        try:
            appraised = await asyncio.to_thread(
                appraisal.of_model,
                model.id,
                devices,
                like=like.config if like else None,
                context=context or None,
                parallel=parallel or None,
            )
            holders = await asyncio.to_thread(_holders, list(services.supervisor), appraisal, devices, services)
        except Hal0Error as error:
            told = ErrorView(code=error.code, message=error.message)
            return reply(ModelDetail(model=_view(model, services), context=context, parallel=parallel, error=told))
        if appraised is None:
            return reply(ModelDetail(model=_view(model, services), context=context, parallel=parallel))
        return reply(
            ModelDetail(
                model=_view(model, services),
                context=appraised.context,
                parallel=appraised.parallel,
                like=like.name if like else "",
                gpus=list(appraised.gpus),
                ram=_needs(appraised.needs.ram),
                gpu=_needs(appraised.needs.gpu) if appraised.needs.gpu else None,
                fit=_fit(appraised, like.name if like else model.id, like.config if like else None, holders, services),
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
        format="folder" if model.format == "folder" else "gguf",
        slots=[slot.name for slot in _serving(model, services)],
    )


def _serving(model: ModelFile, services: Services) -> list[Slot]:
    return [slot for slot in services.supervisor if slot.config.model in (model.id, *model.aliases)]


def _like(model: ModelFile, services: Services, named: str | None) -> Slot | None:
    """The slot whose settings are taken: the one asked for, else the first that serves the model."""
    if named is not None:
        return services.supervisor.get(named)
    return next(iter(_serving(model, services)), None)


def _needs(needs: Needs) -> NeedsView:
    return NeedsView(
        weights_bytes=needs.weights_bytes,
        kv_bytes=needs.kv_bytes,
        compute_bytes=needs.compute_bytes,
        base_bytes=needs.base_bytes,
        cache_bytes=needs.cache_bytes,
        total_bytes=needs.total_bytes,
        source=needs.source,
        uncertainty=needs.uncertainty,
    )


def _holders(slots: list[Slot], appraisal: Appraisal, devices: list[DeviceView], services: Services) -> list[Holder]:
    """Every slot that has a process, with what it was promised. Mapped weights are not in its private memory."""
    holders = []
    for slot in slots:
        if slot.process_group is None:
            continue
        try:
            spec = slot.plan()
            appraised = appraisal.of(spec, slot.provider.launch(spec), devices)
        except Hal0Error:  # its file has gone since it was loaded; then what it takes is all that is known
            appraised = None
        usage = services.sampler.slots.get(slot.name)
        resident = usage.memory_bytes if usage else 0
        if appraised is None:
            reserved, private = {MEMORY: resident}, resident
        else:
            reserved = need_of(appraised.needs, appraised.gpus, wanted=slot.config.memory)
            private = max(0, resident - appraised.needs.ram.weights_bytes)
        holders.append(
            Holder(
                name=slot.name,
                reserved=reserved,
                taken={MEMORY: private, **_on_gpus(slot.name, devices)},
                is_busy=slot.in_flight > 0,
                is_starting=slot.state in (State.PULLING, State.STARTING, State.WARMING),
                is_leaving=slot.state is State.UNLOADING,
                is_idle=slot.state is State.IDLE,
                pinned=slot.config.pinned,
                priority=slot.config.priority,
                group=slot.config.group,
                exclusive=slot.config.exclusive,
                last_used=slot.view().since,
            )
        )
    return holders


def _on_gpus(slot: str, devices: list[DeviceView]) -> dict[str, int]:
    return {
        device.id: sum(process.memory_bytes or 0 for process in device.processes if process.slot == slot)
        for device in devices
        if device.kind == "gpu"
    }


def _fit(
    appraised: Appraised, name: str, config: SlotConfig | None, holders: list[Holder], services: Services
) -> FitView:
    need = need_of(appraised.needs, appraised.gpus, wanted=config.memory if config else None)
    given = services.config.current.settings.daemon
    measured = free_of(services.sampler.devices, memory_bytes=free_memory_bytes())
    free = within(measured, holders, reserve=given.memory_reserve, limit=given.memory_limit)
    candidate = Candidate(
        name, need, group=config.group if config else None, exclusive=config.exclusive if config else False
    )
    decision = plan(candidate, free, holders)
    others = [holder for holder in holders if holder.name != name]
    rooms = [
        RoomView(
            device=pool,
            need_bytes=amount,
            free_bytes=free.get(pool),
            reserved_bytes=sum(holder.outstanding(pool) for holder in others),
        )
        for pool, amount in need.items()
    ]
    match decision:
        case Fits():
            return FitView(verdict="fits", rooms=rooms)
        case Evict(order):
            return FitView(verdict="evict", would_go=list(order), rooms=rooms)
        case Wait(names):
            return FitView(verdict="wait", waits_for=list(names), rooms=rooms)
        case Impossible():
            return FitView(verdict="impossible", reason=decision.error(name).message, rooms=rooms)
