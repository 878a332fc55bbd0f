"""What a llama-server can compute on, in its own words: `llama-server --list-devices`.

It is asked once for each state of the program and its environment, in a process that the kernel ends with the daemon.
"""

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import hal0

ASKED_SECONDS = 10.0  # drivers of several large cards take some to begin
AGAIN_SECONDS = 60.0  # until it is asked anew if it named nothing: its driver may have been in trouble
MOST = 64
BOUND_EXEC = Path(hal0.__file__).parent / "backends" / "bound_exec.py"

HEAD = "Available devices:"
# "  CUDA0: NVIDIA GeForce RTX 4090 (24080 MiB, 23000 MiB free)"; names may have brackets of their own.
LINE = re.compile(r"\s+(?P<name>[A-Za-z]+\d+): (?P<what>.+?)(?: \(\d+ MiB(?:, \d+ MiB free)?\))?\s*")

Run = Callable[[str, Mapping[str, str]], str | None]


@dataclass(frozen=True, slots=True)
class Listed:
    """One device as a llama-server names it."""

    name: str  # "CUDA0", as `--device` takes it
    what: str  # the name of the card

    @property
    def api(self) -> str:
        """ "CUDA" of "CUDA0"."""
        return self.name.rstrip("0123456789")


def ask(program: str, env: Mapping[str, str]) -> str | None:
    """What it prints; None if it fails or takes too long. Blocks."""
    words = [sys.executable, "-I", "-S", str(BOUND_EXEC), str(os.getpid()), program, "--list-devices"]
    try:
        answer = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=dict(env),
            timeout=ASKED_SECONDS,
            check=True,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return answer.stdout.decode(errors="replace")


def read_list(text: str) -> tuple[Listed, ...] | None:
    """The devices of a list; None if it is none."""
    _, head, body = text.partition(HEAD)
    if not head:
        return None
    found = (LINE.fullmatch(line) for line in body.splitlines())
    return tuple(Listed(each["name"], each["what"]) for each in found if each is not None)


class ListedDevices:
    """Remembers the answers; from any thread."""

    def __init__(
        self, environ: Mapping[str, str] = os.environ, *, run: Run = ask, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`environ` is what every backend gets."""
        self._environ = environ
        self._run = run
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[object, tuple[float, tuple[Listed, ...] | None]] = {}  # until when it counts, and the answer

    def of(self, program: str, env: Mapping[str, str]) -> tuple[Listed, ...] | None:
        """The devices of a program started with `env` as well; empty: the processor alone; None: it does not tell."""
        try:
            status = os.stat(program)
        except OSError:
            return None
        key = (program, status.st_size, status.st_mtime_ns, tuple(sorted(env.items())))
        with self._lock:
            until, listed = self._known.get(key, (0.0, None))
            if self._clock() < until:
                return listed
            text = self._run(program, {**self._environ, **env})
            listed = None if text is None else read_list(text)
            while len(self._known) >= MOST:
                del self._known[next(iter(self._known))]
            self._known[key] = (float("inf") if listed else self._clock() + AGAIN_SECONDS), listed
            return listed
