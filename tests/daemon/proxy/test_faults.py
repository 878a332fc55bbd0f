"""Errors of backends and remotes, told apart by their own words."""

import json
from typing import Any

import pytest

from hal0.daemon.providers.base import Api
from hal0.daemon.proxy.faults import fault, told_fault

# As these servers say that a prompt is too long, and what is known of its length by it.
TOO_LONG: dict[str, tuple[int, dict[str, Any], tuple[int | None, int | None]]] = {
    "llama.cpp": (
        400,
        {
            "code": 400,
            "message": "request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it",
            "type": "exceed_context_size_error",
            "n_prompt_tokens": 5000,
            "n_ctx": 4096,
        },
        (5000, 4096),
    ),
    "llama.cpp embeddings": (
        500,
        {"message": "input (700 tokens) is too large to process. increase the physical batch size", "code": 500},
        (None, None),
    ),
    "vllm": (
        400,
        {
            "message": "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (4900 "
            "in the messages, 100 in the completion). Please reduce the length of the messages or completion.",
            "type": "BadRequestError",
            "code": 400,
        },
        (5000, 4096),
    ),
    "newer vllm": (
        400,
        {"message": "The decoder prompt (length 5000) is longer than the maximum model length of 4096.", "code": 400},
        (5000, 4096),
    ),
    "openai": (
        400,
        {
            "message": "This model's maximum context length is 8192 tokens. However, your messages resulted in "
            "9000 tokens.",
            "type": "invalid_request_error",
            "param": "messages",
            "code": "context_length_exceeded",
        },
        (9000, 8192),
    ),
    "openai responses": (
        400,
        {"message": "Your input exceeds the context window of this model.", "code": "context_length_exceeded"},
        (None, None),
    ),
    "openrouter": (
        400,
        {
            "message": "This endpoint's maximum context length is 32768 tokens. However, you requested about 40000 "
            "tokens (39000 of text input, 1000 in the output).",
            "code": 400,
        },
        (40000, 32768),
    ),
    "anthropic": (
        400,
        {"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000 maximum"},
        (210000, 200000),
    ),
    "anthropic with its answer": (
        400,
        {
            "type": "invalid_request_error",
            "message": "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input "
            "length or `max_tokens` and try again",
        },
        (None, None),
    ),
    "google": (
        400,
        {
            "message": "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            "status": "INVALID_ARGUMENT",
            "code": 400,
        },
        (1200000, 1048576),
    ),
    "text-embeddings-inference": (
        413,
        {
            "message": "Input validation error: `inputs` must have less than 512 tokens. Given: 600",
            "type": "Validation",
        },
        (600, 512),
    ),
}


@pytest.mark.parametrize("server", TOO_LONG)
def test_a_prompt_that_is_too_long_is_one_failure_whoever_tells_it(server: str) -> None:
    status, error, (prompt, context) = TOO_LONG[server]
    told = fault(slot="s", kind="chat", api=Api.CHAT, status=status, body=json.dumps({"error": error}).encode())
    assert (told.code, told.status) == ("dispatch.context_exceeded", 400)
    assert "context_length_exceeded" in told.message
    assert (told.details.get("prompt_tokens"), told.details.get("context_tokens")) == (prompt, context)


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (
            400,
            {"message": "max_tokens: 99999 > 8192, which is the maximum allowed number"},
            "dispatch.upstream_rejected",
        ),
        (400, {"message": "you requested 5 tokens of this or that"}, "dispatch.upstream_rejected"),
        (429, {"message": "Request too large: too many requests, 30000 tokens per min"}, "dispatch.upstream_limited"),
        (401, {"message": "no"}, "dispatch.upstream_failed"),
        (529, {"message": "Overloaded", "type": "overloaded_error"}, "dispatch.upstream_overloaded"),
        (500, {"message": "the backend has run out of context windows to open"}, "dispatch.upstream_failed"),
    ],
)
def test_other_failures_stay_what_they_are(status: int, error: dict[str, Any], code: str) -> None:
    body = json.dumps({"error": error}).encode()
    assert fault(slot="s", kind="chat", api=Api.CHAT, status=status, body=body).code == code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, "dispatch.upstream_overloaded"),
        ({"type": "rate_limit_error", "message": "slower"}, "dispatch.upstream_limited"),
        ({"type": "server_error", "code": "rate_limit_exceeded", "message": "slower"}, "dispatch.upstream_limited"),
        ({"type": "invalid_request_error", "message": "no"}, "dispatch.upstream_rejected"),
        ({"message": "it broke"}, "dispatch.upstream_failed"),
        ("it broke", "dispatch.upstream_failed"),
    ],
)
def test_what_is_told_within_a_stream_is_judged_by_its_name(error: Any, code: str) -> None:
    assert told_fault(slot="s", kind="chat", api=Api.CHAT, body=json.dumps({"error": error}).encode()).code == code
