"""Anthropic's API: chat completions become Messages, requests to /v1/messages pass as they came. No I/O here."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from hal0.daemon.dialects.chat import as_json
from hal0.daemon.idioms.anthropic_answer import ChatOfMessages, CountOfMessages
from hal0.daemon.idioms.anthropic_request import count_of, messages_of
from hal0.daemon.remotes.idiom import Spoken
from hal0.daemon.remotes.offer import Offered
from hal0.errors import Hal0Error

CHAT, COUNT = "/chat/completions", "/chat/completions/input_tokens"
# The last version that takes `temperature`, `top_p` and `top_k`, from those models that do.
VERSION = "2023-06-01"
PAGE = 1000  # models


@dataclass(frozen=True, slots=True)
class Anthropic:
    """Whoever speaks Anthropic's API."""

    native: frozenset[str] = frozenset({"/v1/messages", "/v1/messages/count_tokens"})
    headers: Mapping[str, str] = field(default_factory=lambda: {"anthropic-version": VERSION})
    list_path: str = f"models?limit={PAGE}"

    def authorization(self, key: str) -> dict[bytes, bytes]:
        return {b"x-api-key": key.encode()}

    def next_page(self, body: Any) -> str | None:
        last = body.get("last_id") if isinstance(body, dict) and body.get("has_more") is True else None
        return f"{self.list_path}&after_id={quote(last, safe='')}" if isinstance(last, str) and last else None

    def spoken(self, path: str, body: bytes, *, remote: str, model: Offered | None) -> Spoken | None:
        if path not in (CHAT, COUNT):
            return None
        try:
            return self._spoken(path, json.loads(body), remote=remote, model=model)
        except (TypeError, AttributeError, LookupError, ValueError) as error:  # a field of a type that nobody expected
            reason = f"a field is of a wrong type: {error}"
            raise Hal0Error("dispatch.invalid_request", field="the body", reason=reason) from error

    def _spoken(self, path: str, chat: dict[str, Any], *, remote: str, model: Offered | None) -> Spoken:
        if path == COUNT:
            counted = as_json(count_of(chat, model=model))
            where = "/messages/count_tokens"
            return CountOfMessages(path=where, body=counted, remote=remote, streams=False, tells_usage=False)
        return ChatOfMessages(
            path="/messages",
            body=as_json(messages_of(chat, model=model)),
            remote=remote,
            streams=chat.get("stream") is True,
            tells_usage=(chat.get("stream_options") or {}).get("include_usage") is True,
        )
