"""A request to Anthropic's Messages API, in the words of chat completions. No I/O here.

hal0 has no tools of its own, no files and no containers: what builds on them is refused by name. Marks for prompt
caching need nothing done, as backends keep the beginnings of prompts by themselves.
"""

import json
from typing import Any

from pydantic import ConfigDict, Field

from hal0.daemon.dialects.conversation import Conversation, Part, image_part, last_text, text_part
from hal0.daemon.dialects.refusals import invalid, kind_of, list_of, quoted, text_of, unsupported
from hal0.daemon.proxy.body import Body

# Known to the API and without a meaning for a backend. `context_management` edits what is long at Anthropic's; here
# nothing is edited, and the answer says so.
UNHEARD = {"cache_control", "service_tier", "inference_geo", "speed", "diagnostics", "context_management", "betas"}
REFUSED = {"container": "a container", "mcp_servers": "servers of tools"}
CHOICES = {"auto": "auto", "any": "required", "none": "none"}
CUSTOM_TOOL = (None, "custom")


class MessagesBody(Body):
    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    max_tokens: int | None = Field(None, ge=1)
    messages: list[Any] = Field(min_length=1)
    system: str | list[Any] | None = None
    stream: bool | None = None
    stop_sequences: list[Any] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    tools: list[Any] | None = None
    tool_choice: dict[str, Any] | None = None
    thinking: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    output_config: dict[str, Any] | None = None
    output_format: dict[str, Any] | None = None

    @property
    def is_stream(self) -> bool:
        return bool(self.stream)

    def prompt(self) -> str:
        return last_text(self.messages)


def chat_of(asked: MessagesBody) -> dict[str, Any]:
    """The body for chat completions; raises `dispatch.*` for what cannot be said there."""
    extra = asked.model_extra or {}
    for name, what in REFUSED.items():
        if extra.get(name):
            raise unsupported(name, what)
    output, choice = asked.output_config or {}, asked.tool_choice or {}
    fields = {
        "model": asked.model,
        "messages": _messages(asked),
        "stream": asked.stream,
        "stream_options": {"include_usage": True} if asked.stream else None,
        "max_tokens": asked.max_tokens,
        "temperature": asked.temperature,
        "top_p": asked.top_p,
        "top_k": asked.top_k,
        "stop": [text_of(text, f"stop_sequences.{n}") for n, text in enumerate(asked.stop_sequences or ())] or None,
        "tools": [_tool(tool, f"tools.{number}") for number, tool in enumerate(asked.tools or ())] or None,
        "tool_choice": _tool_choice(choice) if choice else None,
        "parallel_tool_calls": False if choice.get("disable_parallel_tool_use") else None,
        "response_format": _response_format(output.get("format") or asked.output_format),
        "reasoning_effort": output.get("effort"),
        **_thinking(asked.thinking),
    }
    passing = {name: value for name, value in extra.items() if name not in UNHEARD and name not in REFUSED}
    return {**{name: value for name, value in fields.items() if value is not None}, **passing}


def _thinking(thinking: dict[str, Any] | None) -> dict[str, Any]:
    """What templates of models have for it, and llama.cpp for its bound."""
    if thinking is None:
        return {}
    kind = kind_of(thinking, "thinking")
    if kind == "disabled":
        return {"chat_template_kwargs": {"enable_thinking": False}}
    if kind == "enabled":
        budget = thinking.get("budget_tokens")
        if budget is not None and type(budget) is not int:
            raise invalid("thinking.budget_tokens", "it must be a whole number")
        named = ("thinking_budget_tokens", "reasoning_budget_tokens")  # builds of llama.cpp differ in which they read
        return {"chat_template_kwargs": {"enable_thinking": True}, **dict.fromkeys(named, budget)}
    if kind == "adaptive":  # the model decides, as it does without a word
        return {}
    raise unsupported("thinking", f"thinking of type {quoted(kind)}")


def _messages(asked: MessagesBody) -> list[dict[str, Any]]:
    conversation = Conversation()
    if asked.system:
        conversation.system(_only_text(asked.system, "system"))
    for number, message in enumerate(asked.messages):
        field = f"messages.{number}"
        if not isinstance(message, dict):
            raise invalid(field, "it must be an object")
        role, content = text_of(message.get("role"), f"{field}.role"), message.get("content")
        if role == "assistant":
            _add_assistant(conversation, content, f"{field}.content")
        elif role == "user":
            _add_user(conversation, content, f"{field}.content")
        elif role == "system":
            conversation.system(_only_text(content, f"{field}.content"))
        else:
            raise unsupported(f"{field}.role", f"the role {quoted(role)}")
    return conversation.ended()


def _add_assistant(conversation: Conversation, content: Any, field: str) -> None:
    if isinstance(content, str):
        conversation.says(content)
        return
    text: list[str] = []
    for number, block in enumerate(list_of(content, field)):
        place = f"{field}.{number}"
        kind = kind_of(block, place)
        if kind == "text":
            text.append(text_of(block.get("text"), f"{place}.text"))
            continue
        if text:
            conversation.says("".join(text))
            text.clear()
        if kind == "thinking":
            conversation.thinks(text_of(block.get("thinking"), f"{place}.thinking"))
        elif kind == "tool_use":
            _add_tool_use(conversation, block, place)
        elif kind != "redacted_thinking":  # nobody but its maker can read it
            raise unsupported(place, f"content of type {quoted(kind)} of the assistant")
    if text:
        conversation.says("".join(text))


