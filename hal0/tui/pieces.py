"""The pieces of a streamed chat completion, as the dashboard's chat takes them. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hal0.errors import Hal0Error
from hal0.voices import Hearing, Said


@dataclass(frozen=True, slots=True)
class Piece:
    """One event of an answer; what it does not tell is empty."""

    headers: dict[str, str]  # of the whole answer: `x-hal0-…`
    said: tuple[Said, ...] = ()
    tokens: int | None = None
    prompt_tokens: int | None = None


def read_piece(data: bytes, headers: dict[str, str], hearing: Hearing, *, where: str) -> Piece:
    """What one event says. Raises the failure that it tells of, or `system.bad_answer`."""
    try:
        chunk = json.loads(data)
        if failure := Hal0Error.from_envelope(chunk):
            raise failure
        if "error" in chunk:
            raise Hal0Error("system.bad_answer", where=where, reason=str(chunk["error"])[:200])
        choices, usage = chunk.get("choices") or [{}], chunk.get("usage") or {}
        delta: Mapping[str, Any] = choices[0].get("delta") or {}
        return Piece(
            headers,
            said=tuple(hearing.said(delta)),
            tokens=usage.get("completion_tokens"),
            prompt_tokens=usage.get("prompt_tokens"),
        )
    except (ValueError, AttributeError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise Hal0Error("system.bad_answer", where=where, reason="it is not a chat completion") from error
