"""The estimate beside what the engine of the package really takes, for models of many shapes.

Measured is the peak of resident memory (VmHWM) up to the end of a full batch, less the pages of weights that the engine
copied into another order and needs no more in the file; it tells how many these are. Caches that fill with use are
looked at in a test of their own.
"""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from hal0.daemon.models.layout import read_layout
from hal0.daemon.models.memory import SlotNeeds, estimate
from hal0.daemon.models.peaks import Peak, refine
from hal0.daemon.providers.llama_load import load_of
from tests.fakes.gguf_shapes import SHAPES
from tests.fakes.gguf_weights import write_shape
from tests.fakes.programs import free_port

MIB = 2**20
START_SECONDS = 60.0
AGREED = 0.15

CASES = {
    "llama": ("llama", "--ctx-size 8192"),
    "llama, cache of 8 bits, four requests": ("llama", "--ctx-size 16384 --parallel 4 -ctk q8_0 -ctv q8_0"),
    "llama without flash attention": ("llama", "--ctx-size 1024 -fa off"),
    "llama, small batches": ("llama", "--ctx-size 4096 -b 128 -ub 128"),
    "qwen3, a large vocabulary": ("qwen3", "--ctx-size 4096"),
    "gemma3, windows": ("gemma3", "--ctx-size 16384"),
    "gemma3, two requests": ("gemma3", "--ctx-size 8192 --parallel 2"),
    "qwen3moe, weights copied": ("qwen3moe", "--ctx-size 4096"),
    "mamba, states": ("mamba", "--ctx-size 8192"),
    "lfm2, a hybrid": ("lfm2", "--ctx-size 8192"),
    "deepseek2, latent attention": ("deepseek2", "--ctx-size 8192"),
    "bert, an encoder": ("bert", "--ctx-size 1024 --embedding -b 1024 -ub 1024"),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """Bytes; `kv` and `compute` are what the engine says that it reserved."""

    need: int
    private: int
    kv: int
    compute: int


class Program:
    """A running engine."""

    def __init__(self, pid: int, port: int, log: Path) -> None:
        self._pid, self._port, self._log = pid, port, log

    def ask(self, path: str, **body: object) -> None:
        data = json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._port}{path}", data, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            answer.read()

    def measure(self) -> Measured:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{self._pid}/status").read_text().splitlines())
        peak, private = (int(status[key].split()[0]) * 1024 for key in ("VmHWM", "RssAnon"))
        return Measured(
            need=peak - self._told(r"CPU_REPACK model buffer size"),
            private=private,
            kv=self._told(r"llama_kv_cache: +CPU KV buffer size|CPU RS buffer size"),
            compute=self._told(r"CPU compute buffer size"),
        )

    def _told(self, what: str) -> int:
        """The sum of what the engine's log says of this, since it began to load in earnest."""
        text = self._log.read_text(errors="replace").rpartition("loading model tensors")[2]
        found = re.findall(rf"(?:{what}) *= *([\d.]+) MiB", text)
        return int(sum(float(each) for each in found) * MIB)


@contextmanager
def serving(model: Path, words: list[str], log: Path) -> Iterator[Program]:
    port = free_port()
    command = [sys.executable, "-P", "-m", "hal0.backends.llama", "--model", str(model), "--port", str(port)]
    command += ["--threads", "2", "--no-webui", "-lv", "5", *words]
    with log.open("wb") as file:
        env = {**os.environ, "OMP_WAIT_POLICY": "passive"}
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=env)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_healthy(port):
            assert process.poll() is None, log.read_text(errors="replace")[-2000:]
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield Program(process.pid, port, log)
    finally:
        process.kill()
        process.wait()


def is_healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def needs_of(model: Path, words: list[str]) -> SlotNeeds:
    return estimate(read_layout(model), load_of(words, device="cpu", is_builtin=True))


def apart(estimated: int, measured: int) -> float:
    return estimated / measured - 1


@pytest.mark.parametrize("case", CASES)
def test_the_estimate_is_near_what_a_run_takes(case: str, tmp_path: Path) -> None:
    shape, options = CASES[case]
    words = options.split()
    model = write_shape(tmp_path / f"{shape}.gguf", SHAPES[shape]())
    with serving(model, words, tmp_path / "log") as program:
        if "--embedding" in words:
            program.ask("/v1/embeddings", input="a b c d " * 250)
        else:
            # More than a batch, for its buffers; without flash attention the whole context, as they grow with it.
            program.ask("/v1/completions", prompt="ab" * (480 if "-fa" in words else 320), max_tokens=2, temperature=0)
        measured = program.measure()
    needs = needs_of(model, words)
    estimated = needs.ram.total_bytes - needs.ram.cache_bytes
    share = apart(estimated, measured.need)
    print(f"{case}: estimate {estimated / MIB:.0f} MiB, measured {measured.need / MIB:.0f} MiB, {share:+.1%}")
    assert abs(share) <= needs.ram.uncertainty
    assert needs.ram.uncertainty <= AGREED
    learned = refine(needs, Peak(measured.private)).ram
    assert learned.source == "measured"
    assert learned.total_bytes >= measured.need * (1 - learned.uncertainty)
    assert learned.total_bytes <= max(needs.ram.total_bytes, measured.need * (1 + learned.uncertainty))
    assert needs.ram.kv_bytes == pytest.approx(measured.kv, rel=0.01, abs=MIB)
    outputs = 1024 * (30_522 + 768) * 4 if "--embedding" in words else 0
    assert needs.ram.compute_bytes - outputs == pytest.approx(measured.compute, rel=0.05, abs=MIB)


def test_kept_states_stay_within_what_was_counted_for_them(tmp_path: Path) -> None:
    words = ["--ctx-size", "8192", "--cache-ram", "64"]
    model = write_shape(tmp_path / "gemma3.gguf", SHAPES["gemma3"]())
    with serving(model, words, tmp_path / "log") as program:
        for turn in range(24):  # a talk that goes on: two states are kept of each turn
            program.ask("/v1/completions", prompt="ab" * (150 + 20 * turn), max_tokens=2, temperature=0)
        measured = program.measure()
    needs = needs_of(model, words).ram
    assert measured.need > needs.total_bytes - needs.cache_bytes + 80 * MIB  # without them it would be far off
    assert measured.need <= needs.total_bytes
