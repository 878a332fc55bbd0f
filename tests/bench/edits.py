"""From the last write of hal0.toml to its being live in a whole daemon: `python -m tests.bench.edits`. By hand.

Part of that is meant: until nothing was written for 50 ms the files are not read.
"""

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hal0.daemon.config.watch import SETTLE_MS

EDITS = 40
CONFIG = """\
[daemon]
ports = [29810, 29899]
[slots.primary]
model = "hal0-starter"
[slots.embed]
model = "all-minilm-l6-v2"
idle_after = {seconds}
"""


def in_place(path: Path, text: str) -> None:
    path.write_text(text)


def renamed(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.write_text(text)
    new.replace(path)


def as_vim(path: Path, text: str) -> None:
    path.rename(path.with_suffix(".toml~"))
    path.write_text(text)


def in_two_halves(path: Path, text: str) -> None:
    with path.open("w") as file:
        file.write(text[: len(text) // 2])
        file.flush()
        time.sleep(0.03)
        file.write(text[len(text) // 2 :])


WAYS = (in_place, renamed, as_vim, in_two_halves)


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config = folder / "hal0.toml"
        config.write_text(CONFIG.format(seconds=10))
        env = {
            **os.environ,
            "HAL0_PORT": "0",
            "HAL0_HOST": "127.0.0.1",
            "HAL0_STATE_DIR": f"{folder}/state",
            "HAL0_RUNTIME_DIR": f"{folder}/run",
            "HAL0_CONFIG": str(config),
        }
        daemon = subprocess.Popen([sys.executable, "-m", "hal0.daemon.main"], env=env, stderr=subprocess.DEVNULL)
        try:
            for way in WAYS:
                taken = measure(config, folder / "run" / "hal0.sock", way)
                p50, p95 = statistics.median(taken), statistics.quantiles(taken, n=20)[-1]
                print(f"{way.__name__:13} p50 {p50:4.0f} ms  p95 {p95:4.0f} ms  slowest {max(taken):4.0f} ms")
            print(f"of which settling {SETTLE_MS} ms; load {os.getloadavg()[0]:.1f}")
        finally:
            daemon.terminate()
            daemon.wait()


def measure(config: Path, admin: Path, way: Callable[[Path, str], None]) -> list[float]:
    """Milliseconds of each edit, by the daemon's own `applied_at`."""
    revision = until(admin, after=0)["revision"]
    taken = []
    for seconds in range(20, 20 + EDITS):
        time.sleep(0.2)  # the rest after the last one is over
        way(config, CONFIG.format(seconds=seconds + 100 * (1 + WAYS.index(way))))
        written = time.time()
        view = until(admin, after=revision)
        revision = view["revision"]
        taken.append((view["applied_at"] - written) * 1000)
    return taken


def until(admin: Path, *, after: int) -> dict[str, Any]:
    """The configuration, once its revision is a later one."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        view = ask(admin)
        if view is not None and view["revision"] > after:
            return view
        time.sleep(0.02)
    raise TimeoutError("the daemon does not take it over")


def ask(admin: Path) -> dict[str, Any] | None:
    with socket.socket(socket.AF_UNIX) as asked:
        try:
            asked.connect(str(admin))
        except OSError:
            return None
        asked.sendall(b"GET /api/config HTTP/1.1\r\nHost: hal0\r\nConnection: close\r\n\r\n")
        answer = b""
        while piece := asked.recv(65536):
            answer += piece
    found: dict[str, Any] = json.loads(answer.partition(b"\r\n\r\n")[2])
    return found


if __name__ == "__main__":
    main()
