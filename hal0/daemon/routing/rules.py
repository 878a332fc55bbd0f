"""Which upstream answers a request. Pure: a function over values, in the order of the rules.

1. `model` is a slot's name (or the slot's alias): that slot. Some aliases say that no person waits for the answer.
2. `model` is a model's id or alias: a slot that serves it, best state first, then the fewest requests in flight.
3. `model` is a remote's: an alias, `remote/model`, an id of its list, or what one of its globs matches.
4. No `model`: the default slot for what is asked; for audio there is none.
5. Otherwise nothing: never another model than the one asked for.
"""

from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
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
    standing: Callable[[], tuple[State, int]]  # its state, and how many requests are in flight
    background: tuple[str, ...] = ()  # aliases of requests that no person waits for


@dataclass(frozen=True, slots=True)
class RemoteCandidate:
    """A remote, as far as the choice depends on it."""

    name: str
    aliases: Mapping[str, str]  # name → model id
    offers: Callable[[str], bool]  # whether the model is in its list
    lets_in: Callable[[str], bool]  # whether one of its globs names it, listed or not
    apis: frozenset[Api]
    is_listed: bool = True  # False: its list was never had, so that a model named in full may well be there


@dataclass(frozen=True, slots=True)
class Decision:
    upstream: str
    rule: str
    remote_model: str | None = None  # of a remote: the model to ask it for
    background: bool = False  # the name says that no person waits for the answer


def choose(
    api: Api,
    asked: str | None,
    slots: Sequence[Candidate],
    remotes: Sequence[RemoteCandidate] = (),
    *,
    default: str | None,
) -> Decision:
    """Decide; raises `dispatch.no_route`, `dispatch.capability_mismatch` or `dispatch.missing_model`.

    Where nothing draws, also `dispatch.no_image_slot`.
    """
    name = asked or default
    if not name:
        raise Hal0Error("dispatch.missing_model", param="model", path=api.value)
    for slot in slots:
        if slot.name == name or name in slot.aliases or name in slot.background:
            return _able(slot, api, rule="slot" if asked else "default", background=name in slot.background)
    serving = [slot for slot in slots if name in slot.models]
    if serving:
        able = [slot for slot in serving if api in slot.apis] or serving
        return _able(min(able, key=_preference), api, rule="model")
    if (found := _at_a_remote(name, remotes)) is not None:
        remote, decision = found
        if api not in remote.apis:
            where, path = remote.name, api.value
            raise Hal0Error("dispatch.capability_mismatch", param="model", slot=where, kind="remote models", path=path)
        return decision
    if api is Api.IMAGES and not remotes and not any(api in slot.apis for slot in slots):
        raise Hal0Error("dispatch.no_image_slot", param="model", model=name)
    known = {word for slot in slots for word in (slot.name, *slot.aliases, *slot.background, *slot.models)}
    known |= {alias for remote in remotes for alias in remote.aliases}
    raise Hal0Error("dispatch.no_route", param="model", model=name, nearest=did_you_mean(name, sorted(known)))


def choose_within(
    allowed: Set[str],
    api: Api,
    asked: str | None,
    slots: Sequence[Candidate],
    remotes: Sequence[RemoteCandidate],
    *,
    default: str | None,
    key: str,
) -> Decision:
    """As `choose`, for a key that opens some upstreams only. Raises `system.forbidden` too.

    If the same model is to be had behind a door that the key opens, that one answers; never what only has its name.
    """
    open_slots = [slot for slot in slots if slot.name in allowed]
    open_remotes = [remote for remote in remotes if remote.name in allowed]
    try:
        first = choose(api, asked, slots, remotes, default=default)
    except Hal0Error as error:
        if error.code == "dispatch.capability_mismatch" and error.details["slot"] not in allowed:
            upstream = error.details["slot"]
            reason = f"the key {key!r} is not for {upstream!r}"
            raise Hal0Error("system.forbidden", reason=reason, key=key, slot=upstream) from None
        if error.code != "dispatch.no_route":
            raise
        return choose(
            api, asked, open_slots, open_remotes, default=default
        )  # its hint names nothing behind closed doors
    if first.upstream in allowed:
        return first
    with suppress(Hal0Error):
        other = choose(api, asked, open_slots, open_remotes, default=default)
        if other.rule == first.rule:
            return other
    reason = f"the key {key!r} is not for {first.upstream!r}"
    raise Hal0Error("system.forbidden", reason=reason, key=key, slot=first.upstream)


def _at_a_remote(name: str, remotes: Sequence[RemoteCandidate]) -> tuple[RemoteCandidate, Decision] | None:
    """What is said most exactly counts first, whatever the order of the remotes."""
    for remote in remotes:
        if (model := remote.aliases.get(name)) is not None:
            return remote, Decision(remote.name, "remote alias", model)
    prefix, slash, model = name.partition("/")
    for remote in remotes:
        could_be = remote.offers(model) or remote.lets_in(model) or not remote.is_listed
        if slash and remote.name == prefix and could_be:
            return remote, Decision(remote.name, "remote", model)
    for remote in remotes:
        if remote.offers(name):
            return remote, Decision(remote.name, "remote model", name)
    for remote in remotes:
        if remote.lets_in(name):
            return remote, Decision(remote.name, "remote glob", name)
    return None


def _able(slot: Candidate, api: Api, *, rule: str, background: bool = False) -> Decision:
    if api not in slot.apis:
        raise Hal0Error("dispatch.capability_mismatch", param="model", slot=slot.name, kind=slot.kind, path=api.value)
    return Decision(slot.name, rule, background=background)


def _preference(slot: Candidate) -> tuple[int, int]:
    state, in_flight = slot.standing()
    if state in ANSWERING:
        rank = 0
    elif state in COMING_UP:
        rank = 1
    else:
        rank = 3 if state is State.ERROR else 2
    return rank, in_flight
