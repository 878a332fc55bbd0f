"""A whole hal0 in folders of its own: the real daemon as a process, on ports that nobody else uses."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from hal0.marks import end_all, is_marked, marked
from tests.fakes.scripted import port_range

START_SECONDS = 30.0


class Installation:
    """Folders, environment and, once started, the daemon."""

    def __init__(self, folder: Path, config: str | None = None) -> None:
        self.folder = folder
        self.config = folder / "hal0.toml"
        self.log = folder / "hal0d.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.url = ""
        first, last = port_range()
        text = f"[daemon]\nports = [{first}, {last}]\n" if config is None else config
        self.config.write_text(text.replace("@PORTS@", f"[{first}, {last}]"))

    @property
    def env(self) -> dict[str, str]:
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith("HAL0_")},
            "HAL0_CONFIG": str(self.config),
            "HAL0_HOST": "127.0.0.1",
            "HAL0_PORT": "0",
            "HAL0_STATE_DIR": str(self.folder / "state"),
            "HAL0_RUNTIME_DIR": str(self.folder / "run"),
            "NO_COLOR": "1",
        }

    @property
    def socket(self) -> Path:
        return self.folder / "run" / "hal0.sock"

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hal0.daemon.main"], env=self.env, stdout=log, stderr=log
            )
        self.url = self.wait_for_state()["listen"][0]

    def wait_for_state(self) -> dict[str, Any]:
        deadline = time.monotonic() + START_SECONDS
        while (state := self._state()) is None:
            assert self.process is not None
            assert self.process.poll() is None, f"hal0d ended:\n{self.log.read_text()}"
            assert time.monotonic() < deadline, f"hal0d did not answer:\n{self.log.read_text()}"
            time.sleep(0.02)
        return state

    def _state(self) -> dict[str, Any] | None:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(self.socket)) != 0:
                return None
        try:
            state: dict[str, Any] = self.admin("GET", "/api/state")
        except httpx.TransportError:  # a child of a killed daemon had its socket until it became another program
            return None
        return state

    def client(self) -> httpx.Client:
        """The admin API over the Unix socket."""
        transport = httpx.HTTPTransport(uds=str(self.socket), verify=False)  # else certificates are read, for 25 ms
        return httpx.Client(transport=transport, base_url="http://hal0", timeout=30)

    def admin(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        with self.client() as client:
            answer = client.request(method, path, json=body if method == "POST" else None)
            return answer.json()

    def slot(self, name: str) -> dict[str, Any]:
        view: dict[str, Any] = self.admin("GET", f"/api/slots/{name}")
        return view

    def wait_for_slot(self, name: str, *states: str, seconds: float = START_SECONDS) -> dict[str, Any]:
        """Follow the events until the slot is in one of the states."""
        deadline = time.monotonic() + seconds
        while (view := self.slot(name))["state"] not in states:
            assert time.monotonic() < deadline, f"{name} is {view['state']}, not {states}: {view['error']}"
            time.sleep(0.02)
        return view

    def backends(self) -> list[int]:
        """The pids of every process that a backend of this installation is or has started."""
        return list(marked(f"HAL0_BACKEND={self.folder / 'state'}"))

    def left(self) -> list[int]:
        """The pids of everything else than the daemon: backends, warden."""
        own = self.process.pid if self.process else None
        return [pid for pid in marked(f"HAL0_STATE_DIR={self.folder / 'state'}") if pid != own]

    def wait_until_nothing_is_left(self, seconds: float = 10.0) -> None:
        deadline = time.monotonic() + seconds
        while left := self.left():
            assert time.monotonic() < deadline, f"outlived the daemon: {left}"
            time.sleep(0.02)

    def end_backends(self) -> None:
        """End those that were kept."""
        mark = f"HAL0_BACKEND={self.folder / 'state'}"
        assert end_all(lambda pid: is_marked(pid, mark), patience_seconds=0.0, limit_seconds=10.0) == []

    def stop(self, number: int = signal.SIGTERM, *, seconds: float = 20.0) -> int:
        """End the daemon; its exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(seconds)


@contextmanager
def installed(folder: Path, config: str | None = None) -> Iterator[Installation]:
    """A running installation, ended at the end; nothing of it may be left."""
    folder.mkdir(parents=True, exist_ok=True)
    installation = Installation(folder, config)
    try:
        installation.start()
        yield installation
    finally:
        installation.stop()
        assert installation.left() == []


def events_of(text: str) -> list[dict[str, Any]]:
    """The JSON payloads of a stream of server-sent events, without `[DONE]`."""
    lines = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line) for line in lines if line != "[DONE]"]
