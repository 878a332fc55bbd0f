"""Which slot answers a request. Pure: a function over values, in the order of the rules.

1. `model` is a slot's name (or the slot's alias): that slot.
2. `model` is a model's id or alias: a slot that serves it, best state first, then the fewest requests in flight.
3. No `model`: the default slot for what is asked.
4. Otherwise nothing: never another model than the one asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hal0.daemon.providers.base import Api
from hal0.daemon.slots.lifecycle import ANSWERING, COMING_UP, State
from hal0.errors import Hal0Error, did_you_mean
from hal0.wire import Kind


@dataclass(frozen=True, slots=True)
class Candidate:
    """A slot, as far as the choice depends on it."""

    name: str
    aliases: tuple[str, ...]
    models: tuple[str, ...]  # the model's id and its aliases
    kind: Kind
    apis: frozenset[Api]
    state: State
    in_flight: int


@dataclass(frozen=True, slots=True)
class Decision:
    slot: str
    rule: str


def choose(api: Api, asked: str | None, slots: Sequence[Candidate], *, default: str) -> Decision:
    """Decide; raises `dispatch.no_route` or `dispatch.capability_mismatch`."""
    name = asked or default
    for slot in slots:
        if slot.name == name or name in slot.aliases:
            return _able(slot, api, rule="slot" if asked else "default")
    serving = [slot for slot in slots if name in slot.models]
    if serving:
        able = [slot for slot in serving if api in slot.apis] or serving
        return _able(min(able, key=_preference), api, rule="model")
    known = {word for slot in slots for word in (slot.name, *slot.aliases, *slot.models)}
    raise Hal0Error("dispatch.no_route", param="model", model=name, nearest=did_you_mean(name, sorted(known)))


def _able(slot: Candidate, api: Api, *, rule: str) -> Decision:
    if api not in slot.apis:
        raise Hal0Error("dispatch.capability_mismatch", param="model", slot=slot.name, kind=slot.kind, path=api.value)
    return Decision(slot.name, rule)


def _preference(slot: Candidate) -> tuple[int, int]:
    if slot.state in ANSWERING:
        rank = 0
    elif slot.state in COMING_UP:
        rank = 1
    else:
        rank = 3 if slot.state is State.ERROR else 2
    return rank, slot.in_flight
