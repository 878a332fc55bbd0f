"""Chat completions, for clients that mix the Responses API into them, as Cursor's agent does.

It sends `input` where `messages` were due, or functions written flat, as Responses has them. Both are converted, and
the answer is that of chat completions: such clients read nothing else. All other bodies go on as they came.
"""

import json
from typing import Any

from hal0.daemon.dialects.chat import as_json
from hal0.daemon.dialects.responses import as_chat
from hal0.daemon.dialects.responses_request import ResponsesBody, function_of
from hal0.daemon.providers.base import Api
from hal0.daemon.proxy.body import Call, ChatBody, checked, parse
from hal0.daemon.proxy.seams import Wording
from hal0.errors import Hal0Error


class CursorDialect:
    """The dialect of /v1/chat/completions."""

    wording: Wording | None = None

    def call(self, path: str, raw: bytes) -> Call:
        try:
            call = parse(Api.CHAT, raw)
        except Hal0Error as error:
            if error.code != "dispatch.invalid_request":
                raise
            if error.param == "messages" and b'"input"' in raw:
                asked = checked(ResponsesBody, raw)
                if asked.input is not None:
                    return as_chat(asked)
            if error.param == "tool_choice" and _is_flat(choice := json.loads(raw)["tool_choice"]):
                return _nested(raw, choice)
            raise
        assert isinstance(call.body, ChatBody)
        if call.body.tools and any(map(_is_flat, call.body.tools)):
            return _nested(raw, call.body.tool_choice)
        return call


def _is_flat(tool: Any) -> bool:
    """Whether it is a function as Responses has them."""
    return isinstance(tool, dict) and tool.get("type") == "function" and "function" not in tool and "name" in tool


def _nested(raw: bytes, choice: Any) -> Call:
    """The same chat with its functions as chat completions have them; other tools stay as they are."""
    body = json.loads(raw)
    if body.get("tools"):
        body["tools"] = [function_of(tool) if _is_flat(tool) else tool for tool in body["tools"]]
    if _is_flat(choice):
        body["tool_choice"] = {"type": "function", "function": {"name": choice["name"]}}
    return parse(Api.CHAT, as_json(body))
