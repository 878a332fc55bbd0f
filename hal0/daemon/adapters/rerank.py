"""Rerank: the backend's own scores on a slot for rerank, cosine similarity of embeddings on a slot for embeddings.

Either way the client gets one shape: results sorted, the best first, cut to `top_n`, with the documents if it asked for
them. An embedding slot is asked once, for the query and all documents together.
"""

import asyncio
import json
import math
from typing import Any

from hal0.daemon.adapters.vectors import BYTES_ON_THE_LOOP, cosine, decode
from hal0.daemon.proxy.body import Call, RerankBody
from hal0.wire import Kind


class RerankAdapter:
    """The adapter for /v1/rerankings."""

    def applies_to(self, call: Call, kind: Kind) -> bool:
        return True

    def request(self, call: Call, *, kind: Kind, model: str) -> tuple[str, bytes]:
        asked = _asked(call)
        if kind == "rerank":
            body = {"model": model, "query": asked.query, "documents": asked.texts, "top_n": len(asked.documents)}
            return "/v1/rerank", json.dumps(body).encode()
        texts = [asked.query, *asked.texts]
        return "/v1/embeddings", json.dumps({"model": model, "input": texts, "encoding_format": "base64"}).encode()

    async def answer(self, call: Call, *, kind: Kind, body: bytes) -> bytes:
        asked = _asked(call)
        if kind == "rerank" or len(body) < BYTES_ON_THE_LOOP:
            return _answer(asked, kind, body)
        return await asyncio.to_thread(_answer, asked, kind, body)


def _asked(call: Call) -> RerankBody:
    assert isinstance(call.body, RerankBody)
    return call.body


def _answer(asked: RerankBody, kind: Kind, body: bytes) -> bytes:
    try:
        answer = json.loads(body)
        scores = _own_scores(answer) if kind == "rerank" else _scores(answer)
    except (KeyError, TypeError, IndexError, AttributeError, RecursionError, ValueError) as error:
        raise ValueError(f"not an answer to rerank: {type(error).__name__}") from error
    if sorted(scores) != list(range(len(asked.documents))):
        raise ValueError(f"{len(scores)} scores for {len(asked.documents)} documents")
    if not all(map(math.isfinite, scores.values())):
        raise ValueError("a score that is not a number")
    ranked = sorted(scores.items(), key=lambda item: (-item[1], item[0]))[: asked.top_n]
    results = [_result(asked, index, score) for index, score in ranked]
    usage = answer.get("usage") or {}
    tokens = usage.get("total_tokens", usage.get("prompt_tokens", 0))
    whole = {
        "object": "list",
        "model": answer.get("model") or asked.model,
        "usage": {"prompt_tokens": usage.get("prompt_tokens", tokens), "total_tokens": tokens},
        "results": results,
    }
    return json.dumps(whole, ensure_ascii=False).encode("utf-8", "replace")


def _result(asked: RerankBody, index: int, score: float) -> dict[str, Any]:
    result: dict[str, Any] = {"index": index, "relevance_score": score}
    if asked.return_documents:
        document = asked.documents[index]
        result["document"] = document if isinstance(document, dict) else {"text": document}
    return result


def _own_scores(answer: dict[str, Any]) -> dict[int, float]:
    return {result["index"]: float(result["relevance_score"]) for result in answer["results"]}


def _scores(answer: dict[str, Any]) -> dict[int, float]:
    """Score of each document; the embeddings are those of the query, then of the documents."""
    vectors = {entry["index"]: decode(entry["embedding"]) for entry in answer["data"]}
    query = vectors.pop(0)
    return {index - 1: cosine(query, vector) for index, vector in vectors.items()}
