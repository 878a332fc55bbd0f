"""Commands run as a person runs them: as programs, in a pipe or on a terminal of their own."""

import os
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.admin import FakeAdmin, fake_admin

LIMIT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command left behind."""

    status: int
    out: str
    err: str


class Terminal:
    """A command on a pseudo-terminal; what it prints is collected in `screen`."""

    def __init__(self, words: tuple[str, ...], env: Mapping[str, str]) -> None:
        self.screen = ""
        self._fd, inner = os.openpty()
        termios.tcsetwinsize(inner, (36, 120))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hal0.cli", *words], stdin=inner, stdout=inner, stderr=inner, env=env,
            start_new_session=True,
        )  # fmt: skip
        os.close(inner)

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def wait_for(self, text: str, *, seconds: float = LIMIT_SECONDS) -> None:
        """Read until `text` is on the screen."""
        deadline = time.monotonic() + seconds
        while text not in self.screen:
            assert self._read(deadline - time.monotonic()), f"no {text!r} in {self.screen!r}"

    def wait(self) -> int:
        """Read until the command has ended; its exit status, negative for a signal."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while self._read(deadline - time.monotonic()):
            pass
        return self.process.wait(LIMIT_SECONDS)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._fd)

    def _read(self, seconds: float) -> bool:
        """Whether there was something to read; False at the end."""
        if not select.select([self._fd], [], [], max(0.0, seconds))[0]:
            raise TimeoutError(f"silent after {self.screen!r}")
        try:
            data = os.read(self._fd, 65536)
        except OSError:  # how Linux tells that nobody holds the other side any more
            return False
        self.screen += data.decode(errors="replace")
        return bool(data)


Run = Callable[..., Ended]
OpenTerminal = Callable[..., Terminal]


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An environment in which nothing but this test's daemon can be found."""
    inherited = {
        name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "COVERAGE_PROCESS_START") if name in os.environ
    }
    return {
        **inherited,
        "HOME": str(tmp_path / "home"),
        "HAL0_RUNTIME_DIR": str(tmp_path / "run"),
        "HAL0_STATE_DIR": str(tmp_path / "state"),
        "PYTHONUTF8": "1",
        "TERM": "xterm-256color",
        "COLUMNS": "120",
    }


@pytest.fixture
def hal0(env: dict[str, str]) -> Run:
    """Run `hal0 …` to its end, with pipes."""

    def run(*words: str, stdin: str = "", **more: str) -> Ended:
        ended = subprocess.run(
            [sys.executable, "-m", "hal0.cli", *words],
            input=stdin,
            capture_output=True,
            text=True,
            env={**env, **more},
            timeout=LIMIT_SECONDS,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    return run


@pytest.fixture
def terminal(env: dict[str, str]) -> Iterator[OpenTerminal]:
    """Run `hal0 …` on a terminal."""
    opened: list[Terminal] = []

    def run(*words: str, **more: str) -> Terminal:
        opened.append(Terminal(words, {**env, **more}))
        return opened[-1]

    yield run
    for each in opened:
        each.close()


@pytest.fixture
def admin(tmp_path: Path) -> Iterator[FakeAdmin]:
    with fake_admin(tmp_path / "run") as fake:
        yield fake
