"""Embeddings of fewer dimensions than the model has, which llama.cpp takes for a wish and ignores.

The first numbers of each vector are kept and scaled to length 1 again, as OpenAI does. Models that were not trained for
it lose quality by it; that is the caller's choice. Requests without `dimensions` do not come here.
"""

import asyncio
import json
from typing import Any

from hal0.daemon.adapters.vectors import BYTES_ON_THE_LOOP, decode, encode, shortened
from hal0.daemon.proxy.body import Call, EmbeddingsBody
from hal0.errors import Hal0Error
from hal0.wire import Kind


class EmbeddingsAdapter:
    """The adapter for /v1/embeddings with `dimensions`."""

    def applies_to(self, call: Call, kind: Kind) -> bool:
        return _asked(call).dimensions is not None

    def request(self, call: Call, *, kind: Kind, model: str) -> tuple[str, bytes]:
        body = {**json.loads(call.raw), "model": model, "encoding_format": "base64"}
        del body["dimensions"]
        return call.api.value, json.dumps(body).encode()

    async def answer(self, call: Call, *, kind: Kind, body: bytes) -> bytes:
        if len(body) < BYTES_ON_THE_LOOP:
            return _answer(_asked(call), body)
        return await asyncio.to_thread(_answer, _asked(call), body)


def _asked(call: Call) -> EmbeddingsBody:
    assert isinstance(call.body, EmbeddingsBody)
    return call.body


def _answer(asked: EmbeddingsBody, body: bytes) -> bytes:
    assert asked.dimensions is not None
    try:
        answer = json.loads(body)
        for entry in answer["data"]:
            entry["embedding"] = _shortened(entry["embedding"], asked.dimensions, as_text=asked.encoding_format)
    except (KeyError, TypeError, AttributeError, RecursionError, ValueError) as error:
        raise ValueError(f"not an answer to embeddings: {type(error).__name__}") from error
    return json.dumps(answer).encode()


def _shortened(value: Any, dimensions: int, *, as_text: str | None) -> Any:
    vector = decode(value)
    if dimensions > len(vector):
        reason = f"the model has {len(vector)} dimensions"
        raise Hal0Error("dispatch.invalid_request", param="dimensions", field="dimensions", reason=reason)
    short = shortened(vector, dimensions)
    return encode(short) if as_text == "base64" else list(short)
