"""Who is measured: the whole hal0 daemon with a dashboard attached, nginx as a bare proxy, and no proxy at all.

All stand before the same fake backend. Backend, clients and dashboard run on one core, the proxy alone on the other.
"""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
OTHERS_CORE, PROXY_CORE = "0", "1"
NGINX = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")

NGINX_CONFIG = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream backend {{ server 127.0.0.1:{backend}; keepalive 128; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
      proxy_read_timeout 300s;
    }}
  }}
}}
"""

HAL0_CONFIG = """
[server]
host = "127.0.0.1"
port = {port}
{server}
[daemon]
ports = [{backend}, {backend}]
[slots.primary]
model = "hal0-starter"
kind = "chat"
binary = "{binary}"
aliases = ["bench"]
max_in_flight = 10000
autostart = true
[slots.embed]
model = "all-minilm-l6-v2"
"""


@dataclass(frozen=True)
class Contender:
    name: str
    port: int
    pid: int | None = None  # of the process that is measured

    def cpu_seconds(self) -> float:
        """CPU time spent so far."""
        if self.pid is None:
            return 0.0
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND

    def memory_mb(self) -> float:
        if self.pid is None:
            return 0.0
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def build(folder: Path) -> tuple[Path, Path]:
    """Compile the backend and the streaming client."""
    for name in ("backend", "sse"):
        subprocess.run(["gcc", "-O2", "-w", "-o", folder / name, HERE / f"{name}.c", "-lm"], check=True)
    return folder / "backend", folder / "sse"


@contextmanager
def running(folder: Path, backend: Path) -> Iterator[list[Contender]]:
    """Start everything; hal0 starts a backend of its own, as it would any slot's."""
    with ExitStack() as stack:
        shared = free_port()
        stack.enter_context(process(["taskset", "-c", OTHERS_CORE, str(backend), str(shared)], shared))
        contenders = [Contender("direct", shared)]
        if NGINX:
            contenders.append(stack.enter_context(nginx(folder, shared)))
        contenders.append(stack.enter_context(hal0(folder, backend)))
        yield contenders


@contextmanager
def nginx(folder: Path, backend: int) -> Iterator[Contender]:
    port, config = free_port(), folder / "nginx.conf"
    config.write_text(NGINX_CONFIG.format(folder=folder, backend=backend, port=port))
    command = ["taskset", "-c", PROXY_CORE, str(NGINX), "-p", str(folder), "-c", str(config)]
    with process(command, port) as master:
        (worker,) = children(master.pid)
        yield Contender("nginx", port, worker)


@contextmanager
def hal0(folder: Path, backend: Path, *, server: str = "", checkout: Path | None = None) -> Iterator[Contender]:
    """The daemon as a user runs it, `server` being further lines of [server], and a reader of its events.

    `checkout`: the folder of another hal0 than the one that is installed.
    """
    port, slot_port = free_port(), free_port()
    binary = folder / "llama-server"
    binary.write_text(
        f'#!/bin/sh\nwhile [ "$1" != --port ]; do shift; done\nexec taskset -c {OTHERS_CORE} {backend} "$2"\n'
    )
    binary.chmod(0o755)
    config = folder / "hal0.toml"
    config.write_text(HAL0_CONFIG.format(port=port, backend=slot_port, binary=binary, server=server))
    env = {name: value for name, value in os.environ.items() if not name.startswith("HAL0_")}
    env |= {"HAL0_CONFIG": str(config), "HAL0_STATE_DIR": str(folder), "HAL0_RUNTIME_DIR": str(folder)}
    if checkout is not None:
        env["PYTHONPATH"] = str(checkout)
    # By its name it would be looked for in the present folder first.
    program = "import sys; from hal0.daemon.main import main; sys.exit(main([]))"
    command = ["taskset", "-c", PROXY_CORE, sys.executable, "-P", "-c", program]
    events = ["taskset", "-c", OTHERS_CORE, "curl", "-sN", "--unix-socket", str(folder / "hal0.sock")]
    with process(command, port, env=env, log=folder / "hal0d.log") as daemon:
        wait_for_port(slot_port)
        with process([*events, "http://hal0/api/events"]):
            time.sleep(1)
            yield Contender("hal0", port, daemon.pid)


@contextmanager
def process(
    command: list[str], port: int | None = None, *, env: dict[str, str] | None = None, log: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program until the block ends; with a port, wait until it listens there."""
    with open(log or os.devnull, "wb") as output:
        started = subprocess.Popen(command, env=env, stdout=output, stderr=output)
    try:
        if port is not None:
            wait_for_port(port)
        yield started
    finally:
        started.send_signal(signal.SIGTERM)
        started.wait(30)


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_for_port(port: int, *, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline, f"nobody listens on {port}"
        time.sleep(0.02)


def children(pid: int) -> list[int]:
    deadline = time.monotonic() + 5
    while not (found := Path(f"/proc/{pid}/task/{pid}/children").read_text().split()):
        assert time.monotonic() < deadline, f"{pid} has no worker"
        time.sleep(0.02)
    return [int(child) for child in found]
