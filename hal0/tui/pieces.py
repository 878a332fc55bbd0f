"""The pieces of a streamed chat completion, as the dashboard's chat takes them. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hal0.errors import Hal0Error


@dataclass(frozen=True, slots=True)
class Piece:
    """One event of an answer; what it does not tell is empty."""

    headers: dict[str, str]  # of the whole answer: `x-hal0-…`
    text: str = ""
    reasoning: str = ""
    tokens: int | None = None
    prompt_tokens: int | None = None


def read_piece(data: bytes, headers: dict[str, str], *, where: str) -> Piece:
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
            text=str(delta.get("content") or "") + _calls(delta),
            reasoning=str(delta.get("reasoning_content") or ""),
            tokens=usage.get("completion_tokens"),
            prompt_tokens=usage.get("prompt_tokens"),
        )
    except (ValueError, AttributeError, KeyError, IndexError, TypeError, RecursionError) as error:
        raise Hal0Error("system.bad_answer", where=where, reason="it is not a chat completion") from error


def _calls(delta: Mapping[str, Any]) -> str:
    """A call of a tool, readable: its name once, its arguments as they come."""
    told = ""
    for call in delta.get("tool_calls") or ():
        function = call.get("function") or {}
        told += f"\n[calls {function['name']}] " if function.get("name") else ""
        told += str(function.get("arguments") or "")
    return told
