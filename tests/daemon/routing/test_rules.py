import pytest

from hal0.daemon.providers.base import Api
from hal0.daemon.routing.rules import Candidate, RemoteCandidate, choose
from hal0.daemon.slots.lifecycle import State
from hal0.errors import Hal0Error

CHAT = frozenset({Api.CHAT, Api.COMPLETION})
EMBED = frozenset({Api.EMBEDDINGS, Api.RERANK})


def slot(name: str, *, models: tuple[str, ...] = ("m",), state: State = State.READY, **fields: object) -> Candidate:
    values = {"aliases": (), "kind": "chat", "apis": CHAT, "in_flight": 0, **fields}
    return Candidate(name=name, models=models, state=state, **values)  # type: ignore[arg-type]


PRIMARY = slot("primary")
EMBEDDER = slot("embed", models=("minilm",), kind="embedding", apis=EMBED)


def pick(api: Api, asked: str | None, *slots: Candidate, default: str = "primary") -> tuple[str, str]:
    decision = choose(api, asked, slots, default=default)
    return decision.upstream, decision.rule


def test_a_slot_name_wins_over_a_model_of_the_same_name() -> None:
    assert pick(Api.CHAT, "m", slot("other"), slot("m", models=("x",))) == ("m", "slot")


def test_an_alias_of_a_slot_names_it() -> None:
    assert pick(Api.CHAT, "gpt-4", slot("primary", aliases=("gpt-4",))) == ("primary", "slot")


def test_a_model_name_finds_the_slot_that_serves_it() -> None:
    assert pick(Api.EMBEDDINGS, "minilm", PRIMARY, EMBEDDER) == ("embed", "model")


@pytest.mark.parametrize(
    ("states", "chosen"),
    [
        ((State.OFFLINE, State.IDLE), "b"),
        ((State.ERROR, State.OFFLINE), "b"),
        ((State.OFFLINE, State.WARMING), "b"),
        ((State.WARMING, State.SERVING), "b"),
        ((State.UNLOADING, State.STARTING), "b"),
    ],
)
def test_among_slots_of_one_model_the_best_state_wins(states: tuple[State, State], chosen: str) -> None:
    a, b = slot("a", state=states[0]), slot("b", state=states[1])
    assert pick(Api.CHAT, "m", a, b) == (chosen, "model")


def test_among_equals_the_least_busy_wins() -> None:
    assert pick(Api.CHAT, "m", slot("a", in_flight=3), slot("b", in_flight=1)) == ("b", "model")


def test_without_a_model_the_default_slot_answers() -> None:
    assert pick(Api.CHAT, None, EMBEDDER, PRIMARY) == ("primary", "default")
    assert pick(Api.CHAT, "", EMBEDDER, PRIMARY) == ("primary", "default")


def test_a_slot_of_the_wrong_kind_is_refused() -> None:
    with pytest.raises(Hal0Error) as caught:
        pick(Api.CHAT, "embed", PRIMARY, EMBEDDER)
    assert caught.value.code == "dispatch.capability_mismatch"
    assert caught.value.message == "embed is a slot for embedding; it cannot answer /v1/chat/completions"


def test_another_model_than_the_one_asked_for_never_answers() -> None:
    with pytest.raises(Hal0Error) as caught:
        pick(Api.CHAT, "primry", PRIMARY)
    assert caught.value.code == "dispatch.no_route"
    assert caught.value.message == "nothing here serves 'primry'; did you mean 'primary'?"
    assert caught.value.param == "model"


def test_a_default_slot_that_does_not_exist_is_named() -> None:
    with pytest.raises(Hal0Error) as caught:
        pick(Api.CHAT, None, EMBEDDER)
    assert caught.value.message.startswith("nothing here serves 'primary'")


def test_a_remote_whose_list_was_never_had_is_asked_for_what_names_it_in_full_and_for_nothing_else() -> None:
    def attic(*, is_listed: bool) -> RemoteCandidate:
        return RemoteCandidate("attic", {}, lambda _: False, lambda _: False, CHAT, is_listed=is_listed)

    decision = choose(Api.CHAT, "attic/big", [PRIMARY], [attic(is_listed=False)], default="primary")
    assert (decision.upstream, decision.remote_model) == ("attic", "big")
    for asked, is_listed in (("attic/big", True), ("big", False), ("other/big", False)):
        with pytest.raises(Hal0Error, match=r"dispatch\.no_route"):
            choose(Api.CHAT, asked, [PRIMARY], [attic(is_listed=is_listed)], default="primary")
