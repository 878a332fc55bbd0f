"""Answers of chat completions, whole or streamed, taken apart for those who put them into other words. No I/O here.

A `ChatAnswer` calls one method for each thing that it finds: a piece of text, of reasoning or of a tool call, the end.
Its subclasses say it in the words of their API. Backends differ in what they leave out, so little is required.
"""

import json
import random
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hal0.daemon.dialects.events import EventData
from hal0.daemon.providers.base import Api
from hal0.daemon.proxy.translation import ToldFailure, Translation, Translator
from hal0.errors import Hal0Error

DONE = b"[DONE]"
TEXT, REASONING = "text", "reasoning"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens, by the backend's own count."""

    prompt: int
    cached: int
    completion: int
    reasoning: int


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool."""

    id: str
    name: str


class ChatAnswer(ABC):
    """One answer: a Translation, and its own Translator if it streams."""

    path = Api.CHAT.value

    def __init__(self, *, streams: bool) -> None:
        self._streams = streams
        self.restart()

    def restart(self) -> None:
        """Nothing has come yet. A whole answer that made no sense may be followed by that of another upstream."""
        self.model = ""
        self.usage: Usage | None = None
        self.pieces = 0  # of the answer so far
        self.finish = ""  # why the backend ended; empty while it goes on
        self.stop: str | None = None  # the stop sequence that it came to, if the backend tells
        self._events = EventData()
        self._out: list[bytes] = []
        self._open: object = None  # TEXT, REASONING, or the index of a tool call: what the last piece belonged to
        self._call: ToolCall | None = None
        self._calls = 0
        self._has_ended = False

    # Translation

    @property
    def stream(self) -> Translator | None:
        return self if self._streams else None

    def body(self, chat: bytes) -> bytes:
        return chat

    def instead(self, status: int) -> Translation | None:
        return None

    def whole(self, body: bytes) -> bytes:
        if self._streams:
            raise ValueError("it answered without a stream")
        self.restart()
        try:
            answer = json.loads(body)
            choice = answer["choices"][0]
            self.model = str(answer.get("model") or "")
            self._take_usage(answer.get("usage"))
            self._take(choice["message"])
            self._take_finish(choice)
        except (KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"not an answer to chat: {type(error).__name__}") from error
        self._turn_to(None)
        return as_json(self.answer())

    # Translator

    @property
    def has_ended(self) -> bool:
        return self._has_ended

    def begin(self, *, model: str) -> bytes:
        self.model = model
        self.on_begin()
        return self._said()

    def feed(self, data: bytes) -> bytes:
        for event in self._events.feed(data):
            if self._has_ended:
                break
            if event == DONE:
                self._finish()
                continue
            try:
                self._take_event(json.loads(event))
            except (KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
                raise ValueError(f"not a piece of a chat's stream: {type(error).__name__}") from error
        return self._said()

    def end(self) -> bytes:
        self._finish()
        return self._said()

    def fail(self, error: Hal0Error) -> bytes:
        if not self._has_ended:
            self._has_ended = True
            self.on_failure(error)
        return self._said()

    # What a subclass says

    @abstractmethod
    def on_begin(self) -> None: ...

    @abstractmethod
    def on_open_text(self) -> None: ...

    @abstractmethod
    def on_text(self, text: str) -> None: ...

    @abstractmethod
    def on_open_reasoning(self) -> None: ...

    @abstractmethod
    def on_reasoning(self, text: str) -> None: ...

    @abstractmethod
    def on_open_call(self, call: ToolCall) -> None: ...

    @abstractmethod
    def on_arguments(self, text: str) -> None:
        """A part of the arguments of the call that is open."""

    @abstractmethod
    def on_close(self) -> None:
        """What is open, text, reasoning or call, is over."""

    @abstractmethod
    def on_end(self) -> None:
        """The last words of a stream."""

    @abstractmethod
    def on_failure(self, error: Hal0Error) -> None: ...

    @abstractmethod
    def answer(self) -> dict[str, Any]:
        """All of it, at the end."""

    def say(self, kind: str, event: Mapping[str, Any]) -> None:
        """One event to the client."""
        if self._streams:
            self._out.append(b"event: %b\ndata: %b\n\n" % (kind.encode(), as_json(event)))

    # The backend's events

    def _take_event(self, event: dict[str, Any]) -> None:
        if event.get("error"):
            raise ToldFailure(as_json(event))
        self._take_usage(event.get("usage"))
        for choice in event.get("choices") or ():
            if choice.get("index", 0) == 0:
                self._take(choice.get("delta") or {})
                self._take_finish(choice)

    def _take(self, message: dict[str, Any]) -> None:
        """A piece of the answer, or all of it."""
        if reasoning := message.get("reasoning_content") or message.get("reasoning"):
            self.pieces += 1
            if self._turn_to(REASONING):
                self.on_open_reasoning()
            self.on_reasoning(reasoning)
        if text := message.get("content"):
            self.pieces += 1
            if self._turn_to(TEXT):
                self.on_open_text()
            self.on_text(text)
        for call in message.get("tool_calls") or ():
            self.pieces += 1
            self._take_call(call)

    def _take_call(self, call: dict[str, Any]) -> None:
        """A tool call, or more of its arguments. Some backends send no index, or the same one for every call."""
        function, id = call.get("function") or {}, call.get("id")
        is_known = self._call is not None and id in (None, "", self._call.id)
        index = call.get("index")
        if index is None:
            index = self._open if is_known and not function.get("name") else self._calls
        if index != self._open or not is_known:
            if not function.get("name"):
                raise ValueError("more of a tool call that is over, or that has no name")
            self._turn_to(None)
            self._turn_to(index)
            self._calls += 1
            self._call = ToolCall(id or f"call_{new_id()}", function["name"])
            self.on_open_call(self._call)
        arguments = function.get("arguments")
        if isinstance(arguments, dict):
            arguments = json.dumps(arguments)
        if arguments:
            self.on_arguments(arguments)

    def _turn_to(self, what: object) -> bool:
        """Whether the next piece begins something; what was open before is closed then."""
        if self._open == what:
            return False
        if self._open is not None:
            self.on_close()
        self._open = what
        return True

    def _take_finish(self, choice: dict[str, Any]) -> None:
        self.finish = choice.get("finish_reason") or self.finish
        stop = choice.get("stop_reason")  # vLLM's; a number if it was a token
        self.stop = stop if isinstance(stop, str) else self.stop

    def _take_usage(self, usage: Any) -> None:
        if usage:
            inner = usage.get("prompt_tokens_details") or {}
            outer = usage.get("completion_tokens_details") or {}
            self.usage = Usage(
                prompt=int(usage.get("prompt_tokens") or 0),
                cached=int(inner.get("cached_tokens") or 0),
                completion=int(usage.get("completion_tokens") or 0),
                reasoning=int(outer.get("reasoning_tokens") or 0),
            )

    def _finish(self) -> None:
        if self.finish and not self._has_ended:
            self._turn_to(None)
            self.on_end()
            self._has_ended = True

    def _said(self) -> bytes:
        said = b"".join(self._out)
        self._out.clear()
        return said


def as_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def new_id() -> str:
    return f"{random.getrandbits(128):032x}"
