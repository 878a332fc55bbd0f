"""Keys that the daemon reads only at its start are listed as waiting, and have their effect after a restart."""

import re
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx

from hal0.daemon.config.environment import WINNING
from tests.end_to_end.test_every_key import AT_THE_START, ELSEWHERE
from tests.fakes.installation import Installation
from tests.fakes.scripted import port_range

FIRST, LAST = port_range()
CONFIG = f"""\
[server]
host = "127.0.0.1"
port = {LAST}
header_limit = "64KiB"
request_timeout = 60
keep_alive = 75
[daemon]
ports = @PORTS@
state_dir = "one"
[slots.primary]
model = "hal0-starter"
"""
CHANGES = {
    "daemon.state_dir": "two",
    "server.host": "127.0.0.2",
    "server.port": LAST - 1,
    "server.header_limit": 4096,
    "server.request_timeout": 0.3,
    "server.keep_alive": 0.3,
}
SILENCE_SECONDS = 1.5  # of a connection that the limits in force do not end


class Own(Installation):
    """Without the variables that would win over the file."""

    @property
    def env(self) -> dict[str, str]:
        return {name: value for name, value in super().env.items() if name not in WINNING.values()}


def connected(hal0: Installation) -> socket.socket:
    url = httpx.URL(hal0.url)
    return socket.create_connection((url.host, url.port or 0))


def heard(client: socket.socket) -> str:
    """The next that comes: a status, the end, or nothing for a while."""
    client.settimeout(SILENCE_SECONDS)
    try:
        data = client.recv(65536).decode()
    except TimeoutError:
        return "silence"
    found = re.match(r"HTTP/1.1 (\d+)", data)
    return found[1] if found else data or "the end"


def state_dir(hal0: Installation) -> str:
    """The folder whose lock has the daemon's pid in it."""
    assert hal0.process is not None
    locks = hal0.folder.glob("*/hal0d.lock")
    return ", ".join(lock.parent.name for lock in locks if lock.read_text().strip() == f"{hal0.process.pid}")


def host(hal0: Installation) -> str:
    return httpx.URL(hal0.url).host


def port(hal0: Installation) -> str:
    return str(httpx.URL(hal0.url).port)


def header_limit(hal0: Installation) -> str:
    return str(httpx.get(f"{hal0.url}/v1/models", headers={"x-long": "x" * 6000}).status_code)


def request_timeout(hal0: Installation) -> str:
    with closing(connected(hal0)) as client:
        client.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n")
        return heard(client)


def keep_alive(hal0: Installation) -> str:
    with closing(connected(hal0)) as client:
        client.sendall(b"HEAD /v1/models HTTP/1.1\r\nHost: x\r\n\r\n")
        assert heard(client) == "200"
        return heard(client)


LOOKS: dict[str, tuple[Callable[[Installation], str], str, str]] = {
    "daemon.state_dir": (state_dir, "one", "two"),
    "server.host": (host, "127.0.0.1", "127.0.0.2"),
    "server.port": (port, f"{LAST}", f"{LAST - 1}"),
    "server.header_limit": (header_limit, "200", "431"),
    "server.request_timeout": (request_timeout, "silence", "408"),
    "server.keep_alive": (keep_alive, "silence", "the end"),
}


def test_each_is_listed_first_and_has_its_effect_after_a_restart(tmp_path: Path) -> None:
    assert set(LOOKS) == set(CHANGES) == {key for key, place in ELSEWHERE.items() if place == AT_THE_START}
    hal0 = Own(tmp_path, CONFIG)
    try:
        hal0.start()
        with hal0.client() as client:
            view = client.patch("/api/config", json={"set": CHANGES}).json()
        assert sorted(view["needs_restart"]) == sorted(CHANGES)
        assert {key: look(hal0) for key, (look, _, _) in LOOKS.items()} == {
            key: old for key, (_, old, _) in LOOKS.items()
        }
        hal0.stop()
        hal0.start()
        assert {key: look(hal0) for key, (look, _, _) in LOOKS.items()} == {
            key: new for key, (_, _, new) in LOOKS.items()
        }
        assert hal0.admin("GET", "/api/config")["needs_restart"] == []
    finally:
        hal0.stop()
