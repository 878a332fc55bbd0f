"""Embeddings with `dimensions`: shorter vectors of length 1, in the encoding asked for."""

import base64
import math
import struct

import pytest

from tests.fakes.backend import Asked, backend
from tests.fakes.door import relaying
from tests.fakes.http_client import ask, post

VECTOR = (3.0, 4.0, 12.0)


async def embeddings(asked: Asked) -> None:
    assert "dimensions" not in asked.json()
    encoded = base64.b64encode(struct.pack("<3f", *VECTOR)).decode()
    inputs = asked.json()["input"]
    data = [{"index": index, "embedding": encoded} for index in range(len(inputs) if isinstance(inputs, list) else 1)]
    await asked.json_answer({"object": "list", "model": "tiny", "data": data, "usage": {"prompt_tokens": 3}})


async def test_vectors_are_cut_and_of_length_1_again() -> None:
    async with backend(embeddings) as upstream, relaying(upstream.endpoint, kind="embedding") as relay:
        body = {"model": "primary", "input": ["a", "b"], "dimensions": 2, "user": "me"}
        answer = (await ask(relay.port, post("/v1/embeddings", body))).json()
        assert [entry["embedding"] for entry in answer["data"]] == [[pytest.approx(0.6), pytest.approx(0.8)]] * 2
        assert (answer["model"], answer["usage"]) == ("tiny", {"prompt_tokens": 3})
        assert (upstream.asked[0].json()["model"], upstream.asked[0].json()["user"]) == ("tiny", "me")


async def test_base64_stays_base64() -> None:
    async with backend(embeddings) as upstream, relaying(upstream.endpoint, kind="embedding") as relay:
        body = {"input": "a", "dimensions": 3, "encoding_format": "base64"}
        answer = (await ask(relay.port, post("/v1/embeddings", body))).json()
        vector = struct.unpack("<3f", base64.b64decode(answer["data"][0]["embedding"]))
        assert math.isclose(sum(number**2 for number in vector), 1.0, rel_tol=1e-6)


async def test_more_dimensions_than_the_model_has_are_refused() -> None:
    async with backend(embeddings) as upstream, relaying(upstream.endpoint, kind="embedding") as relay:
        seen = await ask(relay.port, post("/v1/embeddings", {"input": "a", "dimensions": 4}))
        assert (seen.status, seen.json()["error"]["param"]) == (400, "dimensions")


async def test_without_dimensions_the_answer_passes_as_it_is() -> None:
    async def script(asked: Asked) -> None:
        await asked.json_answer(b'{"data" : [ ]  }')

    async with backend(script) as upstream, relaying(upstream.endpoint, kind="embedding") as relay:
        assert (await ask(relay.port, post("/v1/embeddings", {"input": "a"}))).body == b'{"data" : [ ]  }'
