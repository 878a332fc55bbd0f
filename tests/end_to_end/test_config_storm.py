"""The file is rewritten a hundred times in every style while clients are served: no request fails, no slot restarts."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from tests.fakes.installation import installed

CONFIG = """\
# The box in the cellar.
[daemon]
ports = @PORTS@

[slots.primary]
model = "hal0-starter"
autostart = true
parallel = 2

[slots.embed]
model = "all-minilm-l6-v2"
autostart = true
"""
EDITS = 100
INVALID = {n for n in range(EDITS) if n % 5 == 3}  # twenty of them
MISTAKES = ['[slots.primary]\nmodle = "x"\n', "[slots.primary\n", "", "\x00", '[server]\nport = "many"\n']
HELLO = {"model": "primary", "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 8}


def in_place(path: Path, text: str) -> None:
    path.write_text(text)


def renamed(path: Path, text: str) -> None:
    new = path.with_suffix(".swp")
    new.write_text(text)
    new.replace(path)


def with_backup(path: Path, text: str) -> None:
    """As vim does with `backupcopy=no`: the old file is moved away, and for a moment there is none."""
    path.rename(path.with_suffix(".toml~"))
    path.write_text(text)


def in_two_halves(path: Path, text: str) -> None:
    with path.open("w") as file:
        file.write(text[: len(text) // 2])
        file.flush()
        os.fsync(file.fileno())
        file.write(text[len(text) // 2 :])


def by_the_api(path: Path, text: str) -> None:
    transport = httpx.HTTPTransport(uds=str(path.parent / "run" / "hal0.sock"), verify=False)
    with httpx.Client(transport=transport, base_url="http://hal0", timeout=30) as client:
        status = client.put("/api/config", json={"text": text}, headers={"If-Match": "*"}).status_code
        assert status in (200, 412, 422), status


STYLES: list[Callable[[Path, str], None]] = [in_place, renamed, with_backup, in_two_halves, by_the_api]


def test_a_hundred_rewrites_under_load_fail_no_request_and_restart_nothing(tmp_path: Path) -> None:
    with installed(tmp_path, CONFIG) as hal0:
        hal0.wait_for_slot("primary", "ready")
        hal0.wait_for_slot("embed", "ready")
        before = {name: hal0.slot(name)["pid"] for name in ("primary", "embed")}
        text = hal0.config.read_text()
        done = threading.Event()
        statuses: list[int] = []

        def ask_on_and_on(path: str, body: dict[str, Any]) -> None:
            with httpx.Client(base_url=hal0.url, timeout=60) as client:
                while not done.is_set():
                    statuses.append(client.post(path, json=body).status_code)

        loads: list[tuple[str, dict[str, Any]]] = [
            ("/v1/chat/completions", HELLO),
            ("/v1/chat/completions", {**HELLO, "stream": True}),
            ("/v1/embeddings", {"model": "embed", "input": "hello"}),
        ]
        workers = [threading.Thread(target=ask_on_and_on, args=load) for load in loads]
        for worker in workers:
            worker.start()
        try:
            for n in range(EDITS):
                good = text.replace(
                    "autostart = true\nparallel", f'idle_after = "{n + 1}m"\nautostart = true\nparallel'
                )
                new = MISTAKES[n % len(MISTAKES)] if n in INVALID else good
                STYLES[n // 5 % len(STYLES)](hal0.config, new)
                time.sleep(0.03)  # a fast typist
            last = text.replace("[slots.embed]", '[slots.embed]\naliases = ["the-last-one"]')
            renamed(hal0.config, last)
            deadline = time.monotonic() + 10
            while hal0.slot("embed")["aliases"] != ["the-last-one"]:
                assert time.monotonic() < deadline, hal0.admin("GET", "/api/config")
                time.sleep(0.02)
            seen = len(statuses)
            while len(statuses) < seen + 6:
                assert time.monotonic() < deadline + 30
                time.sleep(0.02)
        finally:
            done.set()
            for worker in workers:
                worker.join()
        assert set(statuses) == {200}, statuses
        assert {name: hal0.slot(name)["pid"] for name in before} == before
        view = hal0.admin("GET", "/api/config")
        assert view["rejected_at"] is None
        assert view["revision"] > 5
        assert hal0.config.read_text() == last


def test_a_hundred_edits_in_a_second_are_at_most_ten_reloads(tmp_path: Path) -> None:
    with installed(tmp_path, CONFIG) as hal0:
        text = hal0.config.read_text()
        began = time.monotonic()
        for n in range(100):
            renamed(hal0.config, text + f"# {n}\n")
            time.sleep(max(0.0, began + (n + 1) / 100 - time.monotonic()))
        deadline = time.monotonic() + 10
        while hal0.admin("GET", "/api/config/diff")["lines"]:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert hal0.admin("GET", "/api/config")["revision"] <= 1 + 10
