"""Measure the path of a request through hal0 against nginx, by hand: `python -m tests.bench.run [rounds]`.

Contenders take turns (A B A B …), so that whatever else the machine does falls on all of them. What counts is the ratio
of medians; docs/performance.md keeps those. Needs gcc, wrk, taskset and two cores; nginx if it is there.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from tests.bench.contenders import OTHERS_CORE, Contender, build, running

PLAIN = """
wrk.method = "POST"
wrk.body = '{"model":"bench","user":"fake-json","messages":[{"role":"user","content":"What is a reverse proxy for?"}]}'
wrk.headers["Content-Type"] = "application/json"
"""
PATH = "/v1/chat/completions"

Figures = dict[str, float]


def paced(contender: Contender, sse: Path, *, streams: int, tokens: int) -> Figures:
    """Streams of 50 tokens a second."""
    command = [sse, "-p", contender.port, "-k", streams, "-n", tokens, "-r", 50, "-R", 500, "-w", 700]
    begun, cpu = time.monotonic(), contender.cpu_seconds()
    told = json.loads(_on_others_core([str(word) for word in command]))
    elapsed, cpu = time.monotonic() - begun, contender.cpu_seconds() - cpu
    assert told["ok"] == streams, f"{contender.name}: streams lost or out of order: {told}"
    figures = {
        f"paced {streams}: chunks/s": told["cps"],
        f"paced {streams}: token p50 ms": told["lat"][0] / 1000,
        f"paced {streams}: token p99 ms": told["lat"][1] / 1000,
    }
    return {f"paced {streams}: CPU %": 100 * cpu / elapsed, **figures} if cpu else figures


def plain(contender: Contender, script: Path, *, connections: int, seconds: int) -> Figures:
    """Answers without a stream, as fast as they come."""
    cpu = contender.cpu_seconds()
    url = f"http://127.0.0.1:{contender.port}{PATH}"
    told = _on_others_core(["wrk", "-t1", f"-c{connections}", f"-d{seconds}", "--latency", "-s", str(script), url])
    cpu = contender.cpu_seconds() - cpu
    assert "Non-2xx" not in told, told
    requests = int(re.findall(r"(\d+) requests in", told)[0])
    median, unit = re.findall(r"50%\s+([\d.]+)(us|ms|s)", told)[0]
    micros = float(median) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]
    if connections == 1:
        return {"one connection: p50 µs": micros}
    return {f"{connections} connections: rps per core": requests / cpu} if cpu else {}


def _on_others_core(command: list[str]) -> str:
    return subprocess.run(["taskset", "-c", OTHERS_CORE, *command], check=True, capture_output=True, text=True).stdout


def main(rounds: int) -> None:
    seen: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory(prefix="hal0-bench-") as folder:
        backend, sse = build(Path(folder))
        script = Path(folder) / "plain.lua"
        script.write_text(PLAIN)
        with running(Path(folder), backend) as contenders:
            for contender in contenders:
                if contender.pid is not None:
                    seen["memory before: MB"][contender.name].append(contender.memory_mb())
            for number in range(rounds):
                for contender in contenders:
                    figures = plain(contender, script, connections=1, seconds=2)
                    figures |= plain(contender, script, connections=32, seconds=3)
                    figures |= paced(contender, sse, streams=100, tokens=200)
                    figures |= paced(contender, sse, streams=500, tokens=200)
                    for name, value in figures.items():
                        seen[name][contender.name].append(value)
                load = os.getloadavg()[0]
                print(f"round {number + 1} of {rounds} done; load {load:.1f} on {os.cpu_count()} cores", flush=True)
            for contender in contenders:
                if contender.pid is not None:
                    seen["memory after: MB"][contender.name].append(contender.memory_mb())
    _print_table(seen)


def _print_table(seen: dict[str, dict[str, list[float]]]) -> None:
    print(f"{'median of rounds':28} {'direct':>10} {'nginx':>10} {'hal0':>10} {'hal0/nginx':>11}   spread of hal0")
    for measure, by_contender in seen.items():
        medians = {name: statistics.median(values) for name, values in by_contender.items()}
        cells = [f"{medians[name]:10.1f}" if name in medians else " " * 10 for name in ("direct", "nginx", "hal0")]
        ratio = medians["hal0"] / medians["nginx"] if {"hal0", "nginx"} <= set(medians) else None
        spread = f"{min(by_contender['hal0']):.1f} to {max(by_contender['hal0']):.1f}"
        print(f"{measure:28} {' '.join(cells)} {f'{ratio:11.2f}' if ratio else ' ' * 11}   {spread}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
