"""The examples of the first page, as they are written there, with only the port changed."""

import json
import shutil
import subprocess
from typing import Any

import pytest

from tests.fakes.installation import Installation, events_of

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")

CHAT = """curl http://localhost:8080/v1/chat/completions \
-H "Content-Type: application/json" \
-d '{
"model": "primary",
"messages": [
{"role": "user", "content": "Hello!"}
]
}'"""

COMPLETION = """curl http://localhost:8080/v1/completions \
-H "Content-Type: application/json" \
-d '{
"model": "primary",
"prompt": "Once upon a time",
"max_tokens": 64
}'"""

EMBEDDINGS = """curl http://localhost:8080/v1/embeddings \
-H "Content-Type: application/json" \
-d '{
"model": "embed",
"input": ["hal0 runs locally", "OpenAI-compatible"]
}'"""

RERANKINGS = """curl http://localhost:8080/v1/rerankings \
-H "Content-Type: application/json" \
-d '{
"model": "embed",
"query": "atomic config writes",
"documents": [
"TOML config is written via NamedTemporaryFile + os.replace.",
"Slots bind 127.0.0.1 in the 8081-8099 range."
]
}'"""


def shell(hal0: Installation, command: str) -> str:
    port = hal0.url.rpartition(":")[2]
    line = command.replace("localhost:8080", f"localhost:{port}").replace("curl ", "curl -sS --fail-with-body ", 1)
    return subprocess.run(line, shell=True, check=True, capture_output=True, text=True, timeout=60).stdout


def answer(hal0: Installation, command: str) -> Any:
    return json.loads(shell(hal0, command))


def test_models(hal0: Installation) -> None:
    ids = [entry["id"] for entry in answer(hal0, "curl http://localhost:8080/v1/models")["data"]]
    assert {"primary", "embed", "hal0-starter", "all-minilm-l6-v2"} <= set(ids)


def test_chat(hal0: Installation) -> None:
    choice = answer(hal0, CHAT)["choices"][0]
    assert choice["finish_reason"] == "stop"
    assert choice["message"]["content"]


def test_chat_as_a_stream(hal0: Installation) -> None:
    text = shell(hal0, CHAT.replace('"model": "primary",', '"model": "primary", "stream": true,'))
    deltas = [chunk["choices"][0]["delta"].get("content") or "" for chunk in events_of(text)]
    assert text.rstrip().endswith("data: [DONE]")
    assert len([delta for delta in deltas if delta]) > 5


def test_completions(hal0: Installation) -> None:
    result = answer(hal0, COMPLETION)
    assert result["choices"][0]["text"]
    assert 0 < result["usage"]["completion_tokens"] <= 64


def test_embeddings(hal0: Installation) -> None:
    result = answer(hal0, EMBEDDINGS)
    assert [len(item["embedding"]) for item in result["data"]] == [384, 384]


def test_rerankings(hal0: Installation) -> None:
    results = answer(hal0, RERANKINGS)["results"]
    assert [item["index"] for item in results] == [0, 1]
    assert results[0]["relevance_score"] > results[1]["relevance_score"]
