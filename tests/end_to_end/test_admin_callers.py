"""Who the admin API answers: on the port the daemon's user and root, each as a real process of its own."""

import os
import subprocess
import sys
from typing import Any

import httpx
import pytest

from hal0.daemon.config.schema import EMBEDDED_SLOTS
from tests.fakes.installation import Installation

NOBODY = 65534
ASK = """
import encodings.idna, os, socket, sys  # all of it now: the other user may not read where Python lies
user, port, method, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
os.setgroups([]); os.setgid(user); os.setuid(user)
body = b'{"binary": "/tmp/evil.sh", "model": "hal0-starter"}'
head = f"{method} {path} HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Type: application/json\\r\\nConnection: close\\r\\n"
with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
    connection.sendall(head.encode() + b"Content-Length: %d\\r\\n\\r\\n" % len(body) + body)
    while data := connection.recv(65536):
        sys.stdout.buffer.write(data)
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def ask_as(user: int, hal0: Installation, method: str, path: str) -> str:
    port = hal0.url.rpartition(":")[2]
    command = [sys.executable, "-c", ASK, str(user), port, method, path]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout


@as_root
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/api/slots/evil"),
        ("PUT", "/api/config"),
        ("POST", "/api/config/rollback"),
        ("POST", "/api/slots/primary/unload"),
        ("GET", "/api/state"),
        ("GET", "/api/requests"),
        ("GET", "/api/events"),
    ],
)
def test_another_user_of_the_machine_is_refused_on_the_port(hal0: Installation, method: str, path: str) -> None:
    before = hal0.config.read_text()
    answer = ask_as(NOBODY, hal0, method, path)
    assert answer.startswith("HTTP/1.1 403 ")
    assert "system.forbidden" in answer
    assert f"user {NOBODY}" in answer
    assert hal0.config.read_text() == before
    assert {slot["name"] for slot in hal0.admin("GET", "/api/slots")["slots"]} == set(EMBEDDED_SLOTS)


@as_root
def test_another_user_may_use_the_models(hal0: Installation) -> None:
    assert ask_as(NOBODY, hal0, "GET", "/v1/models").startswith("HTTP/1.1 200 ")


@as_root
def test_the_daemons_user_is_answered_on_the_port(hal0: Installation) -> None:
    assert ask_as(0, hal0, "GET", "/api/state").startswith("HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "header", ["Forwarded", "X-Forwarded-For", "x-forwarded-proto", "X-Forwarded-Anything", "X-Real-IP", "Via"]
)
def test_what_came_through_a_proxy_is_refused(hal0: Installation, header: str) -> None:
    answer: Any = httpx.get(f"{hal0.url}/api/state", headers={header: "192.0.2.7"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "system.forbidden")
    assert header.lower() in answer.json()["error"]["message"].lower()
