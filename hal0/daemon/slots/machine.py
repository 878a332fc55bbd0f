"""The machine as `Room` sees it: what is free and taken now, what a start would need, and the peaks it learns from."""

import asyncio
import logging
from collections.abc import Callable

from hal0.daemon.config.schema import Daemon
from hal0.daemon.models.peaks import Peaks
from hal0.daemon.providers.base import Launch, SlotSpec
from hal0.daemon.sampler import Sampler
from hal0.daemon.slots.admission import MEMORY, carved_of, free_of
from hal0.daemon.slots.appraisal import Appraisal, Appraised
from hal0.daemon.slots.room import Look
from hal0.errors import Hal0Error
from hal0.hardware.room import free_memory_bytes

log = logging.getLogger("hal0.slots")


class LocalMachine:
    """This one. `settings` tells what of its memory slots may have."""

    def __init__(
        self, *, sampler: Callable[[], Sampler], appraisal: Appraisal, peaks: Peaks, settings: Callable[[], Daemon]
    ) -> None:
        self._sampler = sampler
        self._appraisal = appraisal
        self._peaks = peaks
        self._settings = settings

    async def appraise(self, spec: SlotSpec, launch: Launch) -> Appraised | None:
        devices = await self._sampler().known_devices()
        try:
            return await asyncio.to_thread(self._appraisal.of, spec, launch, devices)
        except Hal0Error as error:  # the backend may make more of the file, or will say what is wrong with it
            log.warning("%s: how much memory it needs is not known: %s", spec.name, error)
            return None

    async def look(self) -> Look:
        sampler, given = self._sampler(), self._settings()
        await sampler.look()
        memory = await asyncio.to_thread(free_memory_bytes)
        taken = {}
        for name, usage in sampler.slots.items():
            private = usage.memory_bytes if usage.private_bytes is None else usage.private_bytes
            taken[name] = {MEMORY: private, **usage.gpu_bytes}
        return Look(
            free_of(sampler.devices, memory_bytes=memory),
            taken,
            reserve=given.memory_reserve,
            limit=given.memory_limit,
            carved=carved_of(sampler.devices),
        )

    async def learn(self, slot: str, appraised: Appraised, *, group: int) -> None:
        peak = self._sampler().peak_of(slot)
        if peak is None or peak.group != group or peak.private_bytes is None:
            return
        on_gpus = sum(peak.gpu_bytes.values())
        await asyncio.to_thread(
            lambda: self._peaks.learn(appraised.key, private_bytes=peak.private_bytes or 0, gpu_bytes=on_gpus)
        )
