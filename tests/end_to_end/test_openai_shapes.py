"""Answers have the shape that OpenAI has published: each is read strictly by the types that its package is made of."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from openai.types import Completion, CreateEmbeddingResponse, Model
from openai.types.audio import Transcription, TranscriptionStreamEvent, TranscriptionVerbose
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from openai.types.shared import ErrorObject
from pydantic import BaseModel, TypeAdapter

from tests.fakes.installation import Installation

HELLO = [{"role": "user", "content": "Hello!"}]
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


@pytest.fixture(scope="module")
def client(hal0: Installation) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{hal0.url}/v1", timeout=60) as client:
        yield client


def fits(shape: type[BaseModel], answer: Any) -> None:
    """Every required field is there, and every field has its type; JSON has no tuples or enums to be lenient about."""
    shape.model_validate_json(json.dumps(answer), strict=True)


def events(client: httpx.Client, path: str, body: dict[str, Any]) -> list[str]:
    with client.stream("POST", path, json={**body, "stream": True}) as answer:
        return [line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: ")]


def test_models(client: httpx.Client) -> None:
    listed = client.get("/models").json()
    assert listed["object"] == "list"
    for entry in (*listed["data"], client.get("/models/primary").json()):
        fits(Model, entry)


@pytest.mark.parametrize(
    "more", [{}, {"tools": [TOOL]}, {"response_format": {"type": "json_object"}}, {"logprobs": True, "top_logprobs": 2}]
)
def test_chat(client: httpx.Client, more: dict[str, Any]) -> None:
    answer = client.post("/chat/completions", json={"model": "primary", "messages": HELLO, "max_tokens": 8, **more})
    assert answer.status_code == 200, answer.text
    fits(ChatCompletion, answer.json())


def test_chat_as_a_stream(client: httpx.Client) -> None:
    asked = {"model": "primary", "messages": HELLO, "max_tokens": 8, "stream_options": {"include_usage": True}}
    *chunks, end = events(client, "/chat/completions", asked)
    assert end == "[DONE]"
    for chunk in chunks:
        fits(ChatCompletionChunk, json.loads(chunk))


def test_completion(client: httpx.Client) -> None:
    asked = {"model": "primary", "prompt": "Once", "max_tokens": 8}
    fits(Completion, client.post("/completions", json=asked).json())
    *chunks, end = events(client, "/completions", asked)
    assert end == "[DONE]"
    for chunk in map(json.loads, chunks):
        for choice in chunk["choices"]:  # null until the end; the type is that of a whole answer only
            choice["finish_reason"] = choice["finish_reason"] or "stop"
        fits(Completion, chunk)


def test_embeddings(client: httpx.Client) -> None:
    for more in ({}, {"dimensions": 8}):
        answer = client.post("/embeddings", json={"model": "embed", "input": ["one", "two"], **more})
        fits(CreateEmbeddingResponse, answer.json())


@pytest.fixture(scope="module")
def spoken(client: httpx.Client) -> bytes:
    answer = client.post("/audio/speech", json={"model": "tts", "input": "Hello. Good morning."})
    assert answer.status_code == 200, answer.text
    return answer.content


def hear(client: httpx.Client, sound: bytes, **fields: str) -> httpx.Response:
    answer = client.post("/audio/transcriptions", files={"file": ("a.wav", sound)}, data={"model": "stt", **fields})
    assert answer.status_code == 200, answer.text
    return answer


def test_transcriptions(client: httpx.Client, spoken: bytes) -> None:
    fits(Transcription, hear(client, spoken).json())
    more = {"response_format": "verbose_json", "timestamp_granularities[]": "word"}
    fits(TranscriptionVerbose, hear(client, spoken, **more).json())
    event: TypeAdapter[Any] = TypeAdapter(TranscriptionStreamEvent)
    told = [line for line in hear(client, spoken, stream="true").iter_lines() if line]
    assert "transcript.text.done" in told[-1]
    for each in told:
        event.validate_json(each.removeprefix("data: "), strict=True)


@pytest.mark.parametrize(
    ("path", "body"), [("/chat/completions", {}), ("/embeddings", {"model": "no such"}), ("/x", {})]
)
def test_errors(client: httpx.Client, path: str, body: dict[str, Any]) -> None:
    answer = client.post(path, json=body)
    assert 400 <= answer.status_code < 500
    fits(ErrorObject, answer.json()["error"])


def test_responses(client: httpx.Client) -> None:
    asked = {"model": "primary", "input": "Hello!", "max_output_tokens": 16}
    fits(Response, client.post("/responses", json=asked).json())
    event: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    for told in events(client, "/responses", asked):
        event.validate_json(told, strict=True)
