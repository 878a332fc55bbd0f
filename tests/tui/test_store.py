"""The reducer: states and facts in, the picture out. No terminal, no socket."""

from typing import Any

import pytest

from hal0.errors import Hal0Error
from hal0.tui.facts import read_fact
from hal0.tui.happenings import happening
from hal0.tui.store import Store
from hal0.tui.streams import FINISHED_KEPT
from hal0.tui.transcript import LIMIT
from hal0.wire import ConfigView, ErrorRecord, ErrorView, EventKind, TokenBatch
from tests.tui.samples import CPU, MEMORY, NOW, busy_state, config, default_state, request, slot, state


def loaded(**more: Any) -> Store:
    store = Store()
    store.load(default_state(**more))
    store.connected(1.0)
    store.take_dirty()
    return store


def tell(store: Store, kind: EventKind, data: Any, *, at: float = NOW + 1, id: int = 1) -> None:
    """An event as it comes over the wire."""
    payload = data.model_dump(mode="json") if hasattr(data, "model_dump") else data
    fact = read_fact({"id": id, "at": at, "kind": kind, "data": payload})
    assert fact is not None
    store.reduce(fact)


def test_a_state_is_taken_over_whole_and_marks_everything() -> None:
    store = Store()
    store.load(busy_state())
    assert list(store.slots) == ["chat-l", "code-m", "embed", "vision", "long", "draft", "rerank"]
    assert store.host == "lab01"
    assert store.config is not None
    assert store.config.revision == 41
    assert {"slots", "requests", "devices", "config", "errors", "host"} <= store.take_dirty()


def test_a_later_state_forgets_slots_and_errors_that_are_gone() -> None:
    store = Store()
    store.load(busy_state())
    store.load(default_state())
    assert list(store.slots) == ["primary", "embed"]
    assert store.errors == {}
    assert set(store.past.lanes) == {"primary", "embed"}


def test_a_transition_replaces_the_slot_and_lengthens_its_lane() -> None:
    store = loaded()
    tell(store, "slot.transition", slot("embed", "starting", since=NOW + 1))
    tell(store, "slot.transition", slot("embed", "ready", since=NOW + 2), at=NOW + 3)
    assert store.slots["embed"].state == "ready"
    lane = store.past.lanes["embed"]
    assert [lane.most_telling(NOW + second, NOW + second + 1) for second in range(5)] == [
        "offline", "starting", "starting", "ready", None,
    ]  # fmt: skip
    assert "slots" in store.take_dirty()


def test_a_removed_slot_is_gone() -> None:
    store = loaded()
    tell(store, "slot.removed", {"name": "embed"})
    assert list(store.slots) == ["primary"]


def test_the_text_of_a_request_grows_by_its_batches_and_survives_the_views_without_text() -> None:
    store = loaded()
    tell(store, "request.started", request("a", prompt="why?", phase="queued"))
    tell(store, "request.phase", request("a", phase="prefill", prompt=""))
    tell(store, "request.tokens", TokenBatch(id="a", text="be", reasoning="hm ", tokens=1))
    tell(store, "request.tokens", TokenBatch(id="a", text="cause", tokens=2, tokens_per_second=50.0))
    assert store.streams["a"].transcript.said("text") == "because"
    assert store.streams["a"].transcript.said("reasoning") == "hm "
    assert store.streams["a"].view.prompt == "why?"
    assert store.streams["a"].view.phase == "decoding"
    assert store.streams.tokens_per_second == 50.0
    tell(store, "request.finished", request("a", phase="finished", outcome="ok", tokens=2))
    assert store.streams["a"].transcript.said("text") == "because"
    assert not store.streams["a"].in_flight
    assert store.streams.tokens_per_second == 0


def test_a_batch_that_overtakes_its_end_does_not_bring_the_request_back() -> None:
    store = loaded()
    tell(store, "request.started", request("a"))
    tell(store, "request.finished", request("a", phase="finished", outcome="cancelled"))
    tell(store, "request.tokens", TokenBatch(id="a", text="late", tokens=3))
    assert store.streams["a"].view.phase == "finished"


def test_tokens_of_a_request_never_heard_of_are_ignored() -> None:
    store = loaded()
    tell(store, "request.tokens", TokenBatch(id="ghost", text="boo", tokens=1))
    assert "ghost" not in store.streams


def test_the_text_of_one_request_is_bounded() -> None:
    store = loaded()
    tell(store, "request.started", request("a"))
    for number in range(300):
        tell(store, "request.tokens", TokenBatch(id="a", text=f"{number:04} " * 100, tokens=number))
    kept = store.streams["a"].transcript.said("text")
    assert len(kept) <= LIMIT
    assert kept.endswith("0299 ")


