"""No key is dead: each is changed in a running daemon, and what it is for is seen to change.

A key is a function here, named in `LOOKS`; or it is proven elsewhere, and `ELSEWHERE` names where. A key in neither
fails the first test.
"""

import ast
import json
import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from hal0.daemon.config.expectation import Shape, shape_of_field
from hal0.daemon.config.file import judge
from hal0.daemon.config.schema import Model, Price, Remote, Settings, Slot
from hal0.daemon.config.snapshot import keys_awaiting_restart
from hal0.models import CARDS
from tests.end_to_end.test_model_pull import ollama
from tests.fakes.gguf_projector import write_projector
from tests.fakes.installation import Installation, installed
from tests.fakes.model_server import ModelServer
from tests.fakes.scripted import port_range
from tests.fakes.tls import pair

ROOT = Path(__file__).resolve().parent.parent
FAKE_SERVER = ROOT / "fakes" / "llama_server.py"
ANY_SERVER = ROOT / "fakes" / "any_server.py"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
STARTER = "hal0-starter"
STARTER_WIDTH = 192  # of its embeddings
# A PNG of one red pixel.
RED_DOT = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC"
)
LONG = {
    "messages": [{"role": "user", "content": "Tell me."}],
    "stream": True,
    "ignore_eos": True,
    "max_tokens": 200_000,
}
HELLO = {"messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 4}

AT_THE_START = "end_to_end/test_keys_read_at_start.py::test_each_is_listed_first_and_has_its_effect_after_a_restart"
OF_A_REMOTE = "end_to_end/test_every_key_of_a_remote.py::test_a_changed_key_has_its_effect_at_once"
OF_TLS = "end_to_end/test_tls.py::test_tls_cert_and_tls_key_wait_for_a_restart_and_a_bad_pair_is_refused_at_once"
OF_SPEECH = "end_to_end/test_speech.py::test_a_slots_own_voices_voice_and_format_are_what_it_speaks_with"
# Key: the test that sees its effect.
ELSEWHERE = {
    "models.connections": "daemon/pulls/test_pulls.py::test_what_is_configured_anew_counts_for_the_next_pull",
    "models.hf_token_file": "daemon/pulls/test_pulls.py::test_what_is_configured_anew_counts_for_the_next_pull",
    **{
        f"remotes.NAME.{key}": OF_A_REMOTE
        for key in [
            "kind", "url", "key_env", "key_file", "models", "exclude", "aliases", "headers", "connect_timeout",
            "first_byte_timeout", "fallback",
        ]
    },
    "remotes.NAME.refresh": "daemon/remotes/test_remotes.py::test_a_list_is_fetched_again_after_refresh",
    "remotes.NAME.idle_timeout": "end_to_end/test_remotes.py::"
    "test_silence_within_a_stream_is_ended_by_the_limit_of_the_remote",
    "remotes.NAME.prices": "end_to_end/test_remotes.py::"
    "test_what_it_costs_is_told_by_the_configuration_the_list_or_the_answer",
    **{
        f"remotes.NAME.{key}": "end_to_end/test_remotes.py::test_a_request_is_shaped_on_its_way"
        for key in ["max_tokens", "defaults", "set", "strip"]
    },
    **{
        f"remotes.NAME.prices.GLOB.{key}": "end_to_end/test_anthropic_remote.py::test_a_stream_is_a_stream_of_chat"
        for key in ["input", "output", "cached", "cache_write"]
    },
    "daemon.state_dir": AT_THE_START,
    "server.host": AT_THE_START,
    "server.port": AT_THE_START,
    "server.header_limit": AT_THE_START,
    "server.request_timeout": AT_THE_START,
    "server.keep_alive": AT_THE_START,
    "server.tls_cert": OF_TLS,
    "server.tls_key": OF_TLS,
    "daemon.keep_backends": "end_to_end/test_keep_backends.py::test_an_orderly_end_keeps_backends_too",
    "slots.NAME.url": "end_to_end/test_images.py::test_what_is_asked_for_is_what_comfyui_gets",
    "slots.NAME.workflow": "end_to_end/test_images.py::test_a_workflow_of_ones_own_is_run_and_gives_what_it_saves",
    "slots.NAME.voices": OF_SPEECH,
    "slots.NAME.default_voice": OF_SPEECH,
    "slots.NAME.default_format": OF_SPEECH,
}  # fmt: skip


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One daemon with one slot that is ready and one that nobody asked for."""
    text = (
        f'[daemon]\nports = @PORTS@\n[slots.primary]\nmodel = "{STARTER}"\n'
        f'[slots.t]\nmodel = "{STARTER}"\nbinary = "builtin"\n'
    )
    folder = tmp_path_factory.mktemp("keys")
    ollama(folder / "ollama", "tiny", CARDS[0].path.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OLLAMA_MODELS", str(folder / "ollama"))
        with installed(folder / "hal0", text) as installation:
            yield installation


@pytest.fixture
def hal0(shared: Installation) -> Iterator[Installation]:
    """The shared daemon, put back afterwards."""
    before = shared.config.read_text()
    yield shared
    put(shared, before)
    shared.admin("POST", "/api/slots/t/unload", {})
    shared.wait_for_slot("t", "offline")


def put(hal0: Installation, text: str) -> None:
    with hal0.client() as client:
        answer = client.put("/api/config", json={"text": text}, headers={"If-Match": "*"})
        assert answer.status_code == 200, answer.text


def change(hal0: Installation, **keys: Any) -> None:
    """Change keys of `slots.t`, or any by its dotted name."""
    full = {name if "." in name else f"slots.t.{name}": value for name, value in keys.items()}
    with hal0.client() as client:
        answer = client.patch("/api/config", json={"set": full})
        assert answer.status_code == 200, answer.text


def until(look: Callable[[], Any], wanted: Any, seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while (seen := look()) != wanted:
        assert time.monotonic() < deadline, seen
        time.sleep(0.02)


def command(hal0: Installation) -> dict[str, Any]:
    found: dict[str, Any] = hal0.admin("GET", "/api/slots/t/command")
    return found


def after(hal0: Installation, word: str) -> str | None:
    """The word of the command line after this one."""
    argv = command(hal0)["argv"]
    return argv[argv.index(word) + 1] if word in argv else None


def load(hal0: Installation) -> dict[str, Any]:
    hal0.admin("POST", "/api/slots/t/load", {})
    return hal0.wait_for_slot("t", "ready", "idle")


def failure_of_load(hal0: Installation) -> str:
    """Code and message."""
    hal0.admin("POST", "/api/slots/t/load", {})
    error = hal0.wait_for_slot("t", "error")["error"]
    return f"{error['code']}: {error['message']}"


def post(hal0: Installation, path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
    return httpx.post(hal0.url + path, json=body, headers=headers, timeout=60)


def slot_of(answer: httpx.Response) -> str:
    said = answer.headers.get("x-hal0-slot", "") if answer.status_code == 200 else answer.text
    return f"{answer.status_code} {said}"


# A function for each key ------------------------------------------------------------------------------------------


def server_body_limit(hal0: Installation) -> None:
    body = {**HELLO, "model": "primary", "user": "x" * 5_000}
    assert post(hal0, "/v1/chat/completions", body).status_code == 200
    change(hal0, **{"server.body_limit": 4096})
    assert post(hal0, "/v1/chat/completions", body).status_code == 413


def server_cors_origins(hal0: Installation) -> None:
    def allowed() -> str | None:
        answer = httpx.get(f"{hal0.url}/v1/models", headers={"origin": "https://chat.lan"})
        return answer.headers.get("access-control-allow-origin")

    assert allowed() is None
    change(hal0, **{"server.cors_origins": ["https://chat.lan"]})
    assert allowed() == "https://chat.lan"


def server_trusted_hosts(hal0: Installation) -> None:
    def status() -> int:
        return httpx.get(f"{hal0.url}/api/config", headers={"host": "box.lan"}).status_code

    assert status() == 403
    change(hal0, **{"server.trusted_hosts": ["box.lan"]})
    assert status() == 200


def auth_keys_file(hal0: Installation) -> None:
    def status(**headers: str) -> int:
        return httpx.get(f"{hal0.url}/v1/models", headers=headers).status_code

    assert status() == 200
    change(hal0, **{"auth.keys_file": "mine.toml"})
    until(status, 401)
    key = hal0.admin("POST", "/api/keys", {"name": "a"})["key"]
    assert key not in (hal0.folder / "mine.toml").read_text()
    assert status(authorization=f"Bearer {key}") == 200
    with hal0.client() as client:
        assert client.patch("/api/config", json={"set": {"auth.keys_file": None}}).status_code == 200
    until(status, 200)


def auth_admin(hal0: Installation) -> None:
    def code() -> str | None:
        error: dict[str, str] = httpx.get(f"{hal0.url}/api/config").json().get("error", {})
        return error.get("code")

    assert code() is None
    change(hal0, **{"auth.admin": "key"})
    assert code() == "system.auth_required"


def daemon_ports(hal0: Installation) -> None:
    first, last = port_range()
    change(hal0, **{"daemon.ports": [last - 5, last]})
    assert last - 5 <= load(hal0)["port"] <= last
    assert first < last - 5


def daemon_log_level(hal0: Installation) -> None:
    change(hal0, **{"daemon.log_level": "error"})
    change(hal0, idle_after=77)
    change(hal0, **{"daemon.log_level": "info"})
    change(hal0, idle_after=78)
    log = hal0.log.read_text()
    assert '"77s" → "78s"' in log
    assert 'unset → "77s"' not in log


def dispatch_chat(hal0: Installation) -> None:
    assert slot_of(post(hal0, "/v1/chat/completions", HELLO)) == "200 primary"
    change(hal0, **{"dispatch.chat": "t"})
    assert slot_of(post(hal0, "/v1/chat/completions", HELLO)) == "200 t"


def dispatch_embedding(hal0: Installation) -> None:
    change(hal0, model="all-minilm-l6-v2")
    answer = post(hal0, "/v1/embeddings", {"input": "a", "model": "t"})
    assert answer.status_code == 200, answer.text
    change(hal0, **{"slots.other": {"model": "all-minilm-l6-v2"}, "dispatch.embedding": "other"})
    assert slot_of(post(hal0, "/v1/embeddings", {"input": "a"})) == "200 other"
    change(hal0, **{"dispatch.embedding": "t"})
    assert slot_of(post(hal0, "/v1/embeddings", {"input": "a"})) == "200 t"


def dispatch_image(hal0: Installation) -> None:
    def named() -> str:
        error = post(hal0, "/v1/images/generations", {"prompt": "a"}).json()["error"]
        return f"{error['code']} {error['details'].get('model') or error['details'].get('slot')}"

    assert named() == "dispatch.no_image_slot img"
    change(hal0, **{"dispatch.image": "t"})
    assert named() == "dispatch.capability_mismatch t"


def never_listens(hal0: Installation) -> str:
    return program(hal0, "deaf", "exec sleep 600")


def program(hal0: Installation, name: str, line: str) -> str:
    path = hal0.folder / name
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)
    return str(path)


def dispatch_start_timeout(hal0: Installation) -> None:
    change(hal0, **{"dispatch.start_timeout": 0.3, "slots.t.binary": never_listens(hal0)})
    assert failure_of_load(hal0).startswith("slot.start_timeout: ")


def slots_NAME_start_timeout(hal0: Installation) -> None:  # noqa: N802 - the key's name
    change(hal0, start_timeout=0.3, binary=never_listens(hal0))
    assert failure_of_load(hal0).startswith("slot.start_timeout: ")


def dispatch_stream_idle_timeout(hal0: Installation) -> None:

    pid = load(hal0)["pid"]
    change(hal0, **{"dispatch.stream_idle_timeout": 0.3})
    os.kill(pid, signal.SIGSTOP)
    try:
        answer = post(hal0, "/v1/chat/completions", {**HELLO, "model": "t"})
    finally:
        os.kill(pid, signal.SIGCONT)
    assert answer.json()["error"]["code"] == "dispatch.upstream_timeout"


def dispatch_stream_total_timeout(hal0: Installation) -> None:
    load(hal0)
    change(hal0, **{"dispatch.stream_total_timeout": 0.2})
    assert "dispatch.stream_too_long" in post(hal0, "/v1/chat/completions", {**LONG, "model": "t"}).text


def dispatch_heartbeat(hal0: Installation) -> None:
    slow = program(hal0, "slow", f'FAKE_LLAMA_LOAD=2 exec {sys.executable} {FAKE_SERVER} "$@"')
    change(hal0, binary=slow)
    for on in (False, True):
        change(hal0, **{"dispatch.heartbeat": on})
        hal0.admin("POST", "/api/slots/t/unload", {})
        text = post(hal0, "/v1/chat/completions", {**HELLO, "model": "t", "stream": True}).text
        assert text.startswith(": waiting\n\n" if on else "data: {")
        assert text.endswith("data: [DONE]\n\n")


def models_folders(hal0: Installation) -> None:
    folder = hal0.folder / "models"
    folder.mkdir()
    shutil.copy(CARDS[0].path, folder / "mine-1.gguf")
    change(hal0, model="mine-1")
    assert command(hal0)["error"]["code"] == "model.not_found"  # type: ignore[index]
    change(hal0, **{"models.folders": [str(folder)]})
    assert after(hal0, "--model") == str(folder / "mine-1.gguf")


def models_NAME_path(hal0: Installation) -> None:  # noqa: N802
    for name in ("a.gguf", "b.gguf"):
        shutil.copy(CARDS[0].path, hal0.folder / name)
        change(hal0, **{"models.mine": {"path": name}, "slots.t.model": "mine"})
        assert after(hal0, "--model") == str(hal0.folder / name)


def models_NAME_aliases(hal0: Installation) -> None:  # noqa: N802
    shutil.copy(CARDS[0].path, hal0.folder / "c.gguf")
    change(hal0, **{"models.mine": {"path": "c.gguf"}, "slots.t.model": "my-alias"})
    assert "error" in command(hal0)
    change(hal0, **{"models.mine.aliases": ["my-alias"]})
    assert after(hal0, "--model") == str(hal0.folder / "c.gguf")


def models_NAME_sha256(hal0: Installation) -> None:  # noqa: N802
    shutil.copy(CARDS[0].path, hal0.folder / "d.gguf")
    change(hal0, **{"models.mine": {"path": "d.gguf", "sha256": "0" * 64}, "slots.t.model": "mine"})
    assert failure_of_load(hal0).startswith("model.checksum_mismatch: ")


def models_NAME_url(hal0: Installation) -> None:  # noqa: N802
    with ModelServer() as server:
        for name in ("a.gguf", "b.gguf"):
            server.put(name, CARDS[0].path.read_bytes())
        change(hal0, **{"models.mine": {"url": server.url("a.gguf")}, "slots.t.model": "mine"})
        assert command(hal0)["error"]["code"] == "model.not_fetched"  # type: ignore[index]
        change(hal0, **{"models.mine.url": server.url("b.gguf")})
        load(hal0)
        assert (server.asked("a.gguf"), bool(server.asked("b.gguf"))) == ([], True)
    assert after(hal0, "--model") == str(hal0.folder / "state" / "models" / "mine.gguf")
    assert hal0.admin("DELETE", "/api/models/mine?force=1")["what"] == "files"


def models_NAME_mmproj(hal0: Installation) -> None:  # noqa: N802
    shutil.copy(CARDS[0].path, hal0.folder / "f.gguf")
    change(hal0, **{"models.mine": {"path": "f.gguf"}, "slots.t.model": "mine", "slots.t.mmproj": "auto"})
    assert command(hal0)["error"]["code"] == "model.no_projector"  # type: ignore[index]
    eyes = write_projector(hal0.folder / "its-eyes.gguf", width=STARTER_WIDTH)
    change(hal0, **{"models.mine.mmproj": "its-eyes.gguf"})
    assert after(hal0, "--mmproj") == str(eyes)


def models_NAME_licence(hal0: Installation) -> None:  # noqa: N802
    shutil.copy(CARDS[0].path, hal0.folder / "e.gguf")
    for licence in ("mit", "apache-2.0"):
        change(hal0, **{"models.mine": {"path": "e.gguf", "licence": licence}})
        assert hal0.admin("GET", "/api/models/mine")["model"]["licence"] == licence


def slots_NAME_provider(hal0: Installation) -> None:  # noqa: N802
    change(hal0, **{"slots.t": {"provider": "command", "command": ["sleep", "60", "${port}"]}})
    assert command(hal0)["argv"][1] == "60"


def slots_NAME_command(hal0: Installation) -> None:  # noqa: N802
    for words in (["sleep", "60", "${port}"], ["sleep", "61", "${port}"]):
        change(hal0, **{"slots.t": {"provider": "command", "command": words}})
        assert command(hal0)["argv"][1] == words[1]


def slots_NAME_model(hal0: Installation) -> None:  # noqa: N802
    change(hal0, model="all-minilm-l6-v2")
    assert after(hal0, "--alias") == "all-minilm-l6-v2"
    assert load(hal0)["kind"] == "embedding"


def slots_NAME_kind(hal0: Installation) -> None:  # noqa: N802
    assert "--embedding" not in command(hal0)["argv"]
    change(hal0, kind="embedding")
    assert "--embedding" in command(hal0)["argv"]
    assert hal0.slot("t")["kind"] == "embedding"


def slots_NAME_context(hal0: Installation) -> None:  # noqa: N802
    pid = load(hal0)["pid"]
    change(hal0, context=256)
    until(lambda: hal0.slot("t")["pid"] not in (pid, None) and hal0.slot("t")["context"], 256)


def slots_NAME_parallel(hal0: Installation) -> None:  # noqa: N802
    change(hal0, parallel=3)
    assert after(hal0, "--parallel") == "3"


def slots_NAME_threads(hal0: Installation) -> None:  # noqa: N802
    change(hal0, threads=5)
    assert after(hal0, "--threads") == "5"


def slots_NAME_gpus(hal0: Installation) -> None:  # noqa: N802
    assert "CUDA_VISIBLE_DEVICES" not in command(hal0)["env"]
    change(hal0, gpus=[])
    assert command(hal0)["env"]["CUDA_VISIBLE_DEVICES"] == "-1"


def slots_NAME_gpu_layers(hal0: Installation) -> None:  # noqa: N802
    change(hal0, binary=str(FAKE_SERVER.resolve()), gpu_layers=7)
    change(hal0, binary=program(hal0, "llama", f'exec {sys.executable} {FAKE_SERVER} "$@"'))
    assert after(hal0, "-ngl") == "7"
    change(hal0, binary="builtin")
    assert command(hal0)["error"]["code"] == "slot.engine_missing"  # type: ignore[index]


def slots_NAME_mmproj(hal0: Installation) -> None:  # noqa: N802
    assert (load(hal0)["vision"], ask_about_a_picture(hal0)) == (False, 400)
    change(hal0, mmproj=str(write_projector(hal0.folder / "eyes.gguf", width=STARTER_WIDTH)))
    until(lambda: hal0.slot("t")["vision"] and hal0.slot("t")["state"], "ready")
    assert ask_about_a_picture(hal0) == 200
    change(hal0, mmproj="auto")
    assert command(hal0)["error"]["code"] == "model.no_projector"  # type: ignore[index]


def ask_about_a_picture(hal0: Installation) -> int:
    content = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": RED_DOT}}]
    body = {"model": "t", "max_tokens": 4, "messages": [{"role": "user", "content": content}]}
    return post(hal0, "/v1/chat/completions", body).status_code


def slots_NAME_port(hal0: Installation) -> None:  # noqa: N802
    port = port_range()[1] - 20
    assert load(hal0)["port"] != port
    change(hal0, port=port)
    until(lambda: hal0.slot("t")["port"], port)


def slots_NAME_binary(hal0: Installation) -> None:  # noqa: N802
    path = program(hal0, "other", f'exec {sys.executable} {FAKE_SERVER} "$@"')
    change(hal0, binary=path)
    assert command(hal0)["argv"][0] == path
    assert load(hal0)["engine"] == path


def slots_NAME_args(hal0: Installation) -> None:  # noqa: N802
    change(hal0, args=["--temp", "0.1"])
    assert command(hal0)["argv"][-2:] == ["--temp", "0.1"]


def slots_NAME_env(hal0: Installation) -> None:  # noqa: N802
    change(hal0, env={"MY_OWN": "1"})
    pid = load(hal0)["pid"]
    assert b"MY_OWN=1" in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")


def slots_NAME_autostart(hal0: Installation) -> None:  # noqa: N802
    assert hal0.slot("t")["state"] == "offline"
    change(hal0, autostart=True)
    hal0.wait_for_slot("t", "ready")


def slots_NAME_idle_after(hal0: Installation) -> None:  # noqa: N802
    assert load(hal0)["state"] == "ready"
    change(hal0, idle_after=0.05)
    hal0.wait_for_slot("t", "idle", seconds=2)


def slots_NAME_unload_after(hal0: Installation) -> None:  # noqa: N802
    change(hal0, idle_after=0.05)
    load(hal0)
    hal0.wait_for_slot("t", "idle")
    change(hal0, unload_after=0.05)
    hal0.wait_for_slot("t", "offline", seconds=3)


def slots_NAME_drain_timeout(hal0: Installation) -> None:  # noqa: N802
    load(hal0)
    change(hal0, drain_timeout=0.1)
    with httpx.stream("POST", hal0.url + "/v1/chat/completions", json={**LONG, "model": "t"}, timeout=60) as answer:
        lines = answer.iter_lines()
        next(lines)
        began = time.monotonic()
        hal0.admin("POST", "/api/slots/t/unload", {})
        rest = list(lines)
    assert time.monotonic() - began < 5
    assert any('"error"' in line for line in rest)


def slots_NAME_stop_timeout(hal0: Installation) -> None:  # noqa: N802
    stubborn = f'trap "" TERM\n{sys.executable} {FAKE_SERVER} "$@" &\nwhile :; do sleep 0.05; done'
    change(hal0, binary=program(hal0, "stubborn", stubborn), stop_timeout=0.3)
    load(hal0)
    began = time.monotonic()
    hal0.admin("POST", "/api/slots/t/unload", {})
    hal0.wait_for_slot("t", "offline", "error")
    assert 0.25 < time.monotonic() - began < 5


def slots_NAME_aliases(hal0: Installation) -> None:  # noqa: N802
    assert post(hal0, "/v1/chat/completions", {**HELLO, "model": "mine"}).status_code == 404
    change(hal0, aliases=["mine"])
    assert slot_of(post(hal0, "/v1/chat/completions", {**HELLO, "model": "mine"})) == "200 t"


def slots_NAME_background(hal0: Installation) -> None:  # noqa: N802
    def listed() -> list[str]:
        return [model["id"] for model in httpx.get(f"{hal0.url}/v1/models").json()["data"]]

    assert "tasks" not in listed()
    change(hal0, background=["tasks"])
    assert "tasks" in listed()
    assert httpx.get(f"{hal0.url}/v1/models/tasks").json()["slot"] == "t"
    for name, background in (("tasks", True), ("t", False)):
        assert slot_of(post(hal0, "/v1/chat/completions", {**HELLO, "model": name})) == "200 t"
        assert hal0.admin("GET", "/api/requests")["requests"][0]["background"] is background


def daemon_idle_after(hal0: Installation) -> None:
    assert load(hal0)["state"] == "ready"
    change(hal0, **{"daemon.idle_after": 0.05})
    hal0.wait_for_slot("t", "idle")
    change(hal0, idle_after=600, **{"daemon.idle_after": 0.04})
    assert load(hal0)["pid"]
    post(hal0, "/v1/chat/completions", {**HELLO, "model": "t"})
    assert hal0.slot("t")["state"] == "ready"  # what it says itself wins


def daemon_unload_after(hal0: Installation) -> None:
    change(hal0, idle_after=0.05)
    load(hal0)
    hal0.wait_for_slot("t", "idle")
    assert hal0.slot("t")["unload_at"] is None
    change(hal0, **{"daemon.unload_after": 0.05})
    hal0.wait_for_slot("t", "offline")


def generated(hal0: Installation, **more: Any) -> int:
    answer = post(hal0, "/v1/chat/completions", {**HELLO, "model": "t", "max_tokens": None, **more})
    assert answer.status_code == 200, answer.text
    count: int = answer.json()["usage"]["completion_tokens"]
    return count


def slots_NAME_max_tokens(hal0: Installation) -> None:  # noqa: N802
    assert generated(hal0, max_tokens=4) == 4
    change(hal0, max_tokens=2)
    assert generated(hal0) == generated(hal0, max_tokens=4) == 2


def slots_NAME_defaults(hal0: Installation) -> None:  # noqa: N802
    change(hal0, defaults={"max_tokens": 2})
    assert generated(hal0) == 2
    assert generated(hal0, max_tokens=4) == 4


def slots_NAME_set(hal0: Installation) -> None:  # noqa: N802
    load(hal0)
    pid = hal0.slot("t")["pid"]
    change(hal0, set={"max_tokens": 3})
    assert generated(hal0, max_tokens=4) == 3
    assert hal0.slot("t")["pid"] == pid  # nothing of it needs a restart


def slots_NAME_strip(hal0: Installation) -> None:  # noqa: N802
    assert generated(hal0, max_tokens=4, temperature=0) == 4
    change(hal0, strip=["max_tokens"])
    assert generated(hal0, max_tokens=4, temperature=0) > 4


def fit(hal0: Installation, slot: str = "t") -> dict[str, Any]:
    """Whether the slot would fit now."""
    found: dict[str, Any] = hal0.admin("GET", f"/api/models/{STARTER}?slot={slot}")["fit"]
    return found


def room(hal0: Installation, slot: str = "t") -> dict[str, Any]:
    (found,) = fit(hal0, slot)["rooms"]
    return found  # type: ignore[no-any-return]


def quiet(hal0: Installation, *slots: str) -> None:
    """They are idle from now on."""
    for name in slots:
        hal0.admin("POST", f"/api/slots/{name}/load", {})
        change(hal0, **{f"slots.{name}.idle_after": 0.05})
        hal0.wait_for_slot(name, "idle")


def daemon_memory_reserve(hal0: Installation) -> None:
    assert room(hal0)["free_bytes"] > 0
    change(hal0, **{"daemon.memory_reserve": 2**40})
    assert room(hal0)["free_bytes"] == 0


def daemon_memory_limit(hal0: Installation) -> None:
    assert fit(hal0)["verdict"] == "fits"
    change(hal0, **{"daemon.memory_limit": 2**20})
    assert fit(hal0)["verdict"] == "impossible"


def slots_NAME_memory(hal0: Installation) -> None:  # noqa: N802
    change(hal0, memory="1TiB")
    assert room(hal0)["need_bytes"] == 2**40
    assert fit(hal0)["verdict"] == "impossible"
    change(hal0, memory="ignore")
    assert fit(hal0) == {"verdict": "fits", "would_go": [], "waits_for": [], "reason": "", "rooms": []}


def slots_NAME_pinned(hal0: Installation) -> None:  # noqa: N802
    quiet(hal0, "primary")
    change(hal0, memory="512MiB", **{"slots.primary.memory": "512MiB", "daemon.memory_limit": "600MiB"})
    assert fit(hal0)["would_go"] == ["primary"]
    change(hal0, **{"slots.primary.pinned": True})
    assert fit(hal0)["verdict"] == "impossible"


def slots_NAME_priority(hal0: Installation) -> None:  # noqa: N802
    load(hal0)
    quiet(hal0, "primary", "t")
    half = {f"slots.{name}.memory": "512MiB" for name in ("primary", "t", "other")}
    change(hal0, **{"slots.other": {"model": STARTER}, **half, "daemon.memory_limit": "1100MiB"})
    change(hal0, priority=-1)
    assert fit(hal0, "other")["would_go"] == ["t"]
    change(hal0, priority=1)
    assert fit(hal0, "other")["would_go"] == ["primary"]


def slots_NAME_group(hal0: Installation) -> None:  # noqa: N802
    quiet(hal0, "primary")
    change(hal0, exclusive=True, group="g", **{"slots.primary.group": "other"})
    assert fit(hal0)["would_go"] == []
    change(hal0, **{"slots.primary.group": "g"})
    assert fit(hal0)["would_go"] == ["primary"]


def slots_NAME_exclusive(hal0: Installation) -> None:  # noqa: N802
    quiet(hal0, "primary")
    change(hal0, group="g", **{"slots.primary.group": "g"})
    assert fit(hal0)["would_go"] == []
    change(hal0, exclusive=True)
    assert fit(hal0)["would_go"] == ["primary"]


def observe_capture(hal0: Installation) -> None:
    def prompt() -> str:
        post(hal0, "/v1/chat/completions", {**HELLO, "model": "primary"})
        text: str = hal0.admin("GET", "/api/requests")["requests"][0]["prompt"]
        return text

    assert prompt() == "Hello!"
    change(hal0, **{"observe.capture": False})
    assert "Hello!" not in str(hal0.admin("GET", "/api/requests"))
    assert prompt() == ""


def models_store(hal0: Installation) -> None:
    with ModelServer() as server:
        for folder in ("one", "two"):
            server.put(f"{folder}.gguf", CARDS[0].path.read_bytes())
            change(hal0, **{"models.store": folder})
            hal0.admin("POST", "/api/models/pull", {"source": server.url(f"{folder}.gguf")})
            until((hal0.folder / folder / f"{folder}.gguf").exists, True)


def models_scan(hal0: Installation) -> None:
    change(hal0, model="ollama/tiny:latest")
    assert "error" not in command(hal0)
    change(hal0, **{"models.scan": False})
    assert command(hal0)["error"]["code"] == "model.not_found"  # type: ignore[index]


def daemon_auto_rollback(hal0: Installation) -> None:
    load(hal0)
    change(hal0, **{"daemon.auto_rollback": True})
    change(hal0, args=["--no-such-option"])
    until(lambda: hal0.admin("GET", "/api/config")["by"], "hal0")
    hal0.wait_for_slot("t", "ready", "idle")


@contextmanager
def busy(hal0: Installation) -> Iterator[None]:
    """The slot is in the middle of an answer, and stays there."""
    pid = load(hal0)["pid"]
    with httpx.stream("POST", f"{hal0.url}/v1/chat/completions", json={**LONG, "model": "t"}, timeout=60) as answer:
        assert answer.status_code == 200
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


def slots_NAME_queue_limit(hal0: Installation) -> None:  # noqa: N802
    with busy(hal0):
        change(hal0, queue_limit=0)
        assert "slot.queue_full" in post(hal0, "/v1/chat/completions", {**HELLO, "model": "t"}).text


def slots_NAME_max_in_flight(hal0: Installation) -> None:  # noqa: N802
    change(hal0, queue_limit=0)
    with busy(hal0):
        assert "slot.queue_full" in post(hal0, "/v1/chat/completions", {**HELLO, "model": "t"}).text
        change(hal0, max_in_flight=2)
        with pytest.raises(httpx.ReadTimeout):  # it is with the backend
            httpx.post(f"{hal0.url}/v1/chat/completions", json={**HELLO, "model": "t"}, timeout=0.3)


def slots_NAME_restore_after(hal0: Installation) -> None:  # noqa: N802
    quiet(hal0, "primary")
    change(hal0, exclusive=True, group="g", **{"slots.primary.group": "g"})
    load(hal0)
    assert hal0.slot("primary")["state"] == "offline"
    change(hal0, restore_after=0.1)
    hal0.wait_for_slot("primary", "ready", "idle")
    assert hal0.slot("t")["state"] == "offline"


def slots_NAME_fallback(hal0: Installation) -> None:  # noqa: N802
    change(hal0, binary="./no-such-engine")
    assert slot_of(post(hal0, "/v1/chat/completions", {**HELLO, "model": "t"})).startswith("50")
    change(hal0, fallback=["primary"])
    assert slot_of(post(hal0, "/v1/chat/completions", {**HELLO, "model": "t"})) == "200 primary"


def any_program(hal0: Installation, *words: str, **keys: Any) -> None:
    """Make the slot a program of somebody's, which is off."""
    hal0.admin("POST", "/api/slots/t/unload", {})
    hal0.wait_for_slot("t", "offline")
    argv = [sys.executable, "-S", str(ANY_SERVER), "--listen", "${port}", *words]
    put_slot(hal0, provider="command", command=argv, **keys)


def put_slot(hal0: Installation, **keys: Any) -> None:
    with hal0.client() as client:
        answer = client.put("/api/slots/t", json=keys)
        assert answer.status_code == 200, answer.text


def slots_NAME_cwd(hal0: Installation) -> None:  # noqa: N802
    for name in ("here", "there"):
        (hal0.folder / name).mkdir()
        any_program(hal0, cwd=name)
        load(hal0)
        said = [line for line in hal0.admin("GET", "/api/slots/t/logs")["lines"] if line.startswith("{")]
        assert json.loads(said[-1])["cwd"] == str(hal0.folder / name)


def slots_NAME_health_path(hal0: Installation) -> None:  # noqa: N802
    any_program(hal0, health_path="/nowhere")
    assert failure_of_load(hal0).startswith("slot.bad_response: ")
    any_program(hal0, health_path="/ready")
    load(hal0)


def slots_NAME_ready_path(hal0: Installation) -> None:  # noqa: N802
    any_program(hal0, "--slow", "600", ready_path="/ready", start_timeout=0.5)
    assert failure_of_load(hal0).startswith("slot.start_timeout: ")
    any_program(hal0, "--slow", "600", ready_path="/health")
    load(hal0)


def slots_NAME_proof(hal0: Installation) -> None:  # noqa: N802
    any_program(hal0, "--below", "/other")
    assert failure_of_load(hal0).startswith("slot.bad_response: ")
    any_program(hal0, "--below", "/other", proof=False)
    load(hal0)


def slots_NAME_api_path(hal0: Installation) -> None:  # noqa: N802
    any_program(hal0, "--below", "/other", api_path="/other")
    assert slot_of(post(hal0, "/v1/chat/completions", {**HELLO, "model": "t"})) == "200 t"


def slots_NAME_serves(hal0: Installation) -> None:  # noqa: N802
    any_program(hal0)
    body = {"input": "a", "model": "t"}
    assert "dispatch.capability_mismatch" in post(hal0, "/v1/embeddings", body).text
    change(hal0, serves=["chat", "embedding"])
    assert slot_of(post(hal0, "/v1/embeddings", body)) == "200 t"


LOOKS: dict[str, Callable[[Installation], None]] = {
    look.__name__.replace("_", ".", 1).replace("NAME_", "NAME."): look
    for look in (
        server_body_limit, server_cors_origins, server_trusted_hosts, daemon_ports, daemon_log_level, dispatch_chat,
        auth_keys_file, auth_admin,
        dispatch_embedding, dispatch_image, dispatch_start_timeout, dispatch_stream_idle_timeout,
        dispatch_stream_total_timeout, dispatch_heartbeat,
        models_folders, models_NAME_path, models_NAME_url, models_NAME_aliases, models_NAME_sha256, models_NAME_licence,
        models_NAME_mmproj,
        slots_NAME_provider,
        slots_NAME_command, slots_NAME_model, slots_NAME_kind, slots_NAME_context, slots_NAME_parallel,
        slots_NAME_threads, slots_NAME_gpus, slots_NAME_gpu_layers, slots_NAME_mmproj, slots_NAME_port,
        slots_NAME_binary, slots_NAME_args, slots_NAME_env, slots_NAME_autostart, slots_NAME_start_timeout,
        slots_NAME_idle_after,
        slots_NAME_max_tokens, slots_NAME_defaults, slots_NAME_set, slots_NAME_strip,
        slots_NAME_unload_after, slots_NAME_drain_timeout, slots_NAME_stop_timeout, slots_NAME_aliases,
        daemon_memory_reserve, daemon_memory_limit, slots_NAME_memory, slots_NAME_pinned, slots_NAME_priority,
        slots_NAME_group, slots_NAME_exclusive, observe_capture, models_store, models_scan, daemon_auto_rollback,
        slots_NAME_queue_limit, slots_NAME_max_in_flight, slots_NAME_restore_after, slots_NAME_fallback, slots_NAME_cwd,
        slots_NAME_health_path, slots_NAME_ready_path, slots_NAME_proof, slots_NAME_api_path, slots_NAME_serves,
        slots_NAME_background, daemon_idle_after, daemon_unload_after,
    )
}  # fmt: skip
OTHER_VALUES = {
    "state_dir": "/elsewhere",
    "keep_backends": True,
    "host": "::1",
    "port": 9001,
    "header_limit": 8192,
    "request_timeout": 5,
    "keep_alive": 5,
}


def every_key() -> dict[str, Shape]:
    found = {}
    for name, info in Settings.model_fields.items():
        shape = shape_of_field(info)
        if shape.is_table:
            found |= {f"{name}.{key}": shape_of_field(each) for key, each in shape.type.model_fields.items()}
    for name, table in (("slots", Slot), ("models", Model), ("remotes", Remote)):
        found |= {f"{name}.NAME.{key}": shape_of_field(each) for key, each in table.model_fields.items()}
    found |= {f"remotes.NAME.prices.GLOB.{key}": shape_of_field(each) for key, each in Price.model_fields.items()}
    return found


AT_START = [key for key, shape in every_key().items() if shape.at_start]


def test_every_key_is_proven_somewhere() -> None:
    assert {*LOOKS, *ELSEWHERE, "daemon.drain_timeout"} == set(every_key())
    for key, place in ELSEWHERE.items():
        file, _, test = place.partition("::")
        text = (ROOT / file).read_text()
        assert test in {each.name for each in ast.walk(ast.parse(text)) if isinstance(each, FUNCTIONS)}, place
        assert re.search(rf"(\b|\\n){key.rpartition('.')[2]}\b", text), f"{file} does not name {key}"


@pytest.mark.parametrize("key", LOOKS)
def test_a_changed_key_has_its_effect_at_once(hal0: Installation, key: str) -> None:
    LOOKS[key](hal0)
    assert hal0.admin("GET", "/api/config")["needs_restart"] == []


@pytest.mark.parametrize("key", AT_START)
def test_a_key_that_is_read_at_the_start_is_listed(tmp_path: Path, key: str) -> None:
    table, name = key.split(".")
    file = tmp_path / "hal0.toml"
    tls = pair(tmp_path)
    before: dict[str, Any] = {}
    other = OTHER_VALUES.get(name)
    if name in ("tls_cert", "tls_key"):  # one is not without the other
        before = {"tls_cert": str(tls.certificate), "tls_key": str(tls.key)}
        other = str(shutil.copy(before[name], tmp_path / "other.pem"))

    def settings(values: dict[str, Any]) -> Settings:
        file.write_text(f"[{table}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))
        found = judge(file, env={}).settings
        assert found is not None
        return found

    assert keys_awaiting_restart(settings(before), settings({**before, name: other})) == (key,)


def test_the_drain_timeout_of_the_daemon_is_what_its_end_waits_for(tmp_path: Path) -> None:
    with installed(tmp_path) as hal0:
        change(hal0, **{"daemon.drain_timeout": 7})
        hal0.stop()
        assert "get up to 7 s" in hal0.log.read_text()
