from collections.abc import Mapping, Sequence

import pytest

from hal0.daemon.providers.base import Api
from hal0.daemon.routing.rules import Candidate, RemoteCandidate, choose, choose_within
from hal0.daemon.slots.lifecycle import State
from hal0.errors import Hal0Error

CHAT = frozenset({Api.CHAT, Api.COMPLETION})
EMBED = frozenset({Api.EMBEDDINGS, Api.RERANK})


def slot(
    name: str,
    *,
    models: tuple[str, ...] = ("m",),
    state: State = State.READY,
    in_flight: int = 0,
    **fields: object,
) -> Candidate:
    values = {"aliases": (), "kind": "chat", "apis": CHAT, **fields}
    return Candidate(name=name, models=models, standing=lambda: (state, in_flight), **values)  # type: ignore[arg-type]


PRIMARY = slot("primary")
EMBEDDER = slot("embed", models=("minilm",), kind="embedding", apis=EMBED)


def pick(api: Api, asked: str | None, *slots: Candidate, default: str = "primary") -> tuple[str, str]:
    decision = choose(api, asked, slots, default=default)
    return decision.upstream, decision.rule


def test_a_slot_name_wins_over_a_model_of_the_same_name() -> None:
    assert pick(Api.CHAT, "m", slot("other"), slot("m", models=("x",))) == ("m", "slot")


def test_an_alias_of_a_slot_names_it() -> None:
    assert pick(Api.CHAT, "gpt-4", slot("primary", aliases=("gpt-4",))) == ("primary", "slot")


def test_a_name_in_the_background_names_the_slot_and_says_that_nobody_waits() -> None:
    slots = [slot("primary", aliases=("gpt-4",), background=("tasks", "titles"))]
    decisions = {name: choose(Api.CHAT, name, slots, default="primary") for name in ("titles", "gpt-4", "primary", "m")}
    assert {decision.upstream for decision in decisions.values()} == {"primary"}
    assert [name for name, decision in decisions.items() if decision.background] == ["titles"]


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


def test_speech_has_no_default_slot() -> None:
    speaker = slot("tts", models=("voice",), kind="speech", apis=frozenset({Api.SPEECH}))
    for asked in (None, ""):
        with pytest.raises(Hal0Error) as caught:
            choose(Api.SPEECH, asked, [speaker], default=None)
        assert (caught.value.code, caught.value.param) == ("dispatch.missing_model", "model")
        with pytest.raises(Hal0Error, match=r"dispatch\.missing_model"):
            choose_within({"tts"}, Api.SPEECH, asked, [speaker], [], default=None, key="alice")
    assert choose(Api.SPEECH, "voice", [speaker], default=None).upstream == "tts"


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


def within(allowed: set[str], asked: str | None, *slots: Candidate, remotes: Sequence[RemoteCandidate] = ()) -> str:
    """The upstream, or the code of the refusal."""
    try:
        return choose_within(allowed, Api.CHAT, asked, slots, remotes, default="primary", key="alice").upstream
    except Hal0Error as error:
        return error.code


def anything(name: str) -> RemoteCandidate:
    return RemoteCandidate(name, {}, offers=lambda _: False, lets_in=lambda _: True, apis=CHAT)


def offering(name: str, *models: str, aliases: Mapping[str, str] | None = None) -> RemoteCandidate:
    return RemoteCandidate(name, aliases or {}, offers=models.__contains__, lets_in=lambda _: False, apis=CHAT)


@pytest.mark.parametrize("asked", ["primary", "p", "m", None])
def test_a_key_for_other_slots_does_not_reach_this_one(asked: str | None) -> None:
    primary, code = slot("primary", aliases=("p",)), slot("code", models=("x",))
    assert within({"primary"}, asked, primary, code) == "primary"
    assert within({"code"}, asked, primary, code) == "system.forbidden"


def test_of_two_slots_with_the_model_the_one_that_the_key_is_for_answers() -> None:
    assert within({"b"}, "m", slot("a"), slot("b", in_flight=9)) == "b"
    assert within({"a", "b"}, "m", slot("a"), slot("b", in_flight=9)) == "a"
    assert within({"c"}, "m", slot("a"), slot("b"), slot("c", models=("x",))) == "system.forbidden"


def test_a_remote_that_takes_any_name_does_not_get_what_was_meant_for_a_slot() -> None:
    assert within({"far"}, "primary", PRIMARY, remotes=[anything("far")]) == "system.forbidden"
    assert within({"far"}, "m", PRIMARY, remotes=[anything("far")]) == "system.forbidden"
    assert within({"far"}, None, PRIMARY, remotes=[anything("far")]) == "system.forbidden"
    assert within({"far"}, "other", PRIMARY, remotes=[anything("far")]) == "far"


def test_of_two_remotes_with_the_model_the_one_that_the_key_is_for_answers() -> None:
    near, far = offering("near", "big"), offering("far", "big")
    assert within({"far"}, "big", PRIMARY, remotes=[near, far]) == "far"
    assert within({"far"}, "near/big", PRIMARY, remotes=[near, far]) == "system.forbidden"
    assert within({"far"}, "clever", remotes=[offering("near", aliases={"clever": "x"}), anything("far")]) == (
        "system.forbidden"
    )


def test_what_is_nowhere_is_not_found_and_the_hint_names_nothing_behind_closed_doors() -> None:
    with pytest.raises(Hal0Error) as refused:
        choose_within({"code"}, Api.CHAT, "primry", [PRIMARY, slot("code")], [], default="primary", key="alice")
    assert refused.value.code == "dispatch.no_route"
    assert "primary" not in refused.value.message
