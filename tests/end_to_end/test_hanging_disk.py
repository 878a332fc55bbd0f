"""The files of a slot hang when they are opened, as those on a network disk whose server is away."""

import json
import os
import signal
import time
from pathlib import Path

import httpx

from tests.fakes.installation import Installation

SECONDS = 20.0


def hang(file: Path) -> None:
    """Nobody reads this pipe, so who wants to write waits."""
    file.unlink()
    os.mkfifo(file)


def test_a_disk_that_hangs_holds_up_neither_requests_nor_slots_and_is_told_all_in_the_end(own: Installation) -> None:
    ledger, log = own.folder / "state" / "ledger" / "primary.jsonl", own.folder / "state" / "logs" / "primary.log"
    hang(ledger)
    hang(log)
    try:
        run = own.slot("primary")["run"]
        before = len(own.admin("GET", "/api/slots/primary/why")["entries"])
        with httpx.Client(base_url=own.url, timeout=SECONDS) as client:
            own.admin("POST", "/api/slots/primary/restart", {})
            assert client.get("/health").json()["status"] == "ok"
            deadline = time.monotonic() + SECONDS
            while own.wait_for_slot("primary", "ready", "idle")["run"] == run:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            question = {"model": "primary", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 2}
            assert client.post("/v1/chat/completions", json=question).status_code == 200
            assert client.get("/health").json()["slots"]["primary"] in ("ready", "serving")
        known = own.admin("GET", "/api/slots/primary/why")["entries"][before:]
        assert [entry["state"] for entry in known][-1] == "ready"
        with open(os.open(ledger, os.O_RDWR)) as disk, open(os.open(log, os.O_RDWR), "rb") as printed:
            written = [json.loads(disk.readline()) for _ in known]
            assert printed.readline()
            assert [(entry["state"], entry["at"]) for entry in written] == [
                (entry["state"], entry["at"]) for entry in known
            ]
            assert own.stop() == 0
    finally:
        own.stop(signal.SIGKILL)  # one that hangs hears nothing else
