"""A request of chat completions, in the words of Anthropic's Messages API. No I/O here.

What that API cannot do is refused by name; fields that chat completions do not know pass, and Anthropic refuses those
that it does not know. Turns alternate there, results of tools stand at the beginning of the user's, and there is one
system prompt, so messages are put together.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from hal0.daemon.dialects.refusals import invalid, kind_of, list_of, quoted, text_of, unsupported
from hal0.daemon.idioms.anthropic_thinking import thinking_of
from hal0.daemon.remotes.offer import Offered

# Without a word on it an answer may have so many tokens, as Anthropic wants a number: enough for people, and few enough
# for its smallest models.
MAX_TOKENS = 8192
# Of no effect on the answer, or only a wish: what is kept where, for whom it is counted, how to repeat it.
UNHEARD = frozenset(
    {
        "stream_options", "user", "safety_identifier", "store", "metadata", "service_tier", "seed", "verbosity",
        "prompt_cache_key", "prompt_cache_retention", "chat_template_kwargs", "thinking_budget_tokens",
        "reasoning_budget_tokens",
    }
)  # fmt: skip
TRANSLATED = frozenset(
    {
        "messages", "max_tokens", "max_completion_tokens", "stop", "temperature", "tools", "tool_choice",
        "parallel_tool_calls", "response_format", "reasoning_effort", "thinking", "n", "logprobs", "top_logprobs",
        "logit_bias", "presence_penalty", "frequency_penalty", "modalities", "audio", "prediction",
        "web_search_options", "functions", "function_call", "output_config",
    }
)  # fmt: skip
REFUSED = {
    "logprobs": "log probabilities",
    "top_logprobs": "log probabilities",
    "logit_bias": "a bias on tokens",
    "presence_penalty": "a penalty on tokens",
    "frequency_penalty": "a penalty on tokens",
    "audio": "spoken answers",
    "prediction": "a predicted answer",
    "web_search_options": "a search of the web",
    "functions": "the old form of functions",
    "function_call": "the old form of functions",
}
CHOICES = {"auto": "auto", "required": "any", "none": "none"}
COUNTED = ("model", "messages", "system", "tools", "tool_choice", "thinking")  # what a count of tokens takes
UNFIT = re.compile(r"[^A-Za-z0-9_-]")  # in the id of a tool's call

Block = dict[str, Any]


def messages_of(chat: Mapping[str, Any], *, model: Offered | None) -> dict[str, Any]:
    """The body for Messages; raises `dispatch.unsupported` or `dispatch.invalid_request`."""
    _refuse(chat)
    conversation = _Conversation()
    for number, message in enumerate(chat["messages"]):
        conversation.add(message, f"messages.{number}")
    tools = [_tool(tool, f"tools.{number}") for number, tool in enumerate(chat.get("tools") or ())]
    most, is_asked = _max_tokens(chat, model)
    temperature = chat.get("temperature")
    fields = {
        "max_tokens": most,
        "system": conversation.system(),
        "messages": conversation.ended(),
        "stop_sequences": _stop(chat.get("stop")),
        "temperature": temperature if temperature is None else min(temperature, 1),  # it ends there, as Anthropic's own
        "tools": tools or None,
        "tool_choice": _tool_choice(chat) if tools else None,
        "output_config": _output(chat.get("response_format"), chat.get("output_config")),
        "metadata": _metadata(chat),
    }
    passing = {name: value for name, value in chat.items() if name not in UNHEARD and name not in TRANSLATED}
    body = {name: value for name, value in {**passing, **fields}.items() if value is not None}
    return thinking_of(chat, body, model=model, is_most_asked=is_asked)


def count_of(chat: Mapping[str, Any], *, model: Offered | None) -> dict[str, Any]:
    """The body for its count of tokens."""
    body = messages_of(chat, model=model)
    return {name: body[name] for name in COUNTED if name in body}


def _refuse(chat: Mapping[str, Any]) -> None:
    if (chat.get("n") or 1) != 1:
        raise unsupported("n", "more than one answer")
    for name, what in REFUSED.items():
        if chat.get(name):
            raise unsupported(name, what)
    if any(each != "text" for each in chat.get("modalities") or ()):
        raise unsupported("modalities", "an answer in anything but text")


def _max_tokens(chat: Mapping[str, Any], model: Offered | None) -> tuple[int, bool]:
    """How many, and whether the request says so; -1 is how llama.cpp's clients say that they do not mind."""
    for name in ("max_completion_tokens", "max_tokens"):
        asked = chat.get(name)
        if isinstance(asked, int) and asked > 0:
            return asked, True
    return min(MAX_TOKENS, model.max_tokens or MAX_TOKENS) if model else MAX_TOKENS, False


