"""Streams of chat completions as backends send them, as bytes."""

import json
from typing import Any

DONE = b"data: [DONE]\n\n"
USAGE = {
    "prompt_tokens": 12,
    "completion_tokens": 5,
    "total_tokens": 17,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 2},
}


def event(body: Any) -> bytes:
    return b"data: %b\n\n" % json.dumps(body, ensure_ascii=False).encode()


def chunk(finish: str | None = None, **delta: Any) -> bytes:
    return event({"model": "tiny", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})


def call(index: int | None, arguments: str, **head: str) -> bytes:
    """A piece of a tool call; `id` and `name` come with its first."""
    function = {"arguments": arguments, **({"name": head["name"]} if "name" in head else {})}
    piece: dict[str, Any] = {"function": function}
    if index is not None:
        piece["index"] = index
    if "id" in head:
        piece |= {"id": head["id"], "type": "function"}
    return chunk(tool_calls=[piece])


def usage() -> bytes:
    return event({"model": "tiny", "choices": [], "usage": USAGE})


def stream(*pieces: bytes, finish: str = "stop") -> bytes:
    """A whole one, from the role to its end mark."""
    return b"".join([chunk(role="assistant", content=None), *pieces, chunk(finish), usage(), DONE])
