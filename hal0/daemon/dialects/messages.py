"""Anthropic's Messages API: what is asked there, how it is answered, how it fails, and its counting of tokens."""

import json

from hal0.daemon.dialects.chat import as_json
from hal0.daemon.dialects.counting import Counting
from hal0.daemon.dialects.messages_answer import MessagesAnswer, failure
from hal0.daemon.dialects.messages_request import MessagesBody, chat_of
from hal0.daemon.dialects.refusals import invalid
from hal0.daemon.dialects.saying import said_in_chat
from hal0.daemon.proxy.body import Call, Native, checked
from hal0.daemon.proxy.seams import Wording
from hal0.errors import Hal0Error

COUNT_PATH = "/v1/messages/count_tokens"


class MessagesWording:
    """How Anthropic's clients are told."""

    def headers(self, request: str) -> list[tuple[bytes, bytes]]:
        return [(b"request-id", request.encode())]

    def error(self, error: Hal0Error, *, request: str) -> bytes:
        return json.dumps(failure(error, request=request), default=str).encode()


class MessagesDialect:
    """The dialect of /v1/messages."""

    wording: Wording | None = MessagesWording()

    def call(self, path: str, raw: bytes) -> Call:
        asked = checked(MessagesBody, raw)
        if path == COUNT_PATH:
            asked = asked.model_copy(update={"stream": None})
        elif asked.max_tokens is None:
            raise invalid("max_tokens", "the field is missing")
        translation = Counting() if path == COUNT_PATH else MessagesAnswer(asked)
        return said_in_chat(asked, lambda: as_json(chat_of(asked)), translation, Native(path, raw))