def _stop(stop: Any) -> list[str] | None:
    texts = [stop] if isinstance(stop, str) else stop or []
    for number, text in enumerate(texts):
        if not text.strip():
            raise unsupported(f"stop.{number}", "a stop sequence without a visible character")
    return texts or None


def _metadata(chat: Mapping[str, Any]) -> dict[str, Any] | None:
    user = chat.get("safety_identifier") or chat.get("user")
    return {"user_id": user} if isinstance(user, str) else None


def _output(format: Any, given: Any) -> dict[str, Any] | None:
    """Of an answer by a schema; `given` is Anthropic's own field, which clients of its models know."""
    config = dict(given) if isinstance(given, dict) else {}
    if format is not None:
        kind = kind_of(format, "response_format")
        if kind == "json_schema":
            schema = format.get("json_schema")
            if not isinstance(schema, dict) or not isinstance(schema.get("schema"), dict):
                raise invalid("response_format.json_schema.schema", "it must be an object")
            config["format"] = {"type": "json_schema", "schema": schema["schema"]}
        elif kind != "text":
            raise unsupported("response_format", f"a format of type {quoted(kind)} (json_schema is supported)")
    return config or None


def _tool(tool: Any, field: str) -> Block:
    kind = kind_of(tool, field)
    function = tool.get("function")
    if kind != "function" or not isinstance(function, dict):
        raise unsupported(field, f"a tool of type {quoted(kind)}")
    made: Block = {"name": text_of(function.get("name"), f"{field}.function.name")}
    if function.get("description"):
        made["description"] = function["description"]
    made["input_schema"] = {"type": "object", **(function.get("parameters") or {"properties": {}})}
    if function.get("strict"):
        made["strict"] = True
    return _marked(made, tool)


def _tool_choice(chat: Mapping[str, Any]) -> Block | None:
    choice = chat.get("tool_choice")
    made: Block | None = None
    if isinstance(choice, dict):
        kind = kind_of(choice, "tool_choice")
        if kind != "function":
            raise unsupported("tool_choice", f"a choice of type {quoted(kind)}")
        function = choice.get("function") or {}
        made = {"type": "tool", "name": text_of(function.get("name"), "tool_choice.function.name")}
    elif choice is not None:
        if choice not in CHOICES:
            raise unsupported("tool_choice", f"the choice {quoted(str(choice))}")
        made = {"type": CHOICES[choice]}
    if chat.get("parallel_tool_calls") is False and (made is None or made["type"] != "none"):
        made = {**(made or {"type": "auto"}), "disable_parallel_tool_use": True}
    return made


class _Conversation:
    """Turns of Messages, made of messages of a chat."""

    def __init__(self) -> None:
        self._system: list[Block] = []
        self._turns: list[dict[str, Any]] = []

    def add(self, message: Mapping[str, Any], field: str) -> None:
        role, content = text_of(message.get("role"), f"{field}.role"), message.get("content")
        if role in ("system", "developer"):
            # Also those that come later: Anthropic itself puts them there for clients of chat completions.
            self._system += _texts(content, f"{field}.content")
        elif role == "user":
            self._turn("user").extend(_blocks(content, f"{field}.content"))
        elif role == "assistant":
            self._turn("assistant").extend(_of_assistant(message, field))
        elif role == "tool":
            self._turn("user").append(_result(message, field))
        else:
            raise unsupported(f"{field}.role", f"the role {quoted(role)}")

    def system(self) -> str | list[Block] | None:
        if any(len(block) > 2 for block in self._system):
            return self._system
        return "\n\n".join(block["text"] for block in self._system) or None

    def ended(self) -> list[dict[str, Any]]:
        """The turns that say something, one after the other of each role."""
        said = [turn for turn in self._turns if turn["content"]]
        if not said:
            raise invalid("messages", "there is no message with something in it")
        last = said[-1]["content"][-1]
        if said[-1]["role"] == "assistant" and last["type"] == "text":
            last["text"] = last["text"].rstrip()  # the beginning of the answer, which must not end with blanks
        return said

    def _turn(self, role: str) -> list[Block]:
        """The blocks of this role's turn, a new one if it was the other's."""
        while self._turns and not self._turns[-1]["content"]:
            self._turns.pop()
        if not self._turns or self._turns[-1]["role"] != role:
            self._turns.append({"role": role, "content": []})
        blocks: list[Block] = self._turns[-1]["content"]
        return blocks


