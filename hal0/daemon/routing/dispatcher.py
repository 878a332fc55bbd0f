"""From the `model` field to an upstream: gathers the values, lets the rules decide.

Names mean what they meant when the request began, whatever is edited while its body comes.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any, ClassVar

from hal0.daemon.config.schema import Dispatch, Settings
from hal0.daemon.config.schema import Remote as RemoteConfig
from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.keys.key import Key
from hal0.daemon.providers.base import Api
from hal0.daemon.remotes.offer import is_let_in
from hal0.daemon.remotes.remote import Remote, RemoteLease
from hal0.daemon.remotes.remotes import Remotes
from hal0.daemon.routing.rules import Candidate, RemoteCandidate, choose, choose_within
from hal0.daemon.slots.slot import Slot
from hal0.daemon.slots.supervisor import Supervisor


@dataclass(frozen=True, slots=True)
class RemoteUpstream:
    """A remote, and the model of it that a request gets."""

    remote: Remote
    model: str
    is_remote: ClassVar[bool] = True

    @property
    def name(self) -> str:
        return self.remote.name

    @property
    def state(self) -> str:
        return self.remote.state

    @property
    def native(self) -> frozenset[str]:
        return self.remote.native

    def lease(self, *, request: str, background: bool) -> AbstractAsyncContextManager[RemoteLease]:
        return self.remote.lease(self.model)


@dataclass(frozen=True, slots=True)
class Choice:
    """The upstream for a request, the rule that chose it, and what stands in for it, by names as requests use."""

    upstream: Slot | RemoteUpstream
    rule: str
    fallback: tuple[str, ...] = ()
    background: bool = False  # by the name it was asked for, no person waits for the answer


# The slot for who names no model, in `[dispatch]`; for what is not here a model must be named.
DEFAULTS: Mapping[Api, Callable[[Dispatch], str]] = {
    Api.CHAT: attrgetter("chat"),
    Api.COMPLETION: attrgetter("chat"),
    Api.EMBEDDINGS: attrgetter("embedding"),
    Api.RERANK: attrgetter("embedding"),
    Api.IMAGES: attrgetter("image"),
}


class Dispatcher:
    """Chooses; never starts, never waits."""

    def __init__(self, supervisor: Supervisor, *, remotes: Remotes) -> None:
        self._supervisor = supervisor
        self._remotes = remotes
        # The candidates of the request before, and of what they were made: most find everything as it was.
        self._made_of: tuple[Settings | None, list[Any], list[Any]] = (None, [], [])
        self._slots: list[Candidate] = []
        self._elsewhere: list[RemoteCandidate] = []

    def pick(self, api: Api, model: str | None, settings: Settings, *, key: Key | None) -> Choice:
        """The upstream that answers, by the settings that the request began with.

        Raises `dispatch.no_route`, `dispatch.capability_mismatch`, or `system.forbidden` if the key does not open it.
        """
        slots, remotes = self._candidates(settings)
        default = DEFAULTS[api](settings.dispatch) if api in DEFAULTS else None
        if key is None or key.slots is None:
            decision = choose(api, model, slots, remotes, default=default)
        else:
            decision = choose_within(key.slots, api, model, slots, remotes, default=default, key=key.name)
        if decision.remote_model is not None:
            remote = self._remotes.get(decision.upstream)
            upstream = RemoteUpstream(remote, decision.remote_model)
            return Choice(upstream, decision.rule, _config_of_remote(remote, settings).fallback)
        slot = self._supervisor.get(decision.upstream)
        return Choice(slot, decision.rule, _config_of(slot, settings).fallback, decision.background)

    def _candidates(self, settings: Settings) -> tuple[Sequence[Candidate], Sequence[RemoteCandidate]]:
        slots = [(slot, slot.config, slot.kind, slot.model_names) for slot in self._supervisor]
        remotes = [(remote, remote.config, remote.offered, remote.is_listed) for remote in self._remotes]
        before, *these = self._made_of
        is_same = settings is before and these == [slots, remotes]
        # Also if it is: a list of models that came anew is compared with the one before it, and then is this very one.
        self._made_of = settings, slots, remotes
        if not is_same:
            self._slots = [_candidate(slot, settings) for slot in self._supervisor]
            self._elsewhere = [_remote_candidate(remote, settings) for remote in self._remotes]
        return self._slots, self._elsewhere


def _config_of(slot: Slot, settings: Settings) -> SlotConfig:
    """As the request's settings have it; of a slot that came since then, its own."""
    return settings.slots.get(slot.name, slot.config)


def _config_of_remote(remote: Remote, settings: Settings) -> RemoteConfig:
    return settings.remotes.get(remote.name, remote.config)


def _candidate(slot: Slot, settings: Settings) -> Candidate:
    config = _config_of(slot, settings)
    return Candidate(
        name=slot.name,
        aliases=config.aliases,
        models=slot.model_names,
        kind=slot.kind,
        apis=slot.apis,
        standing=slot.standing,
        background=config.background,
    )


def _remote_candidate(remote: Remote, settings: Settings) -> RemoteCandidate:
    config = _config_of_remote(remote, settings)
    return RemoteCandidate(
        name=remote.name,
        aliases=config.aliases,
        offers=remote.offered.__contains__,
        lets_in=partial(is_let_in, models=config.models, exclude=config.exclude),
        apis=remote.apis,
        is_listed=remote.is_listed or bool(config.models or config.exclude),
    )
