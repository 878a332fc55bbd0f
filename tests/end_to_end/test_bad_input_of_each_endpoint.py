"""Bad input of each endpoint of /v1: a coded 4xx that names the field, and nothing that was begun for it goes on."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.installation import Installation, installed
from tests.fakes.programs import free_port

CONFIG = """
[daemon]
ports = @PORTS@
[slots.primary]
model = "hal0-starter"
[slots.embed]
model = "all-minilm-l6-v2"
[slots.stt]
provider = "sphinx"
[slots.tts]
provider = "espeak"
[slots.img]
provider = "comfyui"
model = "sdxl-turbo"
url = "http://127.0.0.1:@CLOSED@"
"""
HELLO = {"model": "primary", "messages": [{"role": "user", "content": "Hello!"}]}
INVALID = "dispatch.invalid_request"
BAD: list[tuple[str, dict[str, Any], str, str | None]] = [
    ("chat/completions", {"model": "primary"}, INVALID, "messages"),
    ("chat/completions", {**HELLO, "max_tokens": "many"}, INVALID, "max_tokens"),
    ("chat/completions", {**HELLO, "model": "gpt-9"}, "dispatch.no_route", "model"),
    ("chat/completions", {**HELLO, "model": "tts"}, "dispatch.capability_mismatch", "model"),
    ("completions", {"model": "primary", "prompt": {}}, INVALID, "prompt"),
    ("completions", {"prompt": "x", "stream": "yes"}, INVALID, "stream"),
    ("embeddings", {"model": "embed", "input": []}, INVALID, "input"),
    ("embeddings", {"model": "embed", "input": "x", "dimensions": 0}, INVALID, "dimensions"),
    ("rerankings", {"query": "x", "documents": []}, INVALID, "documents"),
    ("rerank", {"query": "", "documents": ["x"]}, INVALID, "query"),
    ("reranking", {"query": "x", "documents": [5]}, INVALID, "documents"),
    ("audio/speech", {"input": "x"}, "dispatch.missing_model", "model"),
    ("audio/speech", {"model": "tts", "input": "x", "speed": 9}, INVALID, "speed"),
    ("audio/speech", {"model": "tts", "input": "x", "response_format": "mp4"}, INVALID, "response_format"),
    ("audio/transcriptions", {"file": b"x"}, "dispatch.missing_model", "model"),
    ("audio/transcriptions", {"file": b"", "model": "stt"}, "dispatch.audio_empty", "file"),
    ("audio/transcriptions", {"file": b"x" * (3 * 2**20), "model": "primary"}, "dispatch.capability_mismatch", "model"),
    ("audio/transcriptions", {"model": "stt"}, "dispatch.unsupported_media", None),
    ("images/generations", {}, "dispatch.prompt_required", "prompt"),
    ("images/generations", {"prompt": "x", "n": 9}, INVALID, "n"),
    ("images/generations", {"prompt": "x", "size": "65x64"}, "dispatch.size_invalid", "size"),
    ("responses", {"model": "primary", "input": 5}, INVALID, "input"),
    ("responses", {"model": "primary", "input": "x", "max_output_tokens": 0}, INVALID, "max_output_tokens"),
    ("responses/input_tokens", {"model": "primary", "input": {"a": 1}}, INVALID, "input"),
    ("messages", {"model": "primary", "max_tokens": 0, "messages": [{"role": "user", "content": "x"}]}, INVALID, None),
    ("messages/count_tokens", {"model": "primary", "messages": "x"}, INVALID, None),
]


@pytest.fixture(scope="module")
def hal0(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Nothing is loaded: whatever runs in the end was begun by a request that could not be answered."""
    config = CONFIG.replace("@CLOSED@", str(free_port()))
    with installed(tmp_path_factory.mktemp("bad"), config) as installation:
        yield installation


@pytest.mark.parametrize(("path", "body", "code", "param"), BAD)
def test_it_is_refused_by_name_and_leaves_nothing_running(
    hal0: Installation, path: str, body: dict[str, Any], code: str, param: str | None
) -> None:
    answer = ask(f"{hal0.url}/v1/{path}", body)
    assert 400 <= answer.status_code < 500
    problem = answer.json()["error"]
    if not path.startswith("messages"):  # which has Anthropic's envelope
        assert (problem["code"], problem["param"]) == (code, param)
    assert code in answer.text
    assert "Input should" not in answer.text
    assert "retry-after" not in answer.headers
    assert hal0.backends() == []
    assert {slot["state"] for slot in hal0.admin("GET", "/api/slots")["slots"]} == {"offline"}
    requests = hal0.admin("GET", "/api/requests")["requests"]
    assert requests
    assert {request["outcome"] for request in requests} == {"failed"}
    assert nameless_files(hal0) == []


def ask(url: str, body: dict[str, Any]) -> httpx.Response:
    if "file" not in body:
        return httpx.post(url, json=body, timeout=60)
    fields = {name: value for name, value in body.items() if name != "file"}
    return httpx.post(url, files={"file": ("a.wav", body["file"])}, data=fields, timeout=60)


def nameless_files(hal0: Installation) -> list[str]:
    """Uploads that the daemon still has open."""
    assert hal0.process is not None
    state = str(hal0.folder / "state")
    open_files = []
    for link in Path(f"/proc/{hal0.process.pid}/fd").iterdir():
        try:
            open_files.append(os.readlink(link))
        except OSError:  # closed meanwhile
            continue
    return [name for name in open_files if name.startswith(state) and name.endswith(" (deleted)")]


def test_every_endpoint_is_among_them() -> None:
    """With those that only read, and the rest of what the proxy answers."""
    from hal0.daemon.proxy.app import PATHS

    asked = {f"/v1/{path}" for path, _, _, _ in BAD}
    assert {path for path in PATHS if path.startswith("/v1/")} == asked
