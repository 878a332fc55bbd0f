"""What a configuration would do if it were taken over now: to every slot, and to one that is not there yet."""

import asyncio
from collections.abc import Mapping
from typing import Any

from hal0.daemon.admin.fit import fit_view, needs_view
from hal0.daemon.config.backends import KINDS, effective_keys
from hal0.daemon.config.file import Judgement
from hal0.daemon.config.proposals import with_slot
from hal0.daemon.config.schema import Settings
from hal0.daemon.config.snapshot import Snapshot
from hal0.daemon.providers import make_providers
from hal0.daemon.providers.absent import absent_models
from hal0.daemon.providers.base import spec_of
from hal0.daemon.remotes.absent import absent_keys
from hal0.daemon.services import Services
from hal0.daemon.slots.appraisal import Appraised
from hal0.errors import Hal0Error
from hal0.hardware.facts import read_facts
from hal0.wire import DeviceView, ErrorView, PlanView, SlotPlan


class Plans:
    """Judges proposals by what runs; changes nothing."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._providers = make_providers(read_facts())

    async def of(self, judgement: Judgement) -> PlanView:
        services, store = self._services, self._services.config
        now = store.current
        if judgement.settings is None:
            return PlanView(revision=now.revision, problems=list(judgement.problems))
        if problem := store.doubt(judgement):
            return PlanView(revision=now.revision, problems=[problem])
        settings = judgement.settings
        registry = await asyncio.to_thread(services.make_registry, settings.models)
        warnings = await asyncio.to_thread(
            absent_models, settings, judgement.sources, find=registry.find, providers=self._providers, env=store.env
        )
        warnings += await asyncio.to_thread(absent_keys, settings, judgement.sources, env=store.env)
        then = Snapshot(now.revision, judgement.sources.hash, settings, now.path, now.exists, judgement.raw)
        return PlanView(
            revision=now.revision,
            warnings=warnings,
            changes=list(store.changes_by(judgement).lines),
            needs_restart=store.awaiting_restart(then),
            slots=services.supervisor.effects(settings.slots, registry),
        )

    async def of_slot(self, name: str, keys: Mapping[str, Any], *, is_new: bool) -> SlotPlan:
        """A slot with this table: what is wrong with it, what it does to the others, and the memory it would take.

        Raises as the writing of it does, except for what is wrong in the table.
        """
        judgement = await self._services.config.judge(with_slot(name, keys, is_new=is_new))
        plan = await self.of(judgement)
        bare = SlotPlan(plan=plan, providers=list(KINDS), keys=effective_keys(keys.get("provider")))
        if judgement.settings is None:
            return bare
        config = judgement.settings.slots[name]
        devices = await self._services.sampler.known_devices()
        try:
            appraised = await asyncio.to_thread(self._appraise, name, judgement.settings, devices)
        except Hal0Error as error:
            return bare.model_copy(update={"error": ErrorView(code=error.code, message=error.message)})
        preview = await self._services.supervisor.room.preview(name, appraised, config)
        needs = appraised.needs
        return bare.model_copy(
            update={
                "context": appraised.context,
                "gpus": list(appraised.gpus),
                "ram": needs_view(needs.ram) if needs else None,
                "gpu": needs_view(needs.gpu) if needs and needs.gpu else None,
                "fit": fit_view(name, preview),
            }
        )

    def _appraise(self, name: str, settings: Settings, devices: list[DeviceView]) -> Appraised:
        config = settings.slots[name]
        provider = self._providers[config.provider]
        spec = spec_of(name, config, provider=provider, find=self._services.make_registry(settings.models).find)
        return self._services.appraisal.of(spec, provider.launch(spec), devices)
