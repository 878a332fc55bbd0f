"""The file is edited while clients are served: what changed takes effect, what did not notices nothing."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.installation import Installation, installed

CONFIG = """
[daemon]
ports = @PORTS@

[slots.primary]
model = "hal0-starter"
autostart = true

[slots.embed]
model = "all-minilm-l6-v2"
autostart = true
"""
SOON_SECONDS = 5.0  # 0.3 is meant: tests/bench/edits.py
HELLO = {"model": "primary", "messages": [{"role": "user", "content": "Hello!"}]}


@pytest.fixture
def hal0(tmp_path: Path) -> Iterator[Installation]:
    with installed(tmp_path, CONFIG) as installation:
        installation.wait_for_slot("primary", "ready")
        installation.wait_for_slot("embed", "ready")
        yield installation


def edit(hal0: Installation, old: str, new: str) -> None:
    text = hal0.config.read_text()
    assert old in text
    temporary = hal0.config.with_suffix(".new")
    temporary.write_text(text.replace(old, new))
    temporary.replace(hal0.config)


def until(claim: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


def screen(hal0: Installation, *words: str) -> str:
    """What a program of hal0's shows."""
    ended = subprocess.run(
        [sys.executable, "-m", *words], capture_output=True, text=True, env=hal0.env, timeout=60, check=False
    )
    return ended.stdout + ended.stderr


def config_of(hal0: Installation) -> dict[str, Any]:
    view: dict[str, Any] = hal0.admin("GET", "/api/config")
    return view


def test_a_changed_alias_is_live_and_restarts_nothing(hal0: Installation) -> None:
    pids = [hal0.slot(name)["pid"] for name in ("primary", "embed")]
    edit(hal0, 'model = "hal0-starter"', 'model = "hal0-starter"\naliases = ["gpt-4o"]')
    written = time.time()
    until(lambda: config_of(hal0)["revision"] == 2)
    assert config_of(hal0)["applied_at"] - written < SOON_SECONDS
    with httpx.Client(base_url=hal0.url, timeout=30) as client:
        answer = client.post("/v1/chat/completions", json={**HELLO, "model": "gpt-4o"})
    assert answer.status_code == 200
    assert answer.headers["x-hal0-slot"] == "primary"
    assert [hal0.slot(name)["pid"] for name in ("primary", "embed")] == pids


def test_names_mean_what_they_meant_when_a_request_began(hal0: Installation) -> None:
    edit(hal0, 'model = "hal0-starter"', 'model = "hal0-starter"\naliases = ["mine"]')
    until(lambda: config_of(hal0)["revision"] == 2)
    bodies = [json.dumps({**HELLO, **name}).encode() for name in ({"model": "mine"}, {})]
    bodies[1] = bodies[1].replace(b'"model": "primary", ', b"")  # the default slot is meant
    begun = [socket.create_connection(("127.0.0.1", httpx.URL(hal0.url).port or 0)) for _ in bodies]
    for client, body in zip(begun, bodies, strict=True):
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
        client.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body[:9])
    until(lambda: len(hal0.admin("GET", "/api/requests")["requests"]) == 2)
    edit(hal0, 'aliases = ["mine"]', "")
    edit(hal0, "[slots.embed]", '[dispatch]\nchat = "other"\n[slots.other]\nmodel = "hal0-starter"\n[slots.embed]')
    until(lambda: len(hal0.admin("GET", "/api/slots")["slots"]) == 3)
    for client, body in zip(begun, bodies, strict=True):
        client.sendall(body[9:])
        with client, client.makefile("rb") as answer:
            assert b"\r\nx-hal0-slot: primary\r\n" in answer.read()
    with httpx.Client(base_url=hal0.url, timeout=30) as fresh:
        assert fresh.post("/v1/chat/completions", json={**HELLO, "model": "mine"}).status_code == 404


