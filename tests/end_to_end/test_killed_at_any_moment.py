"""The daemon is killed at random moments of its slots' starts and stops: no orphan, no run lost, no port, nobody twice.

Each kill meets ten slots, each at a random moment of its own, as it was asked for a start or a stop at another time: so
thirty moments with backends that are kept, and thirty without. A slot is a program of three processes: a shell, the
server, and one that has gone into a session of its own.
"""

import json
import os
import random
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from hal0.daemon.slots.ports import Ports
from hal0.marks import is_marked
from tests.fakes.installation import Installation
from tests.fakes.scripted import port_range

PROGRAM = f"{sys.executable} -S {Path(__file__).parents[1] / 'fakes' / 'any_server.py'}"
SLOTS = tuple("abcdefghij")
KILLS = 3
SPREAD_SECONDS = 0.6  # about as long as a start takes
LIMIT_SECONDS = 30.0


def config(*, keep: bool) -> str:
    command = json.dumps(["sh", "-c", f"setsid sleep 600 & {PROGRAM} --listen ${{port}} & wait"])
    tables = [f'[slots.{name}]\nprovider = "command"\ncommand = {command}\nstop_timeout = 1\n' for name in SLOTS]
    return f"[daemon]\nports = @PORTS@\nkeep_backends = {json.dumps(keep)}\n" + "".join(tables)


class Storm:
    def __init__(self, hal0: Installation, seed: int) -> None:
        self.hal0 = hal0
        self.random = random.Random(seed)
        self.kept = 0  # backends that outlived a daemon

    def disturb_and_kill(self) -> None:
        deeds = sorted((self.random.random() * SPREAD_SECONDS, name) for name in SLOTS)
        began = time.monotonic()
        for seconds, name in deeds:
            time.sleep(max(0.0, began + seconds - time.monotonic()))  # the moment is the thing that is tested
            verb = self.random.choice(["load", "load", "unload", "restart"])
            self.hal0.admin("POST", f"/api/slots/{name}/{verb}", {})
        time.sleep(max(0.0, began + SPREAD_SECONDS - time.monotonic()))
        self.hal0.stop(signal.SIGKILL)

    def ready_ones(self) -> dict[str, int]:
        """The pids of those that were proven, are on record and run, now that there is no daemon."""
        found = {}
        for file in (self.hal0.folder / "state" / "slots").glob("*.json"):
            record = json.loads(file.read_text())
            if record["load_ms"] is not None and is_marked(record["pid"], record["mark"]):
                found[record["slot"]] = record["pid"]
        return found

    def runs(self) -> dict[str, set[str]]:
        """By slot, the runs that have a living process."""
        found: dict[str, set[str]] = {}
        for pid in self.hal0.backends():
            with suppress(OSError, StopIteration):
                entries = Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
                mark = next(entry for entry in entries if entry.startswith("HAL0_RUN="))
                found.setdefault(mark.split(":")[1], set()).add(mark)
        return found

    def settled(self) -> dict[str, dict[str, Any]]:
        """The slots, once none is on its way and every process belongs to one."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while True:
            slots = {view["name"]: view for view in self.hal0.admin("GET", "/api/state")["slots"]}
            runs = self.runs()
            at_rest = all(view["state"] in ("offline", "ready", "idle") for view in slots.values())
            with_process = {name for name, view in slots.items() if view["pid"]}
            if at_rest and runs.keys() == with_process and all(len(each) == 1 for each in runs.values()):
                return slots
            facts = [(view["state"], view["pid"], view["error"]) for view in slots.values()]
            assert time.monotonic() < deadline, (runs, facts, self.hal0.log.read_text())
            time.sleep(0.05)


@pytest.mark.parametrize("keep", [True, False])
def test_nothing_is_lost_and_nothing_is_left(tmp_path: Path, keep: bool) -> None:
    seed = random.randrange(10**6)
    print("seed", seed)
    hal0 = Installation(tmp_path, config(keep=keep))
    storm = Storm(hal0, seed)
    try:
        hal0.start()
        for _ in range(KILLS):
            storm.disturb_and_kill()
            ready = storm.ready_ones()
            assert keep or not ready
            if not keep:
                hal0.wait_until_nothing_is_left()
            hal0.start()
            slots = storm.settled()
            for name, pid in ready.items():
                assert slots[name]["pid"] == pid
                storm.kept += 1
                body = {"model": name, "messages": [{"role": "user", "content": "Hello!"}]}
                assert httpx.post(f"{hal0.url}/v1/chat/completions", json=body, timeout=10).status_code == 200
        for name in SLOTS:
            hal0.admin("POST", f"/api/slots/{name}/unload", {})
        for name in SLOTS:
            hal0.wait_for_slot(name, "offline")
        assert hal0.backends() == []
        assert (storm.kept > 0) == keep
        assert hal0.stop() == 0
        assert hal0.left() == []
        first, last = port_range()
        ports = Ports(port_range)
        assert [port for port in range(first, last + 1) if not ports.is_free(port)] == []
        assert os.listdir(tmp_path / "state" / "slots") == [] if keep else True
    finally:
        hal0.stop(signal.SIGKILL)
        hal0.end_backends()
