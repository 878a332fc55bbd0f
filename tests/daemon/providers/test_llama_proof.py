import json
from typing import Any

import pytest

from hal0.daemon.http.client import Answer
from hal0.daemon.providers.llama_proof import PROOFS, judge
from hal0.wire import Kind


def answer(body: Any, status: int = 200) -> Answer:
    return Answer(status, (), body if isinstance(body, bytes) else json.dumps(body).encode())


def chat(content: str | None, tokens: int | None, **message: Any) -> dict[str, Any]:
    usage = {} if tokens is None else {"usage": {"completion_tokens": tokens}}
    return {"choices": [{"message": {"content": content, **message}}], **usage}


def scores(*given: Any) -> dict[str, Any]:
    return {"results": [{"index": i, "relevance_score": score} for i, score in enumerate(given)]}


GOOD: list[tuple[Kind, Any]] = [
    ("chat", chat("Hi", 1)),
    ("chat", chat("", 1)),  # its first token was the end
    ("chat", chat("Hi", None)),
    ("chat", chat(None, None, reasoning_content="Hmm")),
    ("embedding", {"data": [{"embedding": [0.1, 0, -0.2]}]}),
    ("rerank", scores(2.5, -7.25)),
]
BAD: list[tuple[Kind, Any, str]] = [
    ("chat", chat("", 0), "no token"),
    ("chat", {"choices": []}, "another shape"),
    ("chat", {"choices": [{"message": None}]}, "another shape"),
    ("chat", [], "no JSON object"),
    ("chat", b"<html>", "no JSON"),
    ("chat", b"[" * 100_000, "no JSON"),
    ("embedding", {"data": [{"embedding": []}]}, "no vector"),
    ("embedding", {"data": [{"embedding": [0.0, 0.0]}]}, "zeros"),
    ("embedding", {"data": [{"embedding": [float("nan")]}]}, "no vector"),
    ("embedding", {"data": [{"embedding": ["x"]}]}, "no vector"),
    ("rerank", scores(0, 0), "no head"),
    ("rerank", scores(1.0), "no score for each"),
    ("rerank", scores(1.0, None), "no score for each"),
]


@pytest.mark.parametrize(("kind", "body"), GOOD)
def test_real_work_proves_a_backend(kind: Kind, body: Any) -> None:
    assert judge(PROOFS[kind], answer(body)) is None


@pytest.mark.parametrize(("kind", "body", "reason"), BAD)
def test_garbage_with_status_200_does_not(kind: Kind, body: Any, reason: str) -> None:
    assert reason in (judge(PROOFS[kind], answer(body)) or "")


def test_a_refusal_is_told_in_the_backends_words() -> None:
    refusal = answer({"error": {"code": 500, "message": "context is full"}}, 500)
    assert judge(PROOFS["chat"], refusal) == "generating one token gave 500: context is full"
