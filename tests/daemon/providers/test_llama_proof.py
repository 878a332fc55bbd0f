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
    ("image", {"data": [{"b64_json": "iVBORw0="}]}),
    ("image", {"data": [{"url": "http://x/y.png"}]}),
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
    ("image", {"data": [{"b64_json": ""}]}, "no picture"),
    ("image", {"data": []}, "another shape"),
    ("rerank", scores(0, 0), "no head"),
    ("rerank", scores(1.0), "no score for each"),
    ("rerank", scores(1.0, None), "no score for each"),
]


def wave(samples: bytes) -> bytes:
    return b"RIFF\0\0\0\0WAVE".ljust(44, b"x") + samples


@pytest.mark.parametrize(
    ("body", "kind", "reason"),
    [
        (wave(b"\1\0" * 9), b"audio/wav", None),
        (b"ID3 ...", b"audio/mpeg", None),
        (wave(b"\0\0" * 9), b"audio/wav", "silence"),
        (wave(b""), b"audio/wav", "silence"),
        (b"", b"audio/wav", "no sound"),
        (b'{"ok":true}', b"application/json", "no sound but application/json"),
        (b"<html>", b"text/html; charset=utf-8", "no sound but text/html"),
    ],
)
def test_only_sound_proves_a_voice(body: bytes, kind: bytes, reason: str | None) -> None:
    said = judge(PROOFS["speech"], Answer(200, ((b"content-type", kind),), body))
    assert said is None if reason is None else reason in (said or "")


def test_a_voice_that_refuses_is_told_in_its_words() -> None:
    refusal = Answer(422, (), b'{"error":{"message":"no voice"}}')
    assert judge(PROOFS["speech"], refusal) == "speaking one word gave 422: no voice"


@pytest.mark.parametrize(("kind", "body"), GOOD)
def test_real_work_proves_a_backend(kind: Kind, body: Any) -> None:
    assert judge(PROOFS[kind], answer(body)) is None


@pytest.mark.parametrize(("kind", "body", "reason"), BAD)
def test_garbage_with_status_200_does_not(kind: Kind, body: Any, reason: str) -> None:
    assert reason in (judge(PROOFS[kind], answer(body)) or "")


def test_a_refusal_is_told_in_the_backends_words() -> None:
    refusal = answer({"error": {"code": 500, "message": "context is full"}}, 500)
    assert judge(PROOFS["chat"], refusal) == "generating one token gave 500: context is full"
