"""From the `model` field to a slot: gathers the values, lets the rules decide."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hal0.daemon.config.schema import Settings
from hal0.daemon.providers.base import Api
from hal0.daemon.routing.rules import Candidate, choose
from hal0.daemon.slots.slot import Slot
from hal0.daemon.slots.supervisor import Supervisor


@dataclass(frozen=True, slots=True)
class Choice:
    """The slot for a request, and the rule that chose it."""

    slot: Slot
    rule: str


class Dispatcher:
    """Chooses; never starts, never waits."""

    def __init__(self, supervisor: Supervisor, *, settings: Callable[[], Settings]) -> None:
        self._supervisor = supervisor
        self._settings = settings

    def pick(self, api: Api, model: str | None) -> Choice:
        """The slot that answers; raises `dispatch.no_route` or `dispatch.capability_mismatch`."""
        candidates = [self._candidate(slot) for slot in self._supervisor]
        decision = choose(api, model, candidates, default=self._default(api))
        return Choice(self._supervisor.get(decision.slot), decision.rule)

    def _default(self, api: Api) -> str:
        dispatch = self._settings().dispatch
        defaults: Mapping[Api, str] = {
            Api.CHAT: dispatch.chat,
            Api.COMPLETION: dispatch.chat,
            Api.EMBEDDINGS: dispatch.embedding,
            Api.RERANK: dispatch.embedding,
        }
        return defaults[api]

    def _candidate(self, slot: Slot) -> Candidate:
        return Candidate(
            name=slot.name,
            aliases=slot.config.aliases,
            models=slot.model_names,
            kind=slot.kind,
            apis=slot.apis,
            state=slot.state,
            in_flight=slot.in_flight,
        )
