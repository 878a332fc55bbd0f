"""How many tokens a request has, told by the backend itself: with its template, its tools and its tokenizer.

llama-server has a path for it. A backend without one is asked for a single token of an answer, whose usage tells the
same number; the prompt that it reads for that is in its cache when the request itself comes. No I/O here.
"""

import json
from typing import Any

from hal0.daemon.dialects.chat import as_json
from hal0.daemon.providers.base import Api
from hal0.daemon.proxy.translation import Translation, Translator

COUNTING_PATH = "/v1/chat/completions/input_tokens"
UNKNOWN_PATH = frozenset({404, 405, 501})


class Counting:
    """One count; `more` stands beside the number in the answer."""

    stream: Translator | None = None

    def __init__(self, *, by_answer: bool = False, **more: Any) -> None:
        self._by_answer = by_answer
        self._more = more

    @property
    def path(self) -> str:
        return Api.CHAT.value if self._by_answer else COUNTING_PATH

    def body(self, chat: bytes) -> bytes:
        if not self._by_answer:
            return chat
        body = json.loads(chat)
        body.pop("max_completion_tokens", None)
        return as_json({**body, "max_tokens": 1})

    def instead(self, status: int) -> Translation | None:
        return Counting(by_answer=True, **self._more) if status in UNKNOWN_PATH and not self._by_answer else None

    def whole(self, body: bytes) -> bytes:
        try:
            answer = json.loads(body)
            count = answer["input_tokens"] if "input_tokens" in answer else answer["usage"]["prompt_tokens"]
        except (KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"not a count of tokens: {type(error).__name__}") from error
        if type(count) is not int or count < 0:
            raise ValueError(f"not a count of tokens: {count!r:.40}")
        return as_json({**self._more, "input_tokens": count})
