"""How the admin API answers: wire models as JSON, failures in the envelope, server-sent events."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from pydantic import BaseModel
from quart import Response

from hal0.errors import Hal0Error

JSON = "application/json"


def reply(body: BaseModel | dict[str, Any], *, status: int = 200) -> Response:
    text = body.model_dump_json() if isinstance(body, BaseModel) else json.dumps(body, allow_nan=False)
    return Response(text, status=status, content_type=JSON)


def list_reply(name: str, items: Sequence[BaseModel]) -> Response:
    return Response(f'{{"{name}": [{", ".join(item.model_dump_json() for item in items)}]}}', content_type=JSON)


def error_reply(error: Hal0Error) -> Response:
    response = Response(error.body(), status=error.status, content_type=JSON)
    if error.status == 401:
        response.headers["www-authenticate"] = "Bearer"
    return response


def event_stream(chunks: AsyncIterator[str]) -> Response:
    """A response that goes on until the client leaves."""

    async def encoded() -> AsyncIterator[bytes]:
        async for chunk in chunks:
            yield chunk.encode()

    response = Response(encoded(), content_type="text/event-stream")
    response.headers["cache-control"] = "no-store"
    response.timeout = None
    return response


def query_number(value: str | None, name: str, *, default: int, most: int) -> int:
    """A whole number from the query string, within 0..most; raises `dispatch.invalid_request`."""
    if value is None:
        return default
    if not value.isascii() or not value.isdecimal() or len(value) > 18:
        raise Hal0Error("dispatch.invalid_request", param=name, field=name, reason="must be a whole number")
    return min(int(value), most)
