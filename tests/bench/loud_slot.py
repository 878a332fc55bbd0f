"""How a slot that prints without end weighs on everybody else: `python -m tests.bench.loud_slot [lines a second]`.

A whole daemon with one slot, whose program prints lines of 80 bytes, each by itself. Meanwhile a client asks for
/health over one connection, 5 ms after each answer; told is how long the answers take, without and with the lines.
"""

import http.client
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PORT = 29_811
SECONDS = 10.0  # of printing; it is looked at for somewhat less
LOOK_SECONDS = 8.0
PAUSE_SECONDS = 0.005
FAKES = Path(__file__).parents[1] / "fakes"
PYTHON = f"{sys.executable} -S"


def main() -> None:
    rate = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    for each in (0, rate):
        with daemon(lines=int(each * SECONDS), rate=each) as process:
            waits, printed, cpu = probe(process.pid)
        waits.sort()
        p50, p99 = (waits[int(len(waits) * share)] * 1000 for share in (0.5, 0.99))
        print(
            f"{printed / LOOK_SECONDS:8,.0f} lines/s: /health p50 {p50:.1f} ms, p99 {p99:.1f} ms, "
            f"longest {waits[-1] * 1000:.1f} ms, {cpu / LOOK_SECONDS:.0%} of a core"
        )


@contextmanager
def daemon(*, lines: int, rate: int) -> Iterator["subprocess.Popen[bytes]"]:
    serve = f"{PYTHON} {FAKES / 'any_server.py'} --listen ${{port}}"
    command = json.dumps(["sh", "-c", f"{serve} & exec {PYTHON} {FAKES / 'printer.py'} {lines} {max(1, rate)}"])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "hal0.toml").write_text(f'[slots.loud]\nprovider = "command"\ncommand = {command}\n')
        env = {
            **os.environ,
            "HAL0_PORT": str(PORT),
            "HAL0_HOST": "127.0.0.1",
            "HAL0_STATE_DIR": f"{folder}/state",
            "HAL0_RUNTIME_DIR": f"{folder}/run",
            "HAL0_CONFIG": f"{folder}/hal0.toml",
        }
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([sys.executable, "-m", "hal0.daemon.main"], env=env, stdout=log, stderr=log)
        try:
            wait_until_up()
            yield process
        finally:
            process.terminate()
            process.wait()


def probe(pid: int) -> tuple[list[float], int, float]:
    """Start the slot; the seconds that each answer took while it printed, how many lines that were, and CPU seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=60)
    admin(connection, "POST", "/api/slots/loud/load")
    while admin(connection, "GET", "/api/slots/loud")["state"] != "ready":
        time.sleep(0.01)
    lines, cpu = count(connection), cpu_seconds(pid)
    waits: list[float] = []
    end = time.monotonic() + LOOK_SECONDS
    while time.monotonic() < end:
        time.sleep(PAUSE_SECONDS)
        asked = time.perf_counter()
        connection.request("GET", "/health")
        connection.getresponse().read()
        waits.append(time.perf_counter() - asked)
    lines, cpu = count(connection) - lines, cpu_seconds(pid) - cpu
    connection.close()
    return waits, lines, cpu


def count(connection: http.client.HTTPConnection) -> int:
    """Lines so far, by the number of the last."""
    lines = admin(connection, "GET", "/api/slots/loud/logs?lines=20")["lines"]
    numbers = [int(line.rpartition("= ")[2]) for line in lines if "progress, n = " in line]
    return numbers[-1] if numbers else 0


def admin(connection: http.client.HTTPConnection, method: str, path: str) -> dict[str, Any]:
    connection.request(method, path, "{}" if method == "POST" else None, {"content-type": "application/json"})
    found: dict[str, Any] = json.loads(connection.getresponse().read())
    return found


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_until_up() -> None:
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=30)
            connection.request("GET", "/health")
            connection.getresponse().read()
            connection.close()
            return
        except ConnectionError:
            time.sleep(0.05)


if __name__ == "__main__":
    main()