def _of_assistant(message: Mapping[str, Any], field: str) -> list[Block]:
    blocks: list[Block] = []
    for number, block in enumerate(message.get("thinking_blocks") or ()):  # as an earlier answer had them, signed
        if kind_of(block, f"{field}.thinking_blocks.{number}") in ("thinking", "redacted_thinking"):
            blocks.append(block)
    blocks += _texts(message.get("content"), f"{field}.content")
    for number, call in enumerate(message.get("tool_calls") or ()):
        place = f"{field}.tool_calls.{number}"
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict):
            raise unsupported(place, "a call of anything but a function")
        blocks.append(
            {
                "type": "tool_use",
                "id": _call_id(call.get("id"), f"{place}.id"),
                "name": text_of(function.get("name"), f"{place}.function.name"),
                "input": _arguments(function.get("arguments"), f"{place}.function.arguments"),
            }
        )
    return blocks


def _arguments(text: Any, field: str) -> dict[str, Any]:
    if isinstance(text, dict):
        return text
    try:
        found = json.loads(text_of(text, field) or "{}")
    except (ValueError, RecursionError) as error:
        raise invalid(field, "it is not valid JSON") from error
    if not isinstance(found, dict):
        raise invalid(field, "it is not a JSON object")
    return found


def _call_id(id: Any, field: str) -> str:
    """Other servers have other characters in them; the same id always becomes the same."""
    return UNFIT.sub("_", text_of(id, field))


def _result(message: Mapping[str, Any], field: str) -> Block:
    made: Block = {"type": "tool_result", "tool_use_id": _call_id(message.get("tool_call_id"), f"{field}.tool_call_id")}
    if blocks := _blocks(message.get("content"), f"{field}.content"):
        plain = len(blocks) == 1 and blocks[0].keys() == {"type", "text"}
        made["content"] = blocks[0]["text"] if plain else blocks
    return _marked(made, message)


def _texts(content: Any, field: str) -> list[Block]:
    blocks = _blocks(content, field)
    for number, block in enumerate(blocks):
        if block["type"] != "text":
            raise unsupported(f"{field}.{number}", "content other than text in this role")
    return blocks


def _blocks(content: Any, field: str) -> list[Block]:
    """What a message says; texts without a visible character, which Anthropic refuses, say nothing."""
    if content is None or isinstance(content, str):
        return [{"type": "text", "text": content}] if content and content.strip() else []
    blocks = [_block(part, f"{field}.{number}") for number, part in enumerate(list_of(content, field))]
    return [block for block in blocks if block["type"] != "text" or block["text"].strip()]


def _block(part: Any, field: str) -> Block:
    kind = kind_of(part, field)
    if kind in ("text", "refusal"):
        return _marked({"type": "text", "text": text_of(part.get(kind), f"{field}.{kind}")}, part)
    if kind == "image_url":
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, dict) else image
        return _marked({"type": "image", "source": _source(text_of(url, f"{field}.image_url.url"), field)}, part)
    if kind == "file":
        return _marked(_document(part.get("file"), f"{field}.file"), part)
    raise unsupported(field, f"content of type {quoted(kind)}")


def _document(file: Any, field: str) -> Block:
    data = file.get("file_data") if isinstance(file, dict) else None
    if data is None:
        raise unsupported(field, "a file kept by its id")
    made: Block = {"type": "document", "source": _source(text_of(data, f"{field}.file_data"), field)}
    if isinstance(file.get("filename"), str):
        made["title"] = file["filename"]
    return made


def _source(url: str, field: str) -> Block:
    """Where a picture or a page is: in the request itself, or on the web."""
    if not url.startswith("data:"):
        if not url.startswith(("https://", "http://")):
            raise invalid(field, "it is neither a data URL nor one of the web")
        return {"type": "url", "url": url}
    head, _, data = url.removeprefix("data:").partition(",")
    media, *parameters = head.split(";")
    if "base64" not in parameters:
        raise invalid(field, "a data URL must be in base64")
    return {"type": "base64", "media_type": media, "data": data}


def _marked(block: Block, part: Mapping[str, Any]) -> Block:
    """With the mark for Anthropic's cache, if the client set one."""
    return {**block, "cache_control": part["cache_control"]} if part.get("cache_control") else block