def test_only_so_many_finished_requests_are_kept_and_those_in_flight_always() -> None:
    store = loaded()
    tell(store, "request.started", request("running", started_at=NOW - 1000))
    for number in range(FINISHED_KEPT * 2):
        tell(store, "request.started", request(f"r{number}", started_at=NOW + number))
        tell(store, "request.finished", request(f"r{number}", phase="finished", outcome="ok", started_at=NOW + number))
    assert len(store.streams) == FINISHED_KEPT + 1
    assert "running" in store.streams
    assert f"r{FINISHED_KEPT * 2 - 1}" in store.streams


def test_load_counts_what_waits_and_what_works_and_adds_up_the_speed() -> None:
    store = loaded()
    tell(store, "request.started", request("a", tokens_per_second=30.0, ttft_ms=100.0))
    tell(store, "request.started", request("b", tokens_per_second=12.0, ttft_ms=200.0, started_at=NOW))
    tell(store, "request.started", request("c", phase="loading"))
    load = store.load_of(store.slots["primary"])
    assert (load.in_flight, load.waiting, load.tokens_per_second, load.ttft_ms) == (2, 1, 42.0, 200.0)
    assert load.decoding


def test_after_the_last_request_the_speed_is_the_last_one_and_known_as_past() -> None:
    store = loaded()
    tell(store, "request.started", request("a", tokens_per_second=30.0, ttft_ms=100.0))
    tell(store, "request.finished", request("a", phase="finished", outcome="ok", tokens_per_second=31.0, ttft_ms=100.0))
    load = store.load_of(store.slots["primary"])
    assert (load.in_flight, load.tokens_per_second, load.decoding) == (0, 31.0, False)


def test_the_newest_request_with_text_comes_first_and_vectors_last() -> None:
    store = loaded()
    vectors = {"path": "/v1/embeddings", "started_at": NOW + 5}
    tell(store, "request.started", request("old", started_at=NOW))
    tell(store, "request.started", request("new", started_at=NOW + 1))
    tell(store, "request.started", request("vectors", "embed", **vectors))
    tell(store, "request.started", request("done", started_at=NOW + 2))
    tell(store, "request.finished", request("done", phase="finished", outcome="ok", started_at=NOW + 2))
    assert [stream.view.id for stream in store.streams.best_of()] == ["new", "old", "done", "vectors"]
    assert [stream.view.id for stream in store.streams.best_of("embed")] == ["vectors"]


def test_a_sample_updates_devices_their_history_and_the_memory_of_slots() -> None:
    store = loaded()
    busier = CPU.model_copy(update={"utilisation": 0.5})
    sample = {
        "devices": [busier.model_dump(), MEMORY.model_dump()],
        "slots": {
            "primary": {"memory_bytes": 7, "gpu_bytes": {"gpu1": 9}, "cpu_percent": 3.0},
            "gone": {"memory_bytes": 1, "gpu_bytes": {}},
        },
    }
    tell(store, "device.sample", sample, at=NOW + 3)
    assert store.devices["cpu"].utilisation == 0.5
    assert store.past.devices["cpu"].of["utilisation"].mean(NOW + 3, NOW + 4) == 0.5
    assert store.slots["primary"].memory_bytes == 7
    assert store.slots["primary"].gpu_bytes == {"gpu1": 9}
    assert {"devices", "slots"} <= store.take_dirty()


def test_more_samples_than_one_a_second_are_one_point_of_the_history_their_mean() -> None:
    store = loaded()
    for quarter, value in enumerate((0.2, 0.4, 0.6, 0.8, 1.0)):
        devices = [CPU.model_copy(update={"utilisation": value}).model_dump()]
        tell(store, "device.sample", {"devices": devices, "slots": {}}, at=NOW + 3 + quarter / 4)
    cells = store.past.devices["cpu"].of["utilisation"].cells(1.0, int(NOW) + 4, 4)
    assert cells == [None, None, pytest.approx(0.5), 1.0]


def test_an_unchanged_memory_figure_does_not_repaint_the_slots() -> None:
    store = loaded()
    memory = store.slots["primary"].memory_bytes
    tell(store, "device.sample", {"devices": [], "slots": {"primary": {"memory_bytes": memory, "gpu_bytes": {}}}})
    assert "slots" not in store.take_dirty()


def test_configuration_and_errors_follow_their_events() -> None:
    store = loaded()
    rejected: ConfigView = config(revision=1, rejected_at=NOW)
    tell(store, "config.rejected", rejected)
    assert store.config == rejected
    tell(store, "config.applied", config(revision=2))
    assert store.config is not None
    assert store.config.revision == 2
    record = ErrorRecord(id=4, error=ErrorView(code="slot.crashed", message="x"), first_at=NOW, last_at=NOW + 1)
    tell(store, "error", record)
    assert store.has_unseen_errors
    store.see_errors()
    assert not store.has_unseen_errors
    tell(store, "error", record.model_copy(update={"count": 2, "last_at": NOW + 60}))
    assert store.has_unseen_errors
    assert store.errors[4].count == 2


