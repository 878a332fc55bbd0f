"""An answer of chat completions, in the words of Anthropic's Messages API: one message, or its row of events.

How long the prompt was is known when a backend has ended, so a stream tells it there; SDKs take it from the last
`message_delta`. No I/O here.
"""

import json
from typing import Any

from hal0.daemon.dialects.chat import ChatAnswer, ToolCall, new_id
from hal0.daemon.dialects.messages_request import MessagesBody
from hal0.errors import Hal0Error

STOP_REASONS = {"length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
# What Anthropic calls a failure, by its status; every other 4xx is the caller's mistake, every 5xx the server's.
TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}

TOO_LONG = "prompt is too long"  # how Anthropic's clients tell that failure from others


class MessagesAnswer(ChatAnswer):
    """One message, block by block."""

    def __init__(self, asked: MessagesBody) -> None:
        self._manages_context = "context_management" in (asked.model_extra or {})
        self._id = f"msg_{new_id()}"
        super().__init__(streams=bool(asked.stream))

    def restart(self) -> None:
        super().restart()
        self._blocks: list[dict[str, Any]] = []
        self._texts: list[str] = []  # of the block that is open

    # The row of events

    def on_begin(self) -> None:
        self._tell("message_start", message={**self.answer(), "stop_reason": None})
        self._tell("ping")

    def on_open_text(self) -> None:
        self._open_block({"type": "text", "text": ""})

    def on_text(self, text: str) -> None:
        self._add(text, {"type": "text_delta", "text": text})

    def on_open_reasoning(self) -> None:
        self._open_block({"type": "thinking", "thinking": "", "signature": ""})

    def on_reasoning(self, text: str) -> None:
        self._add(text, {"type": "thinking_delta", "thinking": text})

    def on_open_call(self, call: ToolCall) -> None:
        self._open_block({"type": "tool_use", "id": call.id, "name": call.name, "input": {}})

    def on_arguments(self, text: str) -> None:
        self._add(text, {"type": "input_json_delta", "partial_json": text})

    def on_close(self) -> None:
        block, whole = self._blocks[-1], "".join(self._texts)
        if block["type"] == "tool_use":
            block["input"] = self._arguments(whole)
        else:
            block[block["type"]] = whole
        if block["type"] == "thinking":  # clients wait for it; there is nothing to sign
            self._delta({"type": "signature_delta", "signature": ""})
        self._tell("content_block_stop", index=len(self._blocks) - 1)

    def on_end(self) -> None:
        answer = self.answer()
        said = {"delta": {"stop_reason": answer["stop_reason"], "stop_sequence": answer["stop_sequence"]}}
        if self._manages_context:
            said["context_management"] = answer["context_management"]
        self._tell("message_delta", **said, usage=answer["usage"])
        self._tell("message_stop")

    def on_failure(self, error: Hal0Error) -> None:
        self.say("error", failure(error))

    def answer(self) -> dict[str, Any]:
        reason = "stop_sequence" if self.stop is not None else STOP_REASONS.get(self.finish, "end_turn")
        if reason == "end_turn" and any(block["type"] == "tool_use" for block in self._blocks):
            reason = "tool_use"
        edited: dict[str, Any] = {"context_management": {"applied_edits": []}} if self._manages_context else {}
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": self._blocks,
            "stop_reason": reason,
            "stop_sequence": self.stop,
            **edited,
            "usage": self._usage(),
        }

    # What they hold

    def _open_block(self, block: dict[str, Any]) -> None:
        self._blocks.append(block)
        self._texts.clear()
        self._tell("content_block_start", index=len(self._blocks) - 1, content_block=block)

    def _add(self, text: str, delta: dict[str, Any]) -> None:
        self._texts.append(text)
        self._delta(delta)

    def _delta(self, delta: dict[str, Any]) -> None:
        self._tell("content_block_delta", index=len(self._blocks) - 1, delta=delta)

    def _tell(self, kind: str, **event: Any) -> None:
        self.say(kind, {"type": kind, **event})

    def _arguments(self, text: str) -> dict[str, Any]:
        """The arguments of a call as an object. Those cut off by `max_tokens` are none; a stream has shown them."""
        try:
            arguments = json.loads(text or "{}")
        except (ValueError, RecursionError):
            arguments = None
        if isinstance(arguments, dict):
            return arguments
        if self.stream is None and self.finish != "length":
            raise ValueError("the arguments of a tool call are not a JSON object")
        return {}

    def _usage(self) -> dict[str, Any]:
        """Anthropic counts what came from a cache apart. Without figures of the backend, its pieces are counted."""
        usage = self.usage
        if usage is None:
            return {"input_tokens": 0, "output_tokens": self.pieces}
        return {
            "input_tokens": usage.prompt - usage.cached,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": usage.cached,
            "output_tokens": usage.completion,
        }


def failure(error: Hal0Error, *, request: str | None = None) -> dict[str, Any]:
    """A failure as Anthropic tells of one, with our code and facts beside it."""
    message = error.message
    if error.code == "dispatch.context_exceeded":
        message = f"{TOO_LONG}: {message}"
    kind = TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "api_error")
    told = {"type": kind, "message": message, "code": error.code, "details": error.details, "param": error.param}
    return {"type": "error", "error": told, **({"request_id": request} if request else {})}
