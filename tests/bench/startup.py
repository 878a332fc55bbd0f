"""From the start of hal0d to its first answer, and what it then weighs. Run by hand: `python -m tests.bench.startup`.

Each figure is the median of ROUNDS starts of the embedded default, beside the time an empty interpreter takes to start:
on a shared machine the ratio travels better than the milliseconds.
"""

import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROUNDS = 5
PORT = 29_800
IDLE_SECONDS = 3.0
CHAT = json.dumps({"model": "primary", "messages": [{"role": "user", "content": "Hello!"}], "stream": True})


def main() -> None:
    rounds = [measure() for _ in range(ROUNDS)]
    for name in rounds[0]:
        values = [figures[name] for figures in rounds]
        print(f"{name:34} {statistics.median(values):9.1f}   ({min(values):.1f} - {max(values):.1f})")


def measure() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        env = {
            **os.environ,
            "HAL0_PORT": str(PORT),
            "HAL0_HOST": "127.0.0.1",
            "HAL0_STATE_DIR": f"{folder}/state",
            "HAL0_RUNTIME_DIR": f"{folder}/run",
            "HAL0_CONFIG": "",
        }
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", ""], check=True)
        empty = time.monotonic() - began
        began = time.monotonic()
        with Path(f"{folder}/log").open("wb") as log:
            daemon = subprocess.Popen([sys.executable, "-m", "hal0.daemon.main"], env=env, stdout=log, stderr=log)
        try:
            ask_until_answered("GET", "/health", None)
            health = time.monotonic() - began
            ask_until_answered("POST", "/v1/chat/completions", CHAT)
            token = time.monotonic() - began
            time.sleep(IDLE_SECONDS)
            idle = resident_mb(daemon.pid)
        finally:
            daemon.terminate()
            daemon.wait()
    return {
        "empty interpreter, ms": empty * 1000,
        "first /health, ms": health * 1000,
        "first chat token, ms": token * 1000,
        "daemon idle, resident MB": idle,
    }


def ask_until_answered(method: str, path: str, body: str | None) -> None:
    """Ask again and again until there is a first byte of a 200's body."""
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
        try:
            connection.request(method, path, body, {"content-type": "application/json"})
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            answer.read(1)
            return
        except ConnectionError:
            time.sleep(0.005)
        finally:
            connection.close()


def resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
