"""An answer of chat completions, in the words of OpenAI's Responses API: one object, or its long row of events.

Each piece of text, of reasoning or of a call's arguments is one event, sent as it comes; items are opened and closed
around them. Every event is numbered, and the last one holds the whole answer. No I/O here.
"""

import time
from typing import Any

from hal0.daemon.dialects.chat import ChatAnswer, ToolCall, new_id
from hal0.daemon.dialects.responses_request import TOLD_BACK, ResponsesBody
from hal0.errors import Hal0Error

# Why an answer is not complete, by chat's reason for its end.
INCOMPLETE = {"length": "max_output_tokens", "content_filter": "content_filter"}

Item = dict[str, Any]


class ResponsesAnswer(ChatAnswer):
    """One answer, item by item."""

    def __init__(self, asked: ResponsesBody) -> None:
        self._asked = asked
        self._id = f"resp_{new_id()}"
        self._created_at = int(time.time())
        super().__init__(streams=bool(asked.stream))

    def restart(self) -> None:
        super().restart()
        self._number = 0
        self._output: list[Item] = []
        self._texts: list[str] = []  # of the item that is open

    # The row of events

    def on_begin(self) -> None:
        self._tell("response.created", response=self._response("in_progress"))
        self._tell("response.in_progress", response=self._response("in_progress"))

    def on_open_text(self) -> None:
        item = {"id": f"msg_{new_id()}", "type": "message", "status": "in_progress", "role": "assistant", "content": []}
        self._open_item(item)
        self._tell("response.content_part.added", **self._place(content=0), part=_text_part(""))

    def on_text(self, text: str) -> None:
        self._texts.append(text)
        self._tell("response.output_text.delta", **self._place(content=0), delta=text, logprobs=[])

    def on_open_reasoning(self) -> None:
        item = {"id": f"rs_{new_id()}", "type": "reasoning", "status": "in_progress", "summary": [], "content": []}
        self._open_item(item)
        self._tell("response.content_part.added", **self._place(content=0), part=_reasoning_part(""))

    def on_reasoning(self, text: str) -> None:
        self._texts.append(text)
        self._tell("response.reasoning_text.delta", **self._place(content=0), delta=text)

    def on_open_call(self, call: ToolCall) -> None:
        item = {"id": f"fc_{new_id()}", "type": "function_call", "status": "in_progress", "call_id": call.id}
        self._open_item({**item, "name": call.name, "arguments": ""})

    def on_arguments(self, text: str) -> None:
        self._texts.append(text)
        self._tell("response.function_call_arguments.delta", **self._place(), delta=text)

    def on_close(self) -> None:
        item, whole = self._output[-1], "".join(self._texts)
        self._close_item(item, whole, status="incomplete" if self.finish in INCOMPLETE else "completed")
        place = self._place(content=0)
        if item["type"] == "function_call":
            told = {**self._place(), "name": item["name"], "arguments": whole}
            self._tell("response.function_call_arguments.done", **told)
        elif item["type"] == "message":
            self._tell("response.output_text.done", **place, text=whole, logprobs=[])
            self._tell("response.content_part.done", **place, part=item["content"][0])
        else:
            self._tell("response.reasoning_text.done", **place, text=whole)
            self._tell("response.content_part.done", **place, part=item["content"][0])
        self._tell("response.output_item.done", output_index=place["output_index"], item=item)

    def on_end(self) -> None:
        answer = self.answer()
        self._tell(f"response.{answer['status']}", response=answer)

    def on_failure(self, error: Hal0Error) -> None:
        """Told twice: as the state of the response, and as an error that no client can take for the end."""
        if self._output and self._output[-1]["status"] == "in_progress":
            self._close_item(self._output[-1], "".join(self._texts), status="incomplete")
        # The API has a closed list of codes there; ours is in the sentence, and in the error.
        told = {"code": "server_error", "message": str(error)}
        self._tell("response.failed", response={**self._response("failed"), "error": told})
        envelope = error.envelope()["error"]
        self._tell("error", code=error.code, message=error.message, param=error.param, error=envelope)

    def answer(self) -> dict[str, Any]:
        reason = INCOMPLETE.get(self.finish)
        if reason is None:
            return {**self._response("completed"), "completed_at": int(time.time())}
        return {**self._response("incomplete"), "incomplete_details": {"reason": reason}}

    # What they hold

    def _open_item(self, item: Item) -> None:
        self._output.append(item)
        self._texts.clear()
        self._tell("response.output_item.added", output_index=len(self._output) - 1, item=item)

    def _close_item(self, item: Item, whole: str, *, status: str) -> None:
        item["status"] = status
        if item["type"] == "function_call":
            item["arguments"] = whole
        else:
            item["content"] = [_text_part(whole) if item["type"] == "message" else _reasoning_part(whole)]

    def _tell(self, kind: str, **event: Any) -> None:
        self.say(kind, {"type": kind, "sequence_number": self._number, **event})
        self._number += 1

    def _place(self, *, content: int | None = None) -> dict[str, Any]:
        """Where the open item, or its content, stands."""
        place = {"item_id": self._output[-1]["id"], "output_index": len(self._output) - 1}
        return place if content is None else {**place, "content_index": content}

    def _response(self, status: str) -> dict[str, Any]:
        asked = self._asked
        text, reasoning = asked.text or {}, asked.reasoning or {}
        extra = asked.model_extra or {}
        return {
            "id": self._id,
            "object": "response",
            "created_at": self._created_at,
            "status": status,
            "background": False,
            "completed_at": None,
            "error": None,
            "incomplete_details": None,
            "instructions": asked.instructions,
            "max_output_tokens": asked.max_output_tokens,
            "model": self.model,
            "output": self._output,
            "parallel_tool_calls": asked.parallel_tool_calls is not False,
            "previous_response_id": None,
            "reasoning": {"effort": reasoning.get("effort"), "summary": None},
            "service_tier": "default",
            "store": False,
            "temperature": asked.temperature,
            "text": {"format": text.get("format") or {"type": "text"}, "verbosity": text.get("verbosity") or "medium"},
            "tool_choice": asked.tool_choice or "auto",
            "tools": asked.tools or [],
            "top_p": asked.top_p,
            "truncation": "disabled",
            **{name: extra[name] for name in TOLD_BACK if name in extra},
            "usage": self._usage(),
        }

    def _usage(self) -> dict[str, Any] | None:
        usage = self.usage
        if usage is None:
            return None
        return {
            "input_tokens": usage.prompt,
            "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": 0},
            "output_tokens": usage.completion,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning},
            "total_tokens": usage.prompt + usage.completion,
        }


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _reasoning_part(text: str) -> dict[str, Any]:
    return {"type": "reasoning_text", "text": text}
