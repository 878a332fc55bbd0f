"""Two slots that are asked all the time, and memory for one. Run by hand: `python -m tests.bench.turns [SECONDS]`.

A real daemon with the starter model in both; each has CLIENTS that ask again as soon as they are answered. Told is what
each of the slots' clients got: answers, failures, the longest wait, and how often the model was loaded.
"""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

PORT = 29_810
SECONDS = 60.0
CLIENTS = 2  # of each slot
SLOTS = ("left", "right")
CONFIG = "[daemon]\nmemory_limit = '1500MiB'\n" + "".join(
    f"[slots.{name}]\nmodel = 'hal0-starter'\nmemory = '1GiB'\n" for name in SLOTS
)


@dataclass
class Told:
    """What the clients of one slot were told; `waits` in seconds until the end of the answer."""

    waits: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "hal0.toml").write_text(CONFIG)
        env = {
            **os.environ,
            "HAL0_PORT": str(PORT),
            "HAL0_HOST": "127.0.0.1",
            "HAL0_STATE_DIR": f"{folder}/state",
            "HAL0_RUNTIME_DIR": f"{folder}/run",
            "HAL0_CONFIG": f"{folder}/hal0.toml",
        }
        with (folder / "log").open("wb") as log:
            daemon = subprocess.Popen([sys.executable, "-m", "hal0.daemon.main"], env=env, stdout=log, stderr=log)
        try:
            wait_until_up()
            told = ask_all(seconds)
            loads = {slot: loads_of(slot, folder / "state") for slot in SLOTS}
        finally:
            daemon.terminate()
            daemon.wait()
    for slot, figures in told.items():
        waits = sorted(figures.waits) or [float("nan")]
        print(
            f"{slot:6} {len(figures.waits):6} answered, {loads[slot]:3} loads, "
            f"wait p50 {waits[len(waits) // 2]:.2f} s, longest {waits[-1]:.2f} s, "
            f"failures: {dict(figures.failures) or 'none'}"
        )


def ask_all(seconds: float) -> dict[str, Told]:
    """The clients begin none after so many seconds, and wait for their last answer."""
    told = {slot: Told() for slot in SLOTS}
    end = time.monotonic() + seconds
    clients = [threading.Thread(target=ask_on, args=(slot, told[slot], end)) for slot in SLOTS for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    return told


def ask_on(slot: str, told: Told, end: float) -> None:
    body = json.dumps({"model": slot, "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 8})
    while (began := time.monotonic()) < end:
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=300)
        try:
            connection.request("POST", "/v1/chat/completions", body, {"content-type": "application/json"})
            answer = connection.getresponse()
            data = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            told.failures[type(error).__name__] += 1
            continue
        finally:
            connection.close()
        if answer.status == 200:
            told.waits.append(time.monotonic() - began)
        else:
            told.failures[str(data["error"]["code"])] += 1


def loads_of(slot: str, state: Path) -> int:
    """How often its backend became ready, from its ledger."""
    entries = map(json.loads, (state / "ledger" / f"{slot}.jsonl").read_text().splitlines())
    return len({entry["run"] for entry in entries if entry["state"] == "ready"})


def wait_until_up() -> None:
    """Until it answers; its slots are not loaded then."""
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
        try:
            connection.request("GET", "/health")
            connection.getresponse().read()
            return
        except ConnectionError:
            time.sleep(0.05)
        finally:
            connection.close()


if __name__ == "__main__":
    main()
