"""What `GET /v1/audio/voices` answers: the voices of every slot that speaks, without starting or waiting for any.

They are read from the files of a slot where those tell them. Else a slot that is up is asked once, and its answer is
remembered for as long as its configuration stays; one that was never up has `null` instead of a list.
"""

import asyncio
import json
from collections.abc import Iterable
from typing import Any

from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.http.client import BrokenAnswer, fetch
from hal0.daemon.http.endpoint import Endpoint
from hal0.daemon.keys.key import Key
from hal0.daemon.providers.base import Api
from hal0.daemon.providers.own_voice import OwnVoice
from hal0.daemon.slots.slot import Slot
from hal0.daemon.slots.supervisor import Supervisor
from hal0.errors import Hal0Error, did_you_mean

PATH = "/v1/audio/voices"
ASK_SECONDS = 2.0
MOST_VOICES = 2_000
LONGEST_NAME = 200


class Voices:
    """Owner of what was told by slots."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._told: dict[str, tuple[SlotConfig, list[str]]] = {}

    async def all(self, model: str = "", *, key: Key | None = None) -> dict[str, Any]:
        """Of all slots that `key` may reach, or those that `model` names; raises `dispatch.no_route` if none speaks."""
        reach = None if key is None else key.slots
        slots = [slot for slot in self._supervisor if Api.SPEECH in slot.apis and (reach is None or slot.name in reach)]
        if model:
            slots = self._named(slots, model)
        lists = await asyncio.gather(*(self._of(slot) for slot in slots))
        voices = [
            {"id": name, "name": name, "slot": slot.name, "model": slot.model, "engine": slot.engine}
            for slot, names in zip(slots, lists, strict=True)
            for name in names or ()
        ]
        about = [
            {
                "slot": slot.name,
                "state": slot.state.value,
                "engine": slot.engine,
                "default_voice": slot.config.default_voice,
                "voices": names,
            }
            for slot, names in zip(slots, lists, strict=True)
        ]
        return {"object": "list", "voices": voices, "slots": about}

    def _named(self, slots: Iterable[Slot], model: str) -> list[Slot]:
        names = {slot: (slot.name, *slot.config.aliases, *slot.model_names) for slot in slots}
        found = [slot for slot, its in names.items() if model in its]
        if not found:
            near = did_you_mean(model, [name for its in names.values() for name in its])
            raise Hal0Error("dispatch.no_route", param="model", model=model, nearest=near)
        return found

    async def _of(self, slot: Slot) -> list[str] | None:
        provider = slot.provider
        if isinstance(provider, OwnVoice):
            try:
                if (names := await asyncio.to_thread(provider.voices, slot.plan())) is not None:
                    return names
            except Hal0Error:  # its files are not there: its start says so, with the remedy
                return None
        config = slot.config
        known = self._told.get(slot.name)
        if known is not None and known[0] == config:
            return known[1]
        run = slot.run
        if run is None or not run.is_leasable or run.endpoint is None:
            return None
        names = await _ask(run.endpoint)
        if names is not None:
            self._told[slot.name] = config, names
        return names


async def _ask(endpoint: Endpoint) -> list[str] | None:
    try:
        answer = await fetch(endpoint, "GET", endpoint.path(PATH), timeout_seconds=ASK_SECONDS)
        listed = json.loads(answer.body)["voices"] if answer.status == 200 else None
    except (OSError, BrokenAnswer, ValueError, KeyError, TypeError, RecursionError):
        return None
    if not isinstance(listed, list):
        return None
    names = (each.get("id") if isinstance(each, dict) else each for each in listed[:MOST_VOICES])
    return [name for name in names if isinstance(name, str) and 0 < len(name) <= LONGEST_NAME]
