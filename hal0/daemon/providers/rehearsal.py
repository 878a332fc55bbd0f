"""Renders every slot of a configuration before it is taken over, so that a mistake refuses it instead of ending a slot.

Only what is wrong with the configuration counts. That a program or a model file is not there is no mistake of the
file: it may come back, and the start will say so.
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping

from hal0.daemon.config.document import dotted
from hal0.daemon.config.positions import Key
from hal0.daemon.config.schema import Models, Settings
from hal0.daemon.models.registry import Registry
from hal0.daemon.providers.base import Api, Provider, SlotSpec, apis_of, spec_of
from hal0.daemon.pulls.configured import configured_pull
from hal0.errors import Hal0Error, did_you_mean

MISTAKE = "config.invalid"
SHAPING = ("max_tokens", "defaults", "set", "strip")
SHAPED = frozenset({Api.CHAT, Api.COMPLETION})


class Rehearsal:
    """What `judge` of a configuration asks; from any thread, also several at once."""

    def __init__(self, providers: Mapping[str, Provider], *, make_registry: Callable[[Models], Registry]) -> None:
        self.make_registry = make_registry
        self._providers = providers
        # The registry used last: to make one means to read the header of every model. Whoever has it has it alone.
        self._spare: deque[tuple[Models, Registry]] = deque(maxlen=1)

    def __call__(self, settings: Settings) -> list[tuple[Key, Hal0Error]]:
        """The slots whose settings cannot be meant, each with the key that is wrong."""
        registry = self.registry(settings.models)
        found = list(_bad_addresses(settings.models))
        for name, config in settings.slots.items():
            provider = self._providers[config.provider]
            try:
                spec = spec_of(name, config, provider=provider, find=registry.find)
                found += _shaping_nothing(spec, provider)
                provider.launch(spec)
            except Hal0Error as error:
                if error.code == MISTAKE:
                    found.append((_key(name, error), error))
        found += _dangling_fallbacks(settings, registry)
        self._spare.append((settings.models, registry))
        return found

    def registry(self, models: Models) -> Registry:
        """A registry of these models to keep; the one that was just rehearsed with, if it fits."""
        try:
            known, registry = self._spare.pop()
        except IndexError:
            return self.make_registry(models)
        return registry if known == models else self.make_registry(models)


def _shaping_nothing(spec: SlotSpec, provider: Provider) -> Iterator[tuple[Key, Hal0Error]]:
    """Keys for the fields of chats and completions, in a slot that answers neither."""
    if not SHAPED.isdisjoint(apis_of(spec.config, kind=spec.kind, provider=provider)):
        return
    for name in SHAPING:
        if name in spec.config.model_fields_set:
            key: Key = ("slots", spec.name, name)
            reason = f"it has no effect in a slot for {spec.kind}, which answers neither chats nor completions"
            yield key, Hal0Error(MISTAKE, place=dotted(key), reason=reason)


def _bad_addresses(models: Models) -> Iterator[tuple[Key, Hal0Error]]:
    """The models that could never be pulled from where the configuration says they are."""
    for name, model in models.files.items():
        if model.url is not None:
            try:
                configured_pull(name, model)
            except Hal0Error as error:
                reason = str(error.details.get("reason", error.message))
                key: Key = ("models", name) if error.code == "dispatch.invalid_request" else ("models", name, "url")
                yield key, Hal0Error(MISTAKE, place=dotted(key), reason=reason)


def _dangling_fallbacks(settings: Settings, registry: Registry) -> Iterator[tuple[Key, Hal0Error]]:
    """Fallbacks that name nothing. Only where no remote is, whose models nobody knows beforehand."""
    if settings.remotes:
        return
    known: set[str] = set()
    for name, slot in settings.slots.items():
        known |= {name, *slot.aliases}
        if slot.model is not None:
            known.add(slot.model)
            try:
                model = registry.find(slot.model)
            except Hal0Error:  # nor is it known what it is also called
                return
            known |= {model.id, *model.aliases}
    for name, slot in settings.slots.items():
        for index, other in enumerate(slot.fallback):
            if other not in known:
                key: Key = ("slots", name, "fallback", index)
                reason = f"{other!r} names no slot, and no model that a slot serves{did_you_mean(other, sorted(known))}"
                yield key, Hal0Error(MISTAKE, place=dotted(key), reason=reason)


def _key(slot: str, error: Hal0Error) -> Key:
    """The key that `place` of the error names, else the slot."""
    table = f"slots.{slot}"
    place = str(error.details.get("place", ""))
    return ("slots", slot, place.removeprefix(table + ".")) if place.startswith(table + ".") else ("slots", slot)
