"""The proof that a backend works: the smallest real piece of work of each kind, and how its answer is judged.

Pure but for JSON. A health check alone passes on backends that give garbage.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hal0.daemon.http.client import Answer
from hal0.daemon.providers import speech_proof
from hal0.wire import Kind


@dataclass(frozen=True, slots=True)
class Proof:
    """One piece of work."""

    what: str
    path: str
    body: bytes


def _proof(what: str, path: str, **fields: Any) -> Proof:
    return Proof(what, path, json.dumps(fields).encode())


PROOFS: Mapping[Kind, Proof] = {
    "chat": _proof(
        "generating one token",
        "/v1/chat/completions",
        messages=[{"role": "user", "content": "Hello"}],
        max_tokens=1,
        temperature=0,
        cache_prompt=False,
    ),
    "embedding": _proof("embedding one word", "/v1/embeddings", input="hello"),
    "rerank": _proof(
        "scoring one pair",
        "/v1/rerank",
        query="What is the capital of France?",
        documents=["Paris is the capital of France.", "Bread is baked in an oven."],
    ),
    "image": _proof(
        "drawing a small picture",
        "/v1/images/generations",
        prompt="a dot",
        n=1,
        size="64x64",
        response_format="b64_json",
    ),
    "speech": Proof("speaking one word", "/v1/audio/speech", speech_proof.BODY),
}


def judge(proof: Proof, answer: Answer) -> str | None:
    """What is wrong with the answer; None if it proves the work done."""
    if proof.path == "/v1/audio/speech":
        reason = speech_proof.judge_sound(answer)
        return None if reason is None else f"{proof.what} gave {reason}"
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        return f"{proof.what} gave {answer.status} and no JSON"
    if not isinstance(body, dict):
        return f"{proof.what} gave {answer.status} and no JSON object"
    error = body.get("error")
    if answer.status != 200 or error:
        words = error.get("message") if isinstance(error, dict) else error
        return f"{proof.what} gave {answer.status}: {words}"
    try:
        reason = _JUDGES[proof.path](body)
    except (KeyError, IndexError, TypeError, AttributeError):
        return f"{proof.what} gave an answer of another shape"
    return None if reason is None else f"{proof.what} gave {reason}"


def _judge_chat(body: dict[str, Any]) -> str | None:
    message = body["choices"][0]["message"]
    tokens = body.get("usage", {}).get("completion_tokens", 0)
    return None if tokens or message.get("content") or message.get("reasoning_content") else "no token"


def _judge_embedding(body: dict[str, Any]) -> str | None:
    vector = body["data"][0]["embedding"]
    if not vector or not all(isinstance(x, int | float) and math.isfinite(x) for x in vector):
        return "no vector of numbers"
    return None if any(vector) else "a vector of zeros"


def _judge_scores(body: dict[str, Any]) -> str | None:
    scores = [result["relevance_score"] for result in body["results"]]
    if len(scores) != 2 or not all(isinstance(x, int | float) and math.isfinite(x) for x in scores):
        return "no score for each document"
    return None if scores[0] != scores[1] else "the same score for every document: the model has no head for scores"


def _judge_picture(body: dict[str, Any]) -> str | None:
    picture = body["data"][0]
    return None if picture.get("b64_json") or picture.get("url") else "no picture"


_JUDGES = {
    "/v1/chat/completions": _judge_chat,
    "/v1/embeddings": _judge_embedding,
    "/v1/rerank": _judge_scores,
    "/v1/images/generations": _judge_picture,
}
