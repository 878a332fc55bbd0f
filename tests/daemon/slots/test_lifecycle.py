import pytest

from hal0.daemon.slots.lifecycle import CAUSE, MEANING, TRANSITIONS, State, Trigger, after
from hal0.errors import Hal0Error

PAIRS = [(state, trigger) for state in State for trigger in Trigger]


@pytest.mark.parametrize(("state", "trigger"), PAIRS)
def test_the_table_is_the_only_way(state: State, trigger: Trigger) -> None:
    if trigger in TRANSITIONS[state]:
        assert after("s", state, trigger) is TRANSITIONS[state][trigger]
        return
    with pytest.raises(Hal0Error) as caught:
        after("s", state, trigger)
    assert caught.value.code == "slot.illegal_transition"
    assert caught.value.details == {"slot": "s", "state": state.value, "trigger": trigger.value}


def test_every_state_has_a_way_in_and_a_way_out() -> None:
    reached = {target for row in TRANSITIONS.values() for target in row.values()}
    assert reached == set(State)
    assert all(TRANSITIONS[state] for state in State)


def test_every_state_with_a_process_can_be_stopped_and_can_fail() -> None:
    for state in set(State) - {State.OFFLINE, State.ERROR, State.UNLOADING}:
        assert TRANSITIONS[state][Trigger.UNLOAD] is State.UNLOADING
        assert TRANSITIONS[state][Trigger.FAIL] is State.ERROR


def test_ready_is_reached_by_proof_or_by_the_end_of_the_last_request_only() -> None:
    ways = {(s, t) for s, row in TRANSITIONS.items() for t, target in row.items() if target is State.READY}
    assert ways == {(State.WARMING, Trigger.PROVE), (State.SERVING, Trigger.RELEASE)}


def test_every_word_is_explained() -> None:
    assert set(MEANING) == set(State)
    assert set(CAUSE) == set(Trigger)