def test_a_stopping_daemon_is_shown_as_such() -> None:
    store = loaded()
    tell(store, "daemon.stopping", {"drain_seconds": 30})
    assert store.draining


def test_warnings_come_and_go_while_the_daemon_runs() -> None:
    store = loaded()
    store.take_dirty()
    tell(store, "daemon.warnings", {"warnings": ["anyone who can reach port 8080"]})
    assert store.warnings == ("anyone who can reach port 8080",)
    assert {"host", "errors"} <= store.take_dirty()
    fact = read_fact({"id": 9, "at": NOW, "kind": "daemon.warnings", "data": {"warnings": list(store.warnings)}})
    assert fact is not None
    told = happening(fact, None)
    assert told is not None
    assert (told.text, told.role, told.problem) == ("anyone who can reach port 8080", "warn", True)
    tell(store, "daemon.warnings", {"warnings": []})
    assert store.warnings == ()


def test_requests_that_were_in_flight_when_the_daemon_went_away_end_as_failed_with_their_text() -> None:
    store = loaded()
    tell(store, "request.started", request("a"))
    tell(store, "request.tokens", TokenBatch(id="a", text="half an ans", tokens=3))
    store.disconnected(Hal0Error("system.daemon_down", where="x", reason="y"), 0.5)
    assert store.link.phase == "lost"
    store.load(default_state(now=NOW + 9))
    store.connected(None)
    stream = store.streams["a"]
    assert (stream.view.phase, stream.view.outcome) == ("finished", "failed")
    assert stream.transcript.said("text") == "half an ans"
    assert store.link.phase == "live"


def test_speeds_of_a_daemon_that_is_gone_are_not_those_of_the_next() -> None:
    store = loaded()
    fast = request("a", slot="primary", phase="finished", ttft_ms=5.0, tokens_per_second=99.0)
    tell(store, "request.started", fast)
    tell(store, "request.finished", fast)
    assert (store.load_of(store.slots["primary"]).ttft_ms) == 5.0
    store.load(default_state(now=NOW + 9, started_at=NOW + 8))
    load = store.load_of(store.slots["primary"])
    assert (load.ttft_ms, load.tokens_per_second) == (None, None)
    assert "a" in store.streams  # what it said can still be read


def test_the_daemons_text_wins_over_ours_after_a_gap() -> None:
    store = loaded()
    tell(store, "request.started", request("a"))
    tell(store, "request.tokens", TokenBatch(id="a", text="with a hole", tokens=3))
    store.load(default_state(requests=[request("a", text="the whole text", tokens=9)]))
    assert store.streams["a"].transcript.said("text") == "the whole text"


def test_only_what_counts_seconds_ticks() -> None:
    store = loaded()
    assert not store.is_ticking
    tell(store, "slot.transition", slot("embed", "starting", since=NOW))
    assert store.is_ticking
    tell(store, "slot.transition", slot("embed", "ready", since=NOW))
    assert not store.is_ticking
    store.tell("hello")
    assert store.is_ticking
    store.tick(NOW + 100)
    assert store.notice is None
    assert not store.is_ticking


def test_time_never_goes_back() -> None:
    store = loaded()
    store.tick(NOW + 50)
    tell(store, "daemon.stopping", {}, at=NOW + 10)
    assert store.now == NOW + 50


def test_an_event_of_a_kind_from_the_future_is_skipped() -> None:
    assert read_fact({"id": 1, "at": NOW, "kind": "slot.levitated", "data": {}}) is None


@pytest.mark.parametrize(
    "event",
    [
        {"id": 1, "at": NOW, "kind": "slot.transition", "data": {"name": 7}},
        {"id": 1, "at": NOW, "kind": "slot.removed", "data": {}},
        {"id": "x", "at": NOW, "kind": "gap", "data": {}},
        {"id": 1, "at": NOW, "kind": "device.sample", "data": {"devices": [{}]}},
        {"id": 1, "at": NOW, "kind": "device.sample", "data": {"devices": [], "slots": {"a": 3}}},
        {"kind": "error"},
        {},
    ],
)
def test_a_malformed_event_is_a_bad_answer_not_a_crash(event: dict[str, Any]) -> None:
    with pytest.raises(Hal0Error, match=r"system\.bad_answer"):
        read_fact(event)


def test_fields_that_only_a_newer_daemon_knows_are_ignored() -> None:
    data = slot("primary").model_dump() | {"aura": "green"}
    fact = read_fact({"id": 1, "at": NOW, "kind": "slot.transition", "data": data})
    assert fact is not None
    assert fact.data.name == "primary"


def test_an_empty_daemon_is_a_picture_too() -> None:
    store = Store()
    store.load(state(devices=[], slots=[]))
    assert store.streams.best_of() == []
    assert store.streams.tokens_per_second == 0
