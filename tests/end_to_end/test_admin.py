"""The admin API of a running daemon: the picture, the events, the verbs, and what it hides."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import httpx
import pytest

from hal0.daemon.config.schema import EMBEDDED_SLOTS
from hal0.wire import CommandView, DeviceView, Event, PastView, RequestView, SlotView, State
from tests.fakes.installation import Installation

HELLO = {"model": "primary", "messages": [{"role": "user", "content": "Hello!"}]}


def chat(hal0: Installation, **fields: Any) -> httpx.Response:
    with httpx.Client(base_url=hal0.url, timeout=30) as client:
        return client.post("/v1/chat/completions", json={**HELLO, **fields})


@contextmanager
def listening(hal0: Installation, query: str = "") -> Iterator[Iterator[Event]]:
    """The events from now on, as a client reads them."""
    with hal0.client() as client, client.stream("GET", f"/api/events?{query}", timeout=10) as answer:
        lines = answer.iter_lines()
        assert next(lines) == ": connected"
        yield (Event.model_validate_json(line[6:]) for line in lines if line.startswith("data: "))


def test_the_state_is_whole(hal0: Installation) -> None:
    chat(hal0)
    state = State.model_validate(hal0.admin("GET", "/api/state"))
    assert [slot.name for slot in state.slots] == list(EMBEDDED_SLOTS)
    assert [slot.state for slot in state.slots] == ["ready", "ready", "offline", "offline"]
    primary = state.slots[0]
    assert (primary.kind, primary.model, primary.provider) == ("chat", "hal0-starter", "llama")
    assert primary.tokens_per_second is not None
    assert primary.tokens_per_second > 0
    assert primary.ttft_ms is None or primary.ttft_ms > 0
    assert primary.load_ms is not None
    assert state.config.revision == 1
    assert {device.kind for device in state.devices} >= {"cpu", "memory"}
    assert state.totals.requests >= 1
    assert state.requests[0].outcome == "ok"


def test_memory_of_a_slot_is_measured(hal0: Installation) -> None:
    with listening(hal0, "topics=device") as events:
        sample = next(events)
    primary = sample.data["slots"]["primary"]
    assert 10e6 < primary["private_bytes"] < primary["memory_bytes"] < 500e6
    assert primary["gpu_bytes"] == {}
    view = hal0.admin("GET", "/api/slots/primary")
    assert 10e6 < view["private_bytes"] < view["memory_bytes"] < 500e6


def test_devices_are_told_as_in_the_state_and_more_often_than_once_a_second_while_watched(hal0: Installation) -> None:
    with listening(hal0, "topics=device") as events:
        times = [next(events).at for _ in range(12)]
    # A look may be late on a busy machine, but not each of them.
    assert min(later - before for before, later in pairwise(times)) < 0.5
    devices = hal0.admin("GET", "/api/devices")["devices"]
    assert {device["id"] for device in devices} >= {"cpu", "memory"}
    for device in devices:
        assert device.keys() == DeviceView.model_fields.keys()


def test_the_past_has_the_devices_and_the_slots_as_they_were(hal0: Installation) -> None:
    chat(hal0)
    past = PastView.model_validate(hal0.admin("GET", "/api/history"))
    slots = {slot["name"]: slot["state"] for slot in hal0.admin("GET", "/api/slots")["slots"]}
    assert past.slots.keys() == slots.keys()
    assert set(past.slots["primary"]) - set("o-"), "it was started, and has served"
    [used] = past.devices["memory"].values()
    assert len(used) == len(past.slots["primary"])
    assert any(size is not None and size > 1e7 for size in used)


def test_a_streamed_request_is_told_from_its_start_to_its_end(hal0: Installation) -> None:
    with listening(hal0, "topics=request") as events:
        thread = threading.Thread(target=chat, args=(hal0,), kwargs={"stream": True})
        thread.start()
        told = []
        for event in events:
            told.append(event)
            if event.kind == "request.finished":
                break
        thread.join()
    kinds = [event.kind for event in told]
    assert kinds[0] == "request.started"
    assert "request.phase" in kinds
    numbers = [event.id for event in told]
    assert numbers == sorted(numbers)
    finished = RequestView.model_validate(told[-1].data)
    assert (finished.outcome, finished.slot, finished.rule) == ("ok", "primary", "slot")
    assert finished.tokens > 5
    deadline = time.monotonic() + 15
    while True:  # while somebody watches, text is put together a tenth of a second at a time
        shown = RequestView.model_validate(hal0.admin("GET", f"/api/requests/{finished.id}"))
        if len(shown.text) > 10:
            break
        assert time.monotonic() < deadline
    assert shown.prompt == "Hello!"


def test_events_are_replayed_from_a_number_on(hal0: Installation) -> None:
    since = State.model_validate(hal0.admin("GET", "/api/state")).event_id
    chat(hal0)
    with listening(hal0, f"since={since}&topics=request.finished") as events:
        assert next(events).id > since


def test_a_number_from_another_daemon_is_answered_by_a_gap(hal0: Installation) -> None:
    with listening(hal0, "since=99999999") as events:
        assert next(events).kind == "gap"


def test_a_slot_is_unloaded_and_loaded_and_restarted(hal0: Installation) -> None:
    with listening(hal0, "topics=slot.transition") as events:
        for verb, end in (("unload", "offline"), ("load", "ready"), ("restart", "ready")):
            accepted = hal0.admin("POST", f"/api/slots/embed/{verb}", {})
            assert accepted["slot"] == "embed"
            states = []
            for event in events:
                view = SlotView.model_validate(event.data)
                if view.name == "embed":
                    states.append(view.state)
                if states[-1:] == [end] and (verb != "restart" or "starting" in states):
                    break
    assert states[0] == "unloading"


def test_the_command_line_is_shown_with_its_origins_and_without_its_key(hal0: Installation) -> None:
    view = CommandView.model_validate(hal0.admin("GET", "/api/slots/primary/command"))
    assert len(view.argv) == len(view.origins)
    assert "--model" in view.argv
    assert str(hal0.slot("primary")["port"]) in view.argv
    assert view.env["LLAMA_API_KEY"].startswith("<")


def test_logs_are_shown_and_followed(hal0: Installation) -> None:
    lines = hal0.admin("GET", "/api/slots/primary/logs?lines=5")["lines"]
    assert len(lines) == 5
    recent = hal0.admin("GET", "/api/slots/primary/logs?seconds=3600")
    assert recent["lines"][-5:] == lines
    assert recent["times"] == sorted(recent["times"])
    assert 0 <= time.time() - recent["times"][-1] < 3600
    assert hal0.admin("GET", "/api/slots/primary/logs?seconds=0")["lines"] == []
    with hal0.client() as client, client.stream("GET", "/api/slots/primary/logs?follow=1&lines=1") as answer:
        batches = (json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: "))
        assert len(next(batches)["lines"]) == 1
        chat(hal0)
        assert next(batches)["lines"]


def test_reloading_without_a_change_keeps_the_revision(hal0: Installation) -> None:
    assert hal0.admin("POST", "/api/config/reload", {})["revision"] == 1


def test_the_same_api_answers_loopback_clients_over_tcp(hal0: Installation) -> None:
    with httpx.Client(base_url=hal0.url) as client:
        assert client.get("/api/slots/primary").json()["name"] == "primary"
        assert client.get("/health").json()["status"] == "ok"
        assert client.head("/health").status_code == 200


def test_the_socket_is_for_its_owner_and_group(hal0: Installation) -> None:
    assert hal0.socket.stat().st_mode & 0o777 == 0o660


@pytest.mark.parametrize("path", ["devices", "errors", "requests", "slots"])
def test_lists_are_named_after_what_they_hold(hal0: Installation, path: str) -> None:
    assert isinstance(hal0.admin("GET", f"/api/{path}")[path], list)


def test_truth_is_told_in_headers(hal0: Installation) -> None:
    headers = chat(hal0).headers
    assert headers["x-hal0-slot"] == "primary"
    assert headers["x-hal0-model"] == "hal0-starter"
    assert headers["x-hal0-route"] == "slot"
    assert int(headers["x-hal0-load-ms"]) >= 0
    assert headers["x-request-id"]


def test_capture_can_be_turned_off_while_it_runs(hal0: Installation) -> None:
    text = hal0.config.read_text()
    try:
        hal0.config.write_text(text + "[observe]\ncapture = false\n")
        assert hal0.admin("POST", "/api/config/reload", {})["revision"] == 2
        request_id = chat(hal0, stream=True).headers["x-request-id"]
        view = hal0.admin("GET", f"/api/requests/{request_id}")
        assert (view["prompt"], view["text"]) == ("", "")
        assert view["tokens"] > 5
    finally:
        hal0.config.write_text(text)
        hal0.admin("POST", "/api/config/reload", {})


def test_a_slot_is_planned_with_its_memory_and_its_mistakes_before_it_is_written(hal0: Installation) -> None:
    def plan(name: str, keys: dict[str, Any], **headers: str) -> Any:
        with hal0.client() as client:
            named = {each.replace("_", "-"): value for each, value in headers.items()}
            return client.post(f"/api/slots/{name}/plan", json=keys, headers=named).json()

    before = hal0.admin("GET", "/api/config")
    told = plan("second", {"model": "hal0-starter", "context": 512})
    (added,) = [each for each in told["plan"]["slots"] if each["effect"] == "add"]
    assert (added["name"], told["plan"]["problems"], told["context"]) == ("second", [], 512)
    assert told["fit"]["verdict"] == "fits"
    assert told["fit"]["rooms"][0]["need_bytes"] > told["ram"]["weights_bytes"] > 1e6
    assert {"llama", "espeak"} < set(told["providers"])
    assert {"context", "gpus"} < set(told["keys"])
    (wrong,) = plan("second", {"model": "hal0-starter", "contxt": 1})["plan"]["problems"]
    assert wrong["key"] == "slots.second.contxt"
    (wrong,) = plan("second", {"provider": "sphinx", "context": 512})["plan"]["problems"]
    assert wrong["key"] == "slots.second.context"
    assert "context" not in plan("second", {"provider": "sphinx"})["keys"]
    for strange in ("lama", ["llama"], {"llama": 1}, 7, True):
        told = plan("second", {"model": "hal0-starter", "provider": strange})
        assert {each["key"] for each in told["plan"]["problems"]} == {"slots.second.provider"}, strange
        assert "context" in told["keys"]
    assert plan("second", {"model": "nowhere"})["error"]["code"] == "model.not_found"
    assert plan("primary", {"model": "hal0-starter"}, if_none_match="*")["error"]["code"] == "slot.already_exists"
    after = hal0.admin("GET", "/api/config")
    assert (after["tag"], after["revision"]) == (before["tag"], before["revision"])
    assert [slot.name for slot in State.model_validate(hal0.admin("GET", "/api/state")).slots] == list(EMBEDDED_SLOTS)


NEEDED = {"/api/config/place": "?key=daemon"}  # what a path does not answer without


def test_answers_are_those_of_the_openapi_document(hal0: Installation) -> None:
    document = hal0.admin("GET", "/api/openapi.json")
    schemas = document["components"]["schemas"]
    asked = 0
    for path, methods in document["paths"].items():
        content = methods.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        if not path.startswith("/api/") or "{" in path or "application/json" not in content:
            continue
        asked += 1
        answer, schema = hal0.admin("GET", path + NEEDED.get(path, "")), content["application/json"]["schema"]
        if "$ref" in schema:
            schema = schemas[schema["$ref"].rpartition("/")[2]]
        if "properties" in schema:
            assert set(schema.get("required", ())) <= set(answer), path
            assert set(answer) - {"running"} <= set(schema["properties"]), path
    assert asked > 10