def _add_tool_use(conversation: Conversation, block: dict[str, Any], field: str) -> None:
    id, name = text_of(block.get("id"), f"{field}.id"), text_of(block.get("name"), f"{field}.name")
    if not isinstance(block.get("input"), dict):
        raise invalid(f"{field}.input", "it must be an object")
    conversation.calls(id=id, name=name, arguments=json.dumps(block["input"], ensure_ascii=False))


def _add_user(conversation: Conversation, content: Any, field: str) -> None:
    """Results of tools are messages of their own in a chat; the rest stays together, in order."""
    if isinstance(content, str):
        conversation.user([text_part(content)])
        return
    parts: list[Part] = []
    for number, block in enumerate(list_of(content, field)):
        place = f"{field}.{number}"
        if kind_of(block, place) != "tool_result":
            parts += _parts(block, place)
            continue
        if parts:
            conversation.user(parts)
            parts = []
        _add_result(conversation, block, place)
    if parts:
        conversation.user(parts)


def _add_result(conversation: Conversation, block: dict[str, Any], field: str) -> None:
    content = block.get("content")
    if content is None or isinstance(content, str):
        parts = [text_part(content or "")]
    else:
        blocks = enumerate(list_of(content, f"{field}.content"))
        parts = [part for number, inner in blocks for part in _parts(inner, f"{field}.content.{number}")]
    if block.get("is_error"):  # a chat has no other way to say so
        parts = [text_part("Error: "), *parts] if len(parts) != 1 else [_marked(parts[0])]
    conversation.result(id=text_of(block.get("tool_use_id"), f"{field}.tool_use_id"), parts=parts)


def _marked(part: Part) -> Part:
    return text_part("Error: " + part["text"]) if part["type"] == "text" else part


def _parts(block: Any, field: str) -> list[Part]:
    """What a block of a user or a tool is in a chat."""
    kind = kind_of(block, field)
    if kind == "text":
        return [text_part(text_of(block.get("text"), f"{field}.text"))]
    if kind == "image":
        return [_image(block.get("source"), f"{field}.source")]
    if kind == "document":
        return _document(block.get("source"), f"{field}.source")
    raise unsupported(field, f"content of type {quoted(kind)}")


def _image(source: Any, field: str) -> Part:
    kind = kind_of(source, field)
    if kind == "url":
        return image_part(text_of(source.get("url"), f"{field}.url"))
    if kind == "base64":
        media = text_of(source.get("media_type"), f"{field}.media_type")
        return image_part(f"data:{media};base64,{text_of(source.get('data'), f'{field}.data')}")
    raise unsupported(field, f"an image from a source of type {quoted(kind)}")


def _document(source: Any, field: str) -> list[Part]:
    kind = kind_of(source, field)
    if kind == "text":
        return [text_part(text_of(source.get("data"), f"{field}.data"))]
    if kind != "content":
        raise unsupported(field, f"a document from a source of type {quoted(kind)}")
    content = source.get("content")
    if isinstance(content, str):
        return [text_part(content)]
    blocks = enumerate(list_of(content, f"{field}.content"))
    return [part for number, inner in blocks for part in _parts(inner, f"{field}.content.{number}")]


def _only_text(content: Any, field: str) -> str:
    if isinstance(content, str):
        return content
    texts = []
    for number, block in enumerate(list_of(content, field)):
        place = f"{field}.{number}"
        if (kind := kind_of(block, place)) != "text":
            raise unsupported(place, f"content of type {quoted(kind)}")
        texts.append(text_of(block.get("text"), f"{place}.text"))
    return "\n\n".join(texts)


def _tool(tool: Any, field: str) -> dict[str, Any]:
    if not isinstance(tool, dict):
        raise invalid(field, "it must be an object")
    if tool.get("type") not in CUSTOM_TOOL:
        raise unsupported(field, f"a tool of type {quoted(str(tool['type']))}")
    name = text_of(tool.get("name"), f"{field}.name")
    if not isinstance(tool.get("input_schema"), dict):
        raise invalid(f"{field}.input_schema", "it must be an object")
    function = {"name": name, "description": tool.get("description"), "parameters": tool["input_schema"]}
    function["strict"] = tool.get("strict")
    return {"type": "function", "function": {key: value for key, value in function.items() if value is not None}}


def _tool_choice(choice: dict[str, Any]) -> Any:
    kind = kind_of(choice, "tool_choice")
    if kind == "tool":
        return {"type": "function", "function": {"name": text_of(choice.get("name"), "tool_choice.name")}}
    if kind not in CHOICES:
        raise unsupported("tool_choice", f"a choice of type {quoted(kind)}")
    return CHOICES[kind]


def _response_format(format: Any) -> dict[str, Any] | None:
    if format is None:
        return None
    kind = kind_of(format, "output_config.format")
    if kind != "json_schema":
        raise unsupported("output_config.format", f"a format of type {quoted(kind)}")
    if not isinstance(format.get("schema"), dict):
        raise invalid("output_config.format.schema", "it must be an object")
    return {"type": kind, "json_schema": {"name": "answer", "schema": format["schema"], "strict": True}}
