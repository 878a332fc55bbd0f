"""Rerank on an embedding slot and on a rerank slot: one shape for the client."""

import base64
import struct
from typing import Any

import pytest

from tests.fakes.backend import Asked, backend
from tests.fakes.door import relaying
from tests.fakes.http_client import ask, post

# What the documents' vectors are; the query is "north".
COMPASS = {
    "north": (1.0, 0.0),
    "north-east": (0.7, 0.7),
    "east": (0.0, 1.0),
    "south": (-1.0, 0.0),
    "nowhere": (0.0, 0.0),
}
PATHS = ["/v1/rerankings", "/v1/rerank", "/v1/reranking", "/rerank"]


async def embeddings(asked: Asked) -> None:
    body = asked.json()
    data = []
    for index, text in enumerate(body["input"]):
        vector = struct.pack("<2f", *COMPASS[text])
        data.append({"index": index, "embedding": base64.b64encode(vector).decode(), "object": "embedding"})
    data.reverse()  # the index counts, not the order
    await asked.json_answer({"data": data, "model": "tiny", "usage": {"prompt_tokens": 9, "total_tokens": 9}})


@pytest.mark.parametrize("path", PATHS)
async def test_an_embedding_slot_ranks_by_the_similarity_of_embeddings(path: str) -> None:
    documents = ["south", {"text": "north-east", "id": 7}, "east", "nowhere", "north"]
    async with backend(embeddings) as upstream, relaying(upstream.endpoint, kind="embedding") as relay:
        body = {"model": "primary", "query": "north", "documents": documents, "return_documents": True, "top_n": 4}
        seen = await ask(relay.port, post(path, body))
        assert seen.status == 200
        answer = seen.json()
        assert [result["index"] for result in answer["results"]] == [4, 1, 2, 3]
        assert [round(result["relevance_score"], 3) for result in answer["results"]] == [1.0, 0.707, 0.0, 0.0]
        assert [result["document"] for result in answer["results"][:2]] == [{"text": "north"}, documents[1]]
        assert (answer["object"], answer["model"]) == ("list", "tiny")
        assert answer["usage"] == {"prompt_tokens": 9, "total_tokens": 9}
        assert seen.headers["x-hal0-slot"] == "primary"
        (asked,) = upstream.asked  # one request for all
        assert asked.line == "POST /v1/embeddings HTTP/1.1"
        assert asked.json()["input"] == ["north", "south", "north-east", "east", "nowhere", "north"]


async def test_documents_are_not_sent_back_unless_asked_for() -> None:
    async with backend(embeddings) as upstream, relaying(upstream.endpoint, kind="embedding") as relay:
        seen = await ask(relay.port, post("/v1/rerankings", {"query": "north", "documents": ["east", "north"]}))
        assert [set(result) for result in seen.json()["results"]] == [{"index", "relevance_score"}] * 2


async def test_a_rerank_slot_gives_its_own_scores_sorted_and_with_the_documents() -> None:
    async def script(asked: Asked) -> None:
        results = [{"index": 0, "relevance_score": -2.5}, {"index": 1, "relevance_score": 4.0}]
        await asked.json_answer({"model": "ranker", "results": results, "usage": {"total_tokens": 3}})

    async with backend(script) as upstream, relaying(upstream.endpoint, kind="rerank") as relay:
        body = {"query": "q", "documents": ["a", {"text": "b"}], "return_documents": True}
        seen = await ask(relay.port, post("/v1/rerankings", body))
        assert seen.json()["results"] == [
            {"index": 1, "relevance_score": 4.0, "document": {"text": "b"}},
            {"index": 0, "relevance_score": -2.5, "document": {"text": "a"}},
        ]
        assert upstream.asked[0].line == "POST /v1/rerank HTTP/1.1"
        assert upstream.asked[0].json()["documents"] == ["a", "b"]


async def test_many_long_documents_are_ranked_too() -> None:
    async def script(asked: Asked) -> None:
        count = len(asked.json()["input"])
        data = [{"index": i, "embedding": [1.0, i / count] + [0.0] * 382} for i in range(count)]
        await asked.json_answer({"data": data})

    async with backend(script) as upstream, relaying(upstream.endpoint, kind="embedding") as relay:
        seen = await ask(relay.port, post("/v1/rerankings", {"query": "q", "documents": [f"d{i}" for i in range(500)]}))
        assert [result["index"] for result in seen.json()["results"]] == list(range(500))


@pytest.mark.parametrize(
    "nonsense",
    [b"not json", {"data": []}, {"data": [{"index": 0, "embedding": [1.0]}]}, {"data": "x"}, [],
     {"data": [{"index": i, "embedding": "!!!"} for i in range(3)]},
     {"data": [{"index": i, "embedding": [1e308, 1e308]} for i in range(3)]}],
)  # fmt: skip
async def test_an_answer_that_makes_no_sense_is_an_error_of_the_slot(nonsense: Any) -> None:
    async def script(asked: Asked) -> None:
        await asked.json_answer(nonsense)

    async with backend(script) as upstream, relaying(upstream.endpoint, kind="embedding") as relay:
        seen = await ask(relay.port, post("/v1/rerankings", {"query": "q", "documents": ["a", "b"]}))
        assert (seen.status, seen.code) == (502, "slot.bad_response")