def test_a_changed_flag_restarts_that_slot_alone_and_fails_no_request(hal0: Installation) -> None:
    primary, embed = hal0.slot("primary")["pid"], hal0.slot("embed")["pid"]
    done = threading.Event()
    statuses: list[int] = []

    def ask_on_and_on() -> None:
        with httpx.Client(base_url=hal0.url, timeout=30) as client:
            while not done.is_set():
                statuses.append(client.post("/v1/chat/completions", json=HELLO).status_code)

    workers = [threading.Thread(target=ask_on_and_on) for _ in range(4)]
    for worker in workers:
        worker.start()
    try:
        until(lambda: len(statuses) > 8)
        edit(hal0, 'model = "hal0-starter"', 'model = "hal0-starter"\ncontext = 512')
        until(lambda: hal0.slot("primary")["pid"] not in (primary, None))
        seen = len(statuses)
        until(lambda: len(statuses) > seen + 8)
    finally:
        done.set()
        for worker in workers:
            worker.join()
    assert set(statuses) == {200}
    assert hal0.slot("primary")["context"] == 512
    assert hal0.slot("embed")["pid"] == embed


def test_a_broken_edit_is_refused_with_its_place_and_undone_by_mending_it(hal0: Installation) -> None:
    pid = hal0.slot("primary")["pid"]
    edit(hal0, 'model = "hal0-starter"', 'modle = "hal0-starter"\ncontext = "many"')
    until(lambda: config_of(hal0)["rejected_at"] is not None)
    view = config_of(hal0)
    assert view["revision"] == 1
    assert {problem["code"] for problem in view["problems"]} >= {"config.unknown_key", "config.invalid"}
    assert all(problem["line"] and problem["column"] for problem in view["problems"])
    for shown in (screen(hal0, "hal0.cli", "status"), screen(hal0, "hal0.tui", "--once")):
        assert re.search(r"r1\b.*(REJECTED|refused)", shown), shown
    assert "revision 1 goes on" in hal0.log.read_text()
    edit(hal0, 'modle = "hal0-starter"\ncontext = "many"', 'model = "hal0-starter"')
    until(lambda: config_of(hal0)["rejected_at"] is None)
    assert hal0.slot("primary")["pid"] == pid


def test_a_file_that_was_cut_short_stops_no_slot_that_runs(hal0: Installation) -> None:
    whole, pid = hal0.config.read_text(), hal0.slot("embed")["pid"]
    hal0.config.write_text(whole[: whole.index("[slots.embed]")])
    until(lambda: config_of(hal0)["rejected_at"] is not None)
    assert [each["code"] for each in config_of(hal0)["problems"]] == ["config.implausible"]
    assert [each["code"] for each in hal0.admin("GET", "/api/config/plan")["problems"]] == ["config.implausible"]
    with hal0.client() as client:  # nor does a change that somebody makes meanwhile
        assert client.patch("/api/slots/primary", json={"idle_after": 60}).status_code == 422
    assert hal0.slot("embed")["pid"] == pid
    hal0.admin("POST", "/api/slots/embed/unload", {})
    hal0.wait_for_slot("embed", "offline")
    assert hal0.process is not None
    hal0.process.send_signal(signal.SIGHUP)  # by itself hal0 does not look again at what it has refused
    until(lambda: config_of(hal0)["rejected_at"] is None)
    assert [slot["name"] for slot in hal0.admin("GET", "/api/slots")["slots"]] == ["primary"]


def test_slots_come_and_go_with_the_file(hal0: Installation) -> None:
    edit(hal0, "[slots.embed]", '[slots.second]\nmodel = "hal0-starter"\n\n[slots.embed]')
    until(lambda: len(hal0.admin("GET", "/api/slots")["slots"]) == 3)
    with httpx.Client(base_url=hal0.url, timeout=30) as client:
        assert client.post("/v1/chat/completions", json={**HELLO, "model": "second"}).status_code == 200
    edit(hal0, '[slots.second]\nmodel = "hal0-starter"\n\n', "")
    until(lambda: len(hal0.backends()) == 2)
    assert "code" in hal0.admin("GET", "/api/slots/second")["error"]
