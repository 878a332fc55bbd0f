"""An answer of Anthropic's Messages API, whole or event by event, in the words of chat completions. No I/O here.

What a model thinks becomes `reasoning_content`. Its blocks come along in `thinking_blocks` as well, since Anthropic
wants them back, signed, when results of tools follow; clients that keep the fields of a message send them along.
"""

import json
import time
from collections.abc import Mapping
from typing import Any

from hal0.daemon.dialects.chat import DONE, as_json
from hal0.daemon.dialects.events import EventData
from hal0.daemon.providers.base import Api
from hal0.daemon.proxy.faults import told_fault
from hal0.daemon.remotes.idiom import Counted
from hal0.errors import Hal0Error

FINISHES = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
THOUGHTS = ("thinking", "redacted_thinking")


class ChatOfMessages:
    """One answer on its way back."""

    def __init__(self, *, path: str, body: bytes, remote: str, streams: bool, tells_usage: bool) -> None:
        self.path = path
        self.body = body
        self.streams = streams
        self.failure: Hal0Error | None = None
        self.has_ended = False
        self._remote = remote
        self._tells_usage = tells_usage
        self._events = EventData()
        self._said: list[bytes] = []
        self._usage: dict[str, Any] = {}
        self._is_counted = False
        self._head: dict[str, Any] = {}
        self._calls: dict[int, int] = {}  # block → its number among the calls of tools
        self._with_arguments: set[int] = set()  # the blocks of which arguments came
        self._thoughts: dict[int, dict[str, Any]] = {}  # blocks that are open
        self._finish: dict[str, Any] = {}

    @property
    def counted(self) -> Counted | None:
        usage = self._usage
        if not self._is_counted:  # the first event of a stream has a number too, which is no count yet
            return None
        read, written = _count(usage, "cache_read_input_tokens"), _count(usage, "cache_creation_input_tokens")
        return Counted(
            prompt=_count(usage, "input_tokens") + read + written,
            completion=_count(usage, "output_tokens"),
            cached=read,
            cache_written=written,
        )

    # A whole answer

    def whole(self, body: bytes) -> bytes:
        try:
            return self._whole(json.loads(body))
        except (KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"not an answer of Messages: {type(error).__name__}") from error

    def _whole(self, message: dict[str, Any]) -> bytes:
        self._usage, self._is_counted = dict(message["usage"]), True
        blocks: list[dict[str, Any]] = message["content"]
        said: dict[str, Any] = {"role": "assistant", "content": None}
        if texts := [block["text"] for block in blocks if block["type"] == "text"]:
            said["content"] = "".join(texts)
        if thoughts := [block for block in blocks if block["type"] in THOUGHTS]:
            said["reasoning_content"] = "".join(block.get("thinking") or "" for block in thoughts)
            said["thinking_blocks"] = thoughts
        if calls := [_call(block) for block in blocks if block["type"] == "tool_use"]:
            said["tool_calls"] = calls
        choice = {"index": 0, "message": said, **_finish_of(message)}
        head = {"id": message["id"], "object": "chat.completion", "created": int(time.time())}
        return as_json({**head, "model": message["model"], "choices": [choice], "usage": self._told_usage()})

    # A stream

    def feed(self, data: bytes) -> bytes:
        try:
            for event in self._events.feed(data):
                if self.has_ended or self.failure is not None:
                    break
                self._take(json.loads(event))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
            reason = f"not a piece of a stream of Messages: {type(error).__name__}"
            self.failure = Hal0Error("slot.bad_response", slot=self._remote, reason=reason)
        said = b"".join(self._said)
        self._said.clear()
        return said

    def _take(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "message_start":
                message = event["message"]
                self._usage.update(message.get("usage") or {})
                self._head = {"id": message["id"], "object": "chat.completion.chunk", "created": int(time.time())}
                self._head["model"] = message["model"]
                self._delta({"role": "assistant", "content": None})
            case "content_block_start":
                self._open(event["index"], event["content_block"])
            case "content_block_delta":
                self._add(event["index"], event["delta"])
            case "content_block_stop":
                self._close(event["index"])
            case "message_delta":
                self._usage.update({name: value for name, value in event["usage"].items() if value is not None})
                self._is_counted = True
                self._finish = _finish_of(event["delta"])
            case "message_stop":
                self._end()
            case "error":
                self.failure = told_fault(slot=self._remote, kind="chat", api=Api.CHAT, body=as_json(event))

    def _open(self, index: int, block: dict[str, Any]) -> None:
        kind = block["type"]
        if kind == "tool_use":
            self._calls[index] = len(self._calls)
            function = {"name": block["name"], "arguments": ""}
            call = {"index": self._calls[index], "id": block["id"], "type": "function", "function": function}
            self._delta({"tool_calls": [call]})
            if block.get("input"):  # whole at once, as some that speak this API have it
                self._argue(index, json.dumps(block["input"], ensure_ascii=False))
        elif kind in THOUGHTS:
            self._thoughts[index] = dict(block)
            if block.get("thinking"):
                self._delta({"reasoning_content": block["thinking"]})
        elif kind == "text" and block.get("text"):
            self._delta({"content": block["text"]})

    def _add(self, index: int, delta: dict[str, Any]) -> None:
        match delta["type"]:
            case "text_delta":
                self._delta({"content": delta["text"]})
            case "thinking_delta":
                self._thoughts[index]["thinking"] = self._thoughts[index].get("thinking", "") + delta["thinking"]
                self._delta({"reasoning_content": delta["thinking"]})
            case "signature_delta":
                self._thoughts[index]["signature"] = delta["signature"]
            case "input_json_delta" if delta["partial_json"] and index in self._calls:
                self._argue(index, delta["partial_json"])

    def _argue(self, index: int, text: str) -> None:
        self._with_arguments.add(index)
        self._delta({"tool_calls": [{"index": self._calls[index], "function": {"arguments": text}}]})

    def _close(self, index: int) -> None:
        if (thought := self._thoughts.pop(index, None)) is not None:
            self._delta({"thinking_blocks": [thought]})
        if index in self._calls and index not in self._with_arguments:
            self._argue(index, "{}")  # nothing is no JSON, and clients of chat read it as such

    def _end(self) -> None:
        finish = self._finish or {"finish_reason": "stop"}
        self._say({"index": 0, "delta": {}, **finish})
        if self._tells_usage:
            self._chunk([], usage=self._told_usage())
        self._said.append(b"data: %b\n\n" % DONE)
        self.has_ended = True

    def _delta(self, delta: dict[str, Any]) -> None:
        self._say({"index": 0, "delta": delta, "finish_reason": None})

    def _say(self, choice: dict[str, Any]) -> None:
        if self._tells_usage:
            self._chunk([choice], usage=None)
        else:
            self._chunk([choice])

    def _chunk(self, choices: list[dict[str, Any]], **more: Any) -> None:
        self._said.append(b"data: %b\n\n" % as_json({**self._head, "choices": choices, **more}))

    def _told_usage(self) -> dict[str, Any]:
        counted = self.counted or Counted(0, 0)
        usage: dict[str, Any] = {
            "prompt_tokens": counted.prompt,
            "completion_tokens": counted.completion,
            "total_tokens": counted.prompt + counted.completion,
            "prompt_tokens_details": {
                "cached_tokens": counted.cached,
                "cache_write_tokens": counted.cache_written,
            },
        }
        details = self._usage.get("output_tokens_details")
        if isinstance(details, dict):
            usage["completion_tokens_details"] = {"reasoning_tokens": _count(details, "thinking_tokens")}
        return usage


class CountOfMessages(ChatOfMessages):
    """A count of tokens, which both APIs tell alike."""

    def whole(self, body: bytes) -> bytes:
        return body


def _finish_of(message: Mapping[str, Any]) -> dict[str, Any]:
    """Why it ended. The stop sequence that was met stands beside it, as vLLM has it."""
    finish = {"finish_reason": FINISHES.get(message.get("stop_reason") or "", "stop")}
    stop = message.get("stop_sequence")
    return finish if stop is None else {**finish, "stop_reason": stop}


def _call(block: dict[str, Any]) -> dict[str, Any]:
    arguments = json.dumps(block["input"], ensure_ascii=False)
    return {"id": block["id"], "type": "function", "function": {"name": block["name"], "arguments": arguments}}


def _count(usage: Mapping[str, Any], name: str) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) else 0
