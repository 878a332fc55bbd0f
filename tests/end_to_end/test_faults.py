"""Things are killed and clients leave: errors come in time and in the right place, nothing is left behind."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.installation import Installation, installed

CHAT = "/v1/chat/completions"
# The starter model would stop by itself after a sentence; this goes on to the end of its context.
ENDLESS = {
    "model": "primary",
    "messages": [{"role": "user", "content": "Tell me a story."}],
    "stream": True,
    "ignore_eos": True,
    "logit_bias": [],
}
HELLO = {"model": "primary", "messages": [{"role": "user", "content": "Hello!"}]}


async def stopped_midstream(hal0: Installation, client: httpx.AsyncClient) -> AsyncIterator[Any]:
    """Begin a stream, freeze the backend after the first text, and hand over the rest of the lines."""
    async with client.stream("POST", CHAT, json=ENDLESS) as answer:
        assert answer.status_code == 200
        lines = answer.aiter_lines()
        async for line in lines:
            if '"content":"' in line:
                break
        os.kill(hal0.slot("primary")["pid"], signal.SIGSTOP)
        yield lines


async def test_killing_the_backend_midstream_ends_the_stream_with_an_error_event(own: Installation) -> None:
    pid = own.slot("primary")["pid"]
    async with httpx.AsyncClient(base_url=own.url, timeout=30) as client:
        async for lines in stopped_midstream(own, client):
            began = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            rest = [line async for line in lines if line.startswith("data: ")]
            assert time.monotonic() - began < 10  # not by a limit on silence
            error = json.loads(rest[-1].removeprefix("data: "))["error"]
            assert error["code"] == "slot.crashed"
            assert "SIGKILL" in error["message"]
            assert "data: [DONE]" not in rest
    view = own.wait_for_slot("primary", "ready")
    assert view["pid"] != pid
    assert view["failures"] == 1
    state = own.admin("GET", "/api/state")
    assert [record["error"]["code"] for record in state["errors"]] == ["slot.crashed"]
    assert state["requests"][0]["outcome"] == "failed"


async def test_a_client_that_leaves_stops_the_backend(own: Installation) -> None:
    async with (
        httpx.AsyncClient(base_url=own.url, timeout=30) as client,
        client.stream("POST", CHAT, json=ENDLESS) as answer,
    ):
        async for line in answer.aiter_lines():
            if '"content":"' in line:
                break
    view = await until_finished(own)
    assert view["outcome"] == "cancelled"
    async with asyncio.timeout(1.0):
        while await is_computing(own):
            await asyncio.sleep(0.02)


async def is_computing(hal0: Installation) -> bool:
    """Ask the backend itself, as its log tells: the last task it took has not been released."""
    lines = hal0.admin("GET", "/api/slots/primary/logs?lines=200")["lines"]
    launched = [i for i, line in enumerate(lines) if "launch_slot_" in line or "processing task" in line]
    released = [i for i, line in enumerate(lines) if "release" in line or "stop processing" in line]
    return bool(launched) and (not released or released[-1] < launched[-1])


async def until_finished(hal0: Installation) -> Any:
    async with asyncio.timeout(2.0):
        while True:
            view = hal0.admin("GET", "/api/requests")["requests"][0]
            if view["phase"] == "finished":
                return view
            await asyncio.sleep(0.01)


async def test_a_person_cancels_a_stream(own: Installation) -> None:
    async with httpx.AsyncClient(base_url=own.url, timeout=30) as client:
        async for lines in stopped_midstream(own, client):
            (request,) = own.admin("GET", "/api/requests")["requests"]
            assert request["phase"] == "decoding"
            own.admin("DELETE", f"/api/requests/{request['id']}")
            rest = [line async for line in lines if line.startswith("data: ")]
            assert json.loads(rest[-1].removeprefix("data: "))["error"]["code"] == "dispatch.cancelled"
    os.kill(own.slot("primary")["pid"], signal.SIGCONT)


def test_nothing_survives_a_killed_daemon(tmp_path: Path) -> None:
    hal0 = Installation(tmp_path)
    hal0.start()
    hal0.wait_for_slot("primary", "ready")
    hal0.wait_for_slot("embed", "ready")
    assert len(hal0.backends()) == 2
    hal0.stop(signal.SIGKILL)
    hal0.wait_until_nothing_is_left()
    # What the dead one left does not keep a new one from starting.
    hal0.start()
    hal0.wait_for_slot("primary", "ready")
    assert hal0.stop() == 0
    assert hal0.left() == []


# Neither the shell nor what goes into a session of its own hears of the end of the other.
FAMILY = (
    "{python} -S {program} --listen ${{port}} & setsid sh -c 'sleep 600 & sleep 600 & wait' & "
    "{python} -S -c 'import os, time; os.fork() and os._exit(0); os.setsid(); time.sleep(600)' & wait"
)


def test_nothing_that_a_backend_started_survives_a_killed_daemon(tmp_path: Path) -> None:
    program = Path(__file__).parents[1] / "fakes" / "any_server.py"
    command = json.dumps(["sh", "-c", FAMILY.format(python=sys.executable, program=program)])
    hal0 = Installation(
        tmp_path, f'[daemon]\nports = @PORTS@\n[slots.primary]\nprovider = "command"\ncommand = {command}\n'
    )
    hal0.start()
    hal0.admin("POST", "/api/slots/primary/load", {})
    hal0.wait_for_slot("primary", "ready")
    assert len(hal0.backends()) == 6
    hal0.stop(signal.SIGKILL)
    hal0.wait_until_nothing_is_left()


async def test_sigterm_lets_streams_end(own: Installation) -> None:
    assert own.process is not None
    async with httpx.AsyncClient(base_url=own.url, timeout=30) as client:
        async for lines in stopped_midstream(own, client):
            own.process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(30):
                while not own.admin("GET", "/api/state")["draining"]:
                    await asyncio.sleep(0.01)
            refused = await client.post(CHAT, json=HELLO)
            assert (refused.status_code, refused.json()["error"]["code"]) == (503, "system.shutting_down")
            message = await client.post("/v1/messages", json={**HELLO, "max_tokens": 9})
            assert (message.status_code, message.json()["type"]) == (503, "error")
            assert message.json()["error"]["type"] == "overloaded_error"
            os.kill(own.slot("primary")["pid"], signal.SIGCONT)
            rest = [line async for line in lines if line.startswith("data: ")]
            assert rest[-1] == "data: [DONE]"
    assert own.stop() == 0


async def test_streams_that_outlast_the_drain_are_told(tmp_path: Path) -> None:
    config = "[daemon]\nports = @PORTS@\ndrain_timeout = 0.3\n"
    with installed(tmp_path, config) as hal0:
        hal0.wait_for_slot("primary", "ready")
        assert hal0.process is not None
        async with httpx.AsyncClient(base_url=hal0.url, timeout=30) as client:
            async for lines in stopped_midstream(hal0, client):
                hal0.process.send_signal(signal.SIGTERM)
                rest = [line async for line in lines if line.startswith("data: ")]
                assert json.loads(rest[-1].removeprefix("data: "))["error"]["code"] == "system.shutting_down"
        assert hal0.stop() == 0


def test_a_second_sigterm_ends_the_patience_with_backends(tmp_path: Path) -> None:
    program = Path(__file__).parents[1] / "fakes" / "any_server.py"
    deaf = f"trap '' TERM; exec {sys.executable} -S {program} --listen ${{port}}"
    config = '[daemon]\nports = @PORTS@\n[slots.primary]\nprovider = "command"\nstop_timeout = 600.0\n'
    hal0 = Installation(tmp_path, f"{config}command = {json.dumps(['sh', '-c', deaf])}\n")
    hal0.start()
    assert hal0.process is not None
    hal0.admin("POST", "/api/slots/primary/load", {})
    hal0.wait_for_slot("primary", "ready")
    hal0.process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + 20
    while b"stopping run" not in hal0.log.read_bytes():  # else the two signals may be taken for one
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert hal0.stop(signal.SIGTERM) == 0
    hal0.wait_until_nothing_is_left()


async def test_two_hundred_first_requests_start_one_process(own: Installation) -> None:
    own.admin("POST", "/api/slots/primary/unload", {})
    own.wait_for_slot("primary", "offline")
    run = own.slot("primary")["run"]
    limits = httpx.Limits(max_connections=200)
    async with httpx.AsyncClient(base_url=own.url, timeout=60, limits=limits) as client:
        answers = await asyncio.gather(*(client.post(CHAT, json=HELLO) for _ in range(200)))
    assert {answer.status_code for answer in answers} == {200}
    assert own.slot("primary")["run"] == run + 1


def test_a_second_daemon_is_refused(own: Installation) -> None:
    command = [sys.executable, "-m", "hal0.daemon.main"]
    second = subprocess.run(command, env=own.env, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 1
    assert second.stderr.startswith("error: system.already_running")
    assert own.admin("GET", "/api/state")["pid"] == own.process.pid  # type: ignore[union-attr]


def test_a_port_that_is_taken_is_named(own: Installation, tmp_path: Path) -> None:
    port = own.url.rpartition(":")[2]
    folder = tmp_path / "other"
    folder.mkdir()
    env = {**Installation(folder).env, "HAL0_PORT": port}
    command = [sys.executable, "-m", "hal0.daemon.main"]
    second = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 1
    assert f"system.address_in_use: cannot listen on 127.0.0.1:{port}" in second.stderr


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("[slots.primary]\nmodel = ", ":2:8: config.syntax: not valid TOML"),
        ("[server]\nprot = 1\n", ":2:1: config.unknown_key: unknown key"),
    ],
)
def test_a_bad_configuration_is_refused_at_the_start(tmp_path: Path, config: str, words: str) -> None:
    hal0 = Installation(tmp_path, config)
    command = [sys.executable, "-m", "hal0.daemon.main"]
    result = subprocess.run(command, env=hal0.env, capture_output=True, text=True, timeout=30, check=False)
    assert result.returncode == 1
    assert words in result.stderr
    assert "Traceback" not in result.stderr
