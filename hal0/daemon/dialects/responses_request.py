"""A request to OpenAI's Responses API, in the words of chat completions. No I/O here.

hal0 keeps no answers, and has no tools of its own: what builds on either is refused by name. Fields that the API does
not know pass to the backend, as those of chat completions do.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, Field

from hal0.daemon.dialects.conversation import Conversation, Part, image_part, last_text, text_part
from hal0.daemon.dialects.refusals import invalid, kind_of, list_of, quoted, text_of, unsupported
from hal0.daemon.proxy.body import Body
from hal0.errors import Hal0Error

# Known to the API and without a meaning here: they are told back in the answer, and no backend hears of them.
TOLD_BACK = ("metadata", "safety_identifier", "prompt_cache_key", "max_tool_calls", "user")
UNHEARD = {*TOLD_BACK, "service_tier", "prompt_cache_retention", "prompt_cache_options", "messages", "stream_options"}
# What `include` may ask for: parts of tools that hal0 has not, and reasoning, which comes in the clear.
INCLUDED = ("reasoning.encrypted_content", "web_search", "file_search", "code_interpreter", "computer_call_output")


class ResponsesBody(Body):
    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    input: str | list[Any] | None = None
    instructions: str | None = None
    stream: bool | None = None
    tools: list[Any] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None
    max_output_tokens: int | None = Field(None, ge=1)
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    include: list[Any] | None = None
    store: bool | None = None
    background: bool | None = None
    truncation: str | None = None
    previous_response_id: str | None = None
    conversation: Any = None
    prompt_: Any = Field(None, alias="prompt")

    @property
    def is_stream(self) -> bool:
        return bool(self.stream)

    def prompt(self) -> str:
        return self.input if isinstance(self.input, str) else last_text(self.input or [])


def chat_of(asked: ResponsesBody) -> dict[str, Any]:
    """The body for chat completions; raises `dispatch.*` for what cannot be said there."""
    _refuse(asked)
    tools, choice = _tools(asked)
    reasoning, text = asked.reasoning or {}, asked.text or {}
    fields = {
        "model": asked.model,
        "messages": _messages(asked),
        "stream": asked.stream,
        "stream_options": {"include_usage": True} if asked.stream else None,
        "max_tokens": asked.max_output_tokens,
        "temperature": asked.temperature,
        "top_p": asked.top_p,
        "tools": tools or None,
        "tool_choice": choice,
        "parallel_tool_calls": asked.parallel_tool_calls,
        "response_format": _response_format(text.get("format")),
        "verbosity": text.get("verbosity"),
        "reasoning_effort": reasoning.get("effort"),
    }
    if reasoning.get("effort") == "none":  # what templates of models have for it
        fields["chat_template_kwargs"] = {"enable_thinking": False}
    passing = {name: value for name, value in (asked.model_extra or {}).items() if name not in UNHEARD}
    return {**{name: value for name, value in fields.items() if value is not None}, **passing}


def _refuse(asked: ResponsesBody) -> None:
    """What needs something that hal0 does not have."""
    if asked.previous_response_id is not None:
        raise Hal0Error("dispatch.not_stored", param="previous_response_id", what=quoted(asked.previous_response_id))
    if asked.conversation is not None:
        raise Hal0Error("dispatch.not_stored", param="conversation", what="a conversation")
    if asked.background:
        raise unsupported("background", "an answer made in the background")
    if asked.prompt_ is not None:
        raise unsupported("prompt", "a prompt kept by its id")
    if asked.truncation not in (None, "disabled"):
        raise unsupported("truncation", f"truncation {quoted(asked.truncation)}")
    if asked.top_logprobs:
        raise unsupported("top_logprobs", "log probabilities")
    for number, name in enumerate(asked.include or ()):
        if not text_of(name, f"include.{number}").startswith(INCLUDED):
            raise unsupported(f"include.{number}", quoted(name))


def _messages(asked: ResponsesBody) -> list[dict[str, Any]]:
    conversation = Conversation()
    if asked.instructions:
        conversation.system(asked.instructions)
    if isinstance(asked.input, str):
        conversation.user([text_part(asked.input)])
    elif not asked.input:
        raise invalid("input", "the field is missing" if asked.input is None else "it has no items")
    else:
        for number, item in enumerate(asked.input):
            _add(conversation, item, f"input.{number}")
    return conversation.ended()


def _add(conversation: Conversation, item: Any, field: str) -> None:
    """One item of `input`. Messages may come without a type."""
    is_message = isinstance(item, dict) and "role" in item and item.get("type") is None
    kind = "message" if is_message else kind_of(item, field)
    if kind == "message":
        _add_message(conversation, item, field)
    elif kind == "reasoning":
        parts = list_of(item.get("content") or [], f"{field}.content")
        if text := "".join(_text(part, f"{field}.content.{number}") for number, part in enumerate(parts)):
            conversation.thinks(text)
    elif kind == "function_call":
        conversation.calls(
            id=text_of(item.get("call_id"), f"{field}.call_id"),
            name=text_of(item.get("name"), f"{field}.name"),
            arguments=text_of(item.get("arguments"), f"{field}.arguments"),
        )
    elif kind == "function_call_output":
        output = item.get("output")
        parts = [text_part(output)] if isinstance(output, str) else _parts(output, f"{field}.output")
        conversation.result(id=text_of(item.get("call_id"), f"{field}.call_id"), parts=parts)
    elif kind == "item_reference":
        raise Hal0Error("dispatch.not_stored", param=field, what=f"the item {quoted(str(item.get('id')))}")
    else:
        raise unsupported(field, f"an item of type {quoted(kind)}")


def _add_message(conversation: Conversation, item: dict[str, Any], field: str) -> None:
    role, content = text_of(item.get("role"), f"{field}.role"), item.get("content")
    parts = [text_part(content)] if isinstance(content, str) else _parts(content, f"{field}.content")
    if role == "user":
        conversation.user(parts)
    elif role in ("assistant", "system", "developer"):
        if any(part["type"] != "text" for part in parts):
            raise invalid(f"{field}.content", f"a message of the role {role!r} has text only")
        if role == "assistant":
            conversation.says("".join(part["text"] for part in parts))
        else:
            conversation.system("\n\n".join(part["text"] for part in parts))
    else:
        raise unsupported(f"{field}.role", f"the role {quoted(role)}")


def _parts(content: Any, field: str) -> list[Part]:
    return [_part(part, f"{field}.{number}") for number, part in enumerate(list_of(content, field))]


def _part(part: Any, field: str) -> Part:
    kind = kind_of(part, field)
    if kind in ("input_text", "output_text", "text", "refusal"):
        return text_part(_text(part, field))
    if kind == "input_image":
        if part.get("file_id") is not None:
            raise unsupported(f"{field}.file_id", "a file kept by its id")
        return image_part(text_of(part.get("image_url"), f"{field}.image_url"), detail=part.get("detail"))
    if kind == "input_audio":
        return {"type": "input_audio", "input_audio": part.get("input_audio")}
    raise unsupported(field, f"content of type {quoted(kind)}")


def _text(part: Any, field: str) -> str:
    key = "refusal" if kind_of(part, field) == "refusal" else "text"
    return text_of(part.get(key), f"{field}.{key}")


def _tools(asked: ResponsesBody) -> tuple[list[dict[str, Any]], Any]:
    tools = [_tool(tool, f"tools.{number}") for number, tool in enumerate(asked.tools or ())]
    choice = asked.tool_choice
    if choice is None or isinstance(choice, str):
        return tools, choice
    kind = kind_of(choice, "tool_choice")
    if kind == "function":
        name = text_of(choice.get("name"), "tool_choice.name")
        return tools, {"type": "function", "function": {"name": name}}
    if kind == "allowed_tools":
        return _allowed(tools, choice), choice.get("mode", "auto")
    raise unsupported("tool_choice", f"a choice of type {quoted(kind)}")


def _tool(tool: Any, field: str) -> dict[str, Any]:
    kind = kind_of(tool, field)
    if kind != "function":
        raise unsupported(field, f"a tool of type {quoted(kind)}")
    if isinstance(tool.get("function"), dict):  # as chat completions have it
        return dict(tool)
    text_of(tool.get("name"), f"{field}.name")
    return function_of(tool)


def function_of(tool: Mapping[str, Any]) -> dict[str, Any]:
    """A flat function as chat completions have it."""
    names = ("name", "description", "parameters", "strict")
    return {"type": "function", "function": {name: tool[name] for name in names if tool.get(name) is not None}}


def _allowed(tools: list[dict[str, Any]], choice: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The tools that a choice leaves."""
    names = set()
    for number, tool in enumerate(list_of(choice.get("tools"), "tool_choice.tools")):
        field = f"tool_choice.tools.{number}"
        if (kind := kind_of(tool, field)) != "function":
            raise unsupported(field, f"a tool of type {quoted(kind)}")
        names.add(text_of(tool.get("name"), f"{field}.name"))
    if missing := names - {tool["function"].get("name") for tool in tools}:
        raise invalid("tool_choice.tools", f"`tools` has no {min(missing)!r}")
    return [tool for tool in tools if tool["function"].get("name") in names]


def _response_format(format: Any) -> dict[str, Any] | None:
    if format is None:
        return None
    kind = kind_of(format, "text.format")
    if kind == "text":
        return None
    if kind == "json_object":
        return {"type": "json_object"}
    if kind != "json_schema":
        raise unsupported("text.format", f"a format of type {quoted(kind)}")
    if not isinstance(format.get("schema"), dict):
        raise invalid("text.format.schema", "it must be an object")
    names = ("name", "description", "schema", "strict")
    return {"type": kind, "json_schema": {name: format[name] for name in names if format.get(name) is not None}}
