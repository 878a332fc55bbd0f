"""What `GET /v1/models` answers: every slot, every model of the registry and those of remotes, from memory alone."""

from collections.abc import Callable, Iterator
from typing import Any

from hal0.daemon.keys.key import Key
from hal0.daemon.models.registry import Registry
from hal0.daemon.providers.base import ModelFile
from hal0.daemon.remotes.offer import Offered
from hal0.daemon.remotes.remote import Remote
from hal0.daemon.remotes.remotes import Remotes
from hal0.daemon.slots.slot import Slot
from hal0.daemon.slots.supervisor import Supervisor
from hal0.errors import Hal0Error, did_you_mean


class Listing:
    """The names that the `model` field of a request can have."""

    def __init__(
        self, supervisor: Supervisor, *, remotes: Remotes, registry: Callable[[], Registry], started_at: float
    ) -> None:
        self._supervisor = supervisor
        self._remotes = remotes
        self.registry = registry
        self._started_at = int(started_at)

    def all(self, *, key: Key | None) -> dict[str, Any]:
        """Everything that can be asked for with the key."""
        known = {model.id: model for model in self.registry().all()}
        # Those that backends find by themselves are in no registry.
        served = {slot.model_file.id: slot.model_file for slot in self._supervisor if slot.model_file is not None}
        names = {slot.name for slot in self._supervisor}
        elsewhere = [model for id, model in served.items() if id not in known and id not in names]
        models = [self._model(model) for model in (*known.values(), *elsewhere)]
        slots = [entry for slot in self._supervisor for entry in self._of_slot(slot)]
        local = {entry["id"] for entry in (*slots, *models)}
        remotes = [(remote.name, entry) for remote in self._remotes for entry in self._of_remote(remote, local)]
        if key is not None and key.slots is not None:
            slots = [entry for entry in slots if entry.get("slot", entry["id"]) in key.slots]
            models = [{**entry, "slots": [name for name in entry["slots"] if name in key.slots]} for entry in models]
            models = [entry for entry in models if entry["slots"]]
            remotes = [(name, entry) for name, entry in remotes if name in key.slots]
        return {"object": "list", "data": [*slots, *models, *(entry for _, entry in remotes)]}

    def one(self, name: str, *, key: Key | None) -> dict[str, Any]:
        """The entry of a slot, a model or an alias of either; raises `model.not_found`."""
        entries: dict[str, dict[str, Any]] = {entry["id"]: entry for entry in self.all(key=key)["data"]}
        if name in entries:
            return entries[name]
        for entry in entries.values():
            if name in entry["aliases"]:
                return entry
        raise Hal0Error("model.not_found", param="model", model=name, nearest=did_you_mean(name, entries))

    def _model(self, model: ModelFile) -> dict[str, Any]:
        return {
            "id": model.id,
            "object": "model",
            "created": self._started_at,
            "owned_by": model.owner,
            "kind": model.kind,
            "aliases": list(model.aliases),
            "context_length": model.context_limit,
            "size_bytes": model.size_bytes or None,
            "licence": model.licence,
            "slots": [slot.name for slot in self._supervisor if slot.model == model.id],
        }

    def _of_remote(self, remote: Remote, taken: set[str]) -> Iterator[dict[str, Any]]:
        """Under its own id, or, if that is another's here, with the remote's name before it."""
        names: dict[str, list[str]] = {}
        for alias, model in remote.config.aliases.items():
            names.setdefault(model, []).append(alias)
        for offered in (*remote.offered.values(), *(Offered(id) for id in names if id not in remote.offered)):
            full = f"{remote.name}/{offered.id}"
            shown = full if offered.id in taken else offered.id
            taken.add(shown)
            yield {
                "id": shown,
                "object": "model",
                "created": self._started_at,
                "owned_by": remote.name,
                "remote": remote.name,
                "aliases": [*names.get(offered.id, ()), *([full] if shown != full else [])],
                "context_length": offered.context,
            }

    def _of_slot(self, slot: Slot) -> Iterator[dict[str, Any]]:
        """Its own entry, and one for each name in the background: clients offer for such work what is listed."""
        entry = {
            "id": slot.name,
            "object": "model",
            "created": self._started_at,
            "owned_by": "hal0",
            "kind": slot.kind,
            "aliases": list(slot.config.aliases),
            "model": slot.model,
            "licence": slot.model_file.licence if slot.model_file is not None else "",
            "provider": slot.config.provider,
            "engine": slot.engine,
            "state": slot.state.value,
        }
        yield entry
        for name in slot.config.background:
            yield {**entry, "id": name, "aliases": [], "slot": slot.name, "background": True}
