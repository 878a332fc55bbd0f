"""Real models in a daemon whose memory is enough for one of them at a time."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.installation import Installation, events_of, installed

SLOT = 'model = "hal0-starter"\nbinary = "builtin"\n'
ONE_AT_A_TIME = f'[daemon]\nports = @PORTS@\nmemory_limit = "100MiB"\n[slots.a]\n{SLOT}[slots.b]\n{SLOT}'


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("room"), ONE_AT_A_TIME) as installation:
        yield installation


@pytest.fixture
def hal0(shared: Installation) -> Iterator[Installation]:
    """The shared daemon, put back afterwards."""
    before = shared.config.read_text()
    yield shared
    with shared.client() as client:
        assert client.put("/api/config", json={"text": before}, headers={"If-Match": "*"}).status_code == 200
    for name in ("a", "b"):
        shared.admin("POST", f"/api/slots/{name}/unload", {})
        shared.wait_for_slot(name, "offline")


def change(hal0: Installation, **keys: Any) -> None:
    with hal0.client() as client:
        answer = client.patch("/api/config", json={"set": keys})
        assert answer.status_code == 200, answer.text


def chat(hal0: Installation, slot: str, *, tokens: int = 4) -> httpx.Response:
    body = {"model": slot, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": tokens, "ignore_eos": True}
    return httpx.post(hal0.url + "/v1/chat/completions", json=body, timeout=60)


def causes(hal0: Installation, slot: str) -> list[tuple[str, str]]:
    """Of every entry in the ledger the sentence and the request."""
    entries = hal0.admin("GET", f"/api/slots/{slot}/why")["entries"]
    return [(entry["cause"], entry["request"]) for entry in entries]


def command(hal0: Installation, *words: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "hal0.cli", *words], env=hal0.env, capture_output=True, text=True, timeout=60
    )
    return done.returncode, done.stdout + done.stderr


def test_a_request_unloads_the_quiet_one_and_the_ledgers_tell_why(hal0: Installation) -> None:
    assert chat(hal0, "a").status_code == 200
    hal0.wait_for_slot("a", "ready")
    answer = chat(hal0, "b")
    assert answer.status_code == 200
    assert (hal0.slot("a")["state"], hal0.slot("b")["state"]) == ("offline", "ready")
    request = answer.headers["x-request-id"]
    (evicted,) = [cause for cause in causes(hal0, "a") if "evicted" in cause[0]]
    assert evicted[0].startswith("evicted for b: needs ")
    assert evicted[1] == request
    assert ("started by request; room was made by unloading a", request) in causes(hal0, "b")


def test_a_stream_comes_to_its_end_before_the_other_starts(hal0: Installation) -> None:
    body = {"model": "a", "messages": [{"role": "user", "content": "Hi"}], "stream": True, "ignore_eos": True}
    url = hal0.url + "/v1/chat/completions"
    with ThreadPoolExecutor(1) as pool:
        with httpx.stream("POST", url, json={**body, "max_tokens": 3000}, timeout=60) as answer:
            lines = answer.iter_lines()
            next(lines)
            other = pool.submit(chat, hal0, "b")
            deadline = time.monotonic() + 20
            while not (remark := hal0.slot("b")["remark"]):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            assert remark == "waiting for memory: a is busy"
            rest = list(lines)
        assert "data: [DONE]" in rest
        assert all("error" not in event for event in events_of("\n".join(rest)))
        assert other.result().status_code == 200
    assert hal0.slot("a")["error"] is None


def test_what_cannot_fit_is_507_with_the_sum(hal0: Installation) -> None:
    assert chat(hal0, "a").status_code == 200
    change(hal0, **{"slots.a.pinned": True})
    answer = chat(hal0, "b")
    assert answer.status_code == 507
    assert "retry-after" not in answer.headers
    error = answer.json()["error"]
    assert error["code"] == "slot.insufficient_memory"
    assert "by a, pinned" in error["message"]
    (each,) = error["details"]["sums"]
    assert each["device"] == "memory"
    assert each["need_bytes"] > each["free_bytes"] - each["reserved_bytes"]
    assert each["held_by"] == ["a"]
    view = hal0.slot("b")
    assert (view["state"], view["retry_at"]) == ("error", None)
    assert hal0.slot("a")["state"] == "ready"


def test_a_dry_run_tells_who_would_go_and_starts_nothing(hal0: Installation) -> None:
    assert chat(hal0, "a").status_code == 200
    code, text = command(hal0, "slot", "load", "b", "--dry-run")
    assert code == 0
    assert "it fits if these are unloaded, in this order: a" in text
    assert (hal0.slot("a")["state"], hal0.slot("b")["state"]) == ("ready", "offline")
    change(hal0, **{"slots.a.pinned": True})
    code, text = command(hal0, "slot", "load", "a", "b", "--dry-run", "--json")
    told = json.loads(text)["slots"]
    assert (told["a"]["verdict"], told["b"]["verdict"]) == ("fits", "impossible")
    assert code == 1


def test_what_a_run_took_is_remembered(hal0: Installation, shared: Installation) -> None:
    assert chat(hal0, "a").status_code == 200
    time.sleep(3.0)  # so long it must have been ready
    hal0.admin("POST", "/api/slots/a/unload", {})
    hal0.wait_for_slot("a", "offline")
    file: Path = shared.folder / "state" / "peaks.json"
    deadline = time.monotonic() + 10
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert hal0.admin("GET", "/api/models/hal0-starter?slot=a")["ram"]["source"] == "measured"
