"""Requests in the words of other APIs, put into those of chat completions; and what cannot be, refused by name."""

import json
from typing import Any

import pytest

from hal0.daemon.dialects import DIALECTS
from hal0.daemon.proxy.body import Call
from hal0.errors import Hal0Error

RESPONSES, MESSAGES, CHAT = "/v1/responses", "/v1/messages", "/v1/chat/completions"
PIXEL = "data:image/png;base64,AAAA"
HI = {"role": "user", "content": "hi"}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


def call(path: str, body: Any) -> Call:
    """The request as a backend for chat completions gets it; raises why it cannot."""
    made = DIALECTS[path].call(path, json.dumps(body).encode())
    if made.refusal is not None:
        raise made.refusal
    return made


def chat(path: str, **fields: Any) -> dict[str, Any]:
    """What the backend gets."""
    if path == MESSAGES:
        fields = {"max_tokens": 9, **fields}
    body: dict[str, Any] = json.loads(call(path, fields).raw)
    return body


def user(*content: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(content)}


# Responses ----------------------------------------------------------------------------------------------------------

ITEMS: dict[str, tuple[Any, list[dict[str, Any]]]] = {
    "a string": ("hi", [{"role": "user", "content": "hi"}]),
    "a message without a type": ([{"role": "user", "content": "hi"}], [{"role": "user", "content": "hi"}]),
    "parts": (
        [
            {
                "type": "message",
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "What is this?"},
                    {"type": "input_image", "image_url": PIXEL, "detail": "low"},
                    {"type": "input_image", "image_url": PIXEL},
                ],
            }
        ],
        [
            user(
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
                {"type": "image_url", "image_url": {"url": PIXEL}},
            )
        ],
    ),
    "sound": (
        [{"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}]}],
        [user({"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}})],
    ),
    "a developer is the system, and leading words of the system are one message": (
        [
            {"role": "system", "content": "One."},
            {"role": "developer", "content": [{"type": "input_text", "text": "Two."}]},
            {"role": "user", "content": "hi"},
            {"role": "developer", "content": "Later."},
        ],
        [
            {"role": "system", "content": "One.\n\nTwo."},
            {"role": "user", "content": "hi"},
            {"role": "system", "content": "Later."},
        ],
    ),
    "a turn with tools": (
        [
            {"role": "user", "content": "Weather?"},
            {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm"}]},
            {
                "type": "message",
                "id": "msg_1",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "output_text", "text": "Let me see.", "annotations": []}],
            },
            {"type": "function_call", "id": "fc_1", "call_id": "a", "name": "f", "arguments": "{}"},
            {"type": "function_call", "call_id": "b", "name": "g", "arguments": '{"x":1}'},
            {"type": "function_call_output", "call_id": "a", "output": "sunny"},
            {"type": "function_call_output", "call_id": "b", "output": [{"type": "input_text", "text": "warm"}]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        ],
        [
            {"role": "user", "content": "Weather?"},
            {
                "role": "assistant",
                "content": "Let me see.",
                "reasoning_content": "Hm",
                "tool_calls": [
                    {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                    {"id": "b", "type": "function", "function": {"name": "g", "arguments": '{"x":1}'}},
                ],
            },
            {"role": "tool", "tool_call_id": "a", "content": "sunny"},
            {"role": "tool", "tool_call_id": "b", "content": "warm"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
        ],
    ),
    "a picture that a tool gave": (
        [
            {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"},
            {
                "type": "function_call_output",
                "call_id": "a",
                "output": [{"type": "input_image", "image_url": PIXEL}],
            },
        ],
        [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {
                "role": "tool",
                "tool_call_id": "a",
                "content": [{"type": "image_url", "image_url": {"url": PIXEL}}],
            },
        ],
    ),
    "two turns of the assistant stay two, and thoughts alone get empty words": (
        [
            {"role": "assistant", "content": "One."},
            {"role": "assistant", "content": "Two."},
            {"type": "reasoning", "summary": [], "encrypted_content": "x"},
            {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm"}]},
        ],
        [
            {"role": "assistant", "content": "One."},
            {"role": "assistant", "content": "Two."},
            {"role": "assistant", "content": "", "reasoning_content": "Hm"},
        ],
    ),
}


@pytest.mark.parametrize(("input", "expected"), ITEMS.values(), ids=ITEMS)
def test_items_of_a_response_become_messages(input: Any, expected: list[dict[str, Any]]) -> None:
    assert chat(RESPONSES, input=input)["messages"] == expected


def test_instructions_are_the_systems_first_words() -> None:
    items = [{"role": "developer", "content": "Two."}, {"role": "user", "content": "hi"}]
    messages = chat(RESPONSES, input=items, instructions="One.")["messages"]
    assert messages == [{"role": "system", "content": "One.\n\nTwo."}, {"role": "user", "content": "hi"}]


FUNCTION = {"type": "function", "name": "f", "description": "d", "parameters": SCHEMA, "strict": True}
AS_CHAT = {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True}}
OTHER = {"type": "function", "name": "g"}

RESPONSES_FIELDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "tokens": ({"max_output_tokens": 7}, {"max_tokens": 7}),
    "sampling": ({"temperature": 0.5, "top_p": 0.9}, {"temperature": 0.5, "top_p": 0.9}),
    "tools": (
        {"tools": [FUNCTION], "tool_choice": "auto", "parallel_tool_calls": False},
        {"tools": [AS_CHAT], "tool_choice": "auto", "parallel_tool_calls": False},
    ),
    "a tool as chat has it": ({"tools": [AS_CHAT]}, {"tools": [AS_CHAT]}),
    "one tool": (  # llama.cpp ignores the name of a tool; see body.py
        {"tools": [FUNCTION, OTHER], "tool_choice": {"type": "function", "name": "f"}},
        {"tools": [AS_CHAT], "tool_choice": "required"},
    ),
    "some tools": (
        {
            "tools": [FUNCTION, OTHER],
            "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
        },
        {"tools": [AS_CHAT], "tool_choice": "required"},
    ),
    "schema": (
        {"text": {"format": {"type": "json_schema", "name": "c", "schema": SCHEMA, "strict": True}}},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "c", "schema": SCHEMA, "strict": True}}},
    ),
    "json": ({"text": {"format": {"type": "json_object"}}}, {"response_format": {"type": "json_object"}}),
    "text": ({"text": {"format": {"type": "text"}, "verbosity": "low"}}, {"verbosity": "low"}),
    "effort": ({"reasoning": {"effort": "high", "summary": "auto"}}, {"reasoning_effort": "high"}),
    "no effort": (
        {"reasoning": {"effort": "none"}},
        {"reasoning_effort": "none", "chat_template_kwargs": {"enable_thinking": False}},
    ),
    "stream": (
        {"stream": True, "stream_options": {"include_obfuscation": False}},
        {"stream": True, "stream_options": {"include_usage": True}},
    ),
    "what OpenAI keeps for itself": (
        {
            "store": True,
            "metadata": {"a": "b"},
            "user": "u",
            "service_tier": "auto",
            "prompt_cache_key": "k",
            "safety_identifier": "s",
            "truncation": "disabled",
            "include": ["reasoning.encrypted_content"],
            "background": False,
            "previous_response_id": None,
        },
        {},
    ),
    "what a backend knows": ({"seed": 3, "min_p": 0.1, "stop": ["x"]}, {"seed": 3, "min_p": 0.1, "stop": ["x"]}),
}


@pytest.mark.parametrize(("asked", "expected"), RESPONSES_FIELDS.values(), ids=RESPONSES_FIELDS)
def test_fields_of_a_response_become_those_of_chat(asked: dict[str, Any], expected: dict[str, Any]) -> None:
    body = chat(RESPONSES, input="hi", **asked)
    assert body.pop("messages") == [{"role": "user", "content": "hi"}]
    assert body == expected


# Messages -----------------------------------------------------------------------------------------------------------

BLOCKS: dict[str, tuple[list[Any], list[dict[str, Any]]]] = {
    "a string": ([{"role": "user", "content": "hi"}], [{"role": "user", "content": "hi"}]),
    "blocks": (
        [
            user(
                {"type": "text", "text": "What is this?", "cache_control": {"type": "ephemeral"}},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
                {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "more"}]}},
            )
        ],
        [
            user(
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": PIXEL}},
                {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
                {"type": "text", "text": "words"},
                {"type": "text", "text": "more"},
            )
        ],
    ),
    "a turn with tools": (
        [
            {"role": "user", "content": "Weather?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm", "signature": ""},
                    {"type": "redacted_thinking", "data": "x"},
                    {"type": "text", "text": "Let me "},
                    {"type": "text", "text": "see."},
                    {"type": "tool_use", "id": "a", "name": "f", "input": {"city": "Köln"}},
                    {"type": "tool_use", "id": "b", "name": "g", "input": {}},
                ],
            },
            user(
                {"type": "tool_result", "tool_use_id": "a", "content": "sunny"},
                {"type": "tool_result", "tool_use_id": "b", "content": [{"type": "text", "text": "warm"}]},
                {"type": "text", "text": "And tomorrow?"},
            ),
        ],
        [
            {"role": "user", "content": "Weather?"},
            {
                "role": "assistant",
                "content": "Let me see.",
                "reasoning_content": "Hm",
                "tool_calls": [
                    {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"city": "Köln"}'}},
                    {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
                ],
            },
            {"role": "tool", "tool_call_id": "a", "content": "sunny"},
            {"role": "tool", "tool_call_id": "b", "content": "warm"},
            {"role": "user", "content": "And tomorrow?"},
        ],
    ),
    "a tool that failed": (
        [
            {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]},
            user({"type": "tool_result", "tool_use_id": "a", "content": "no such city", "is_error": True}),
            user({"type": "text", "text": "Oh"}, {"type": "tool_result", "tool_use_id": "a"}),
        ],
        [
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "a", "content": "Error: no such city"},
            {"role": "user", "content": "Oh"},
            {"role": "tool", "tool_call_id": "a", "content": ""},
        ],
    ),
    "words to go on from": (
        [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "I am"}],
        [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "I am"}],
    ),
    "the system in between": (
        [{"role": "user", "content": "hi"}, {"role": "system", "content": "Be brief."}],
        [{"role": "user", "content": "hi"}, {"role": "system", "content": "Be brief."}],
    ),
}


@pytest.mark.parametrize(("messages", "expected"), BLOCKS.values(), ids=BLOCKS)
def test_blocks_of_messages_become_messages_of_chat(messages: list[Any], expected: list[dict[str, Any]]) -> None:
    assert chat(MESSAGES, messages=messages)["messages"] == expected


TOOL = {"name": "f", "description": "d", "input_schema": SCHEMA, "cache_control": {"type": "ephemeral"}}
TOOL_AS_CHAT = {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}}

MESSAGES_FIELDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "sampling": (
        {"temperature": 0.5, "top_p": 0.9, "top_k": 20, "stop_sequences": ["x"]},
        {"temperature": 0.5, "top_p": 0.9, "top_k": 20, "stop": ["x"]},
    ),
    "tools": (
        {"tools": [TOOL], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        {"tools": [TOOL_AS_CHAT], "tool_choice": "auto", "parallel_tool_calls": False},
    ),
    "any tool": (
        {"tools": [{**TOOL, "type": "custom"}], "tool_choice": {"type": "any"}},
        {"tools": [TOOL_AS_CHAT], "tool_choice": "required"},
    ),
    "no tool": ({"tools": [TOOL], "tool_choice": {"type": "none"}}, {"tools": [TOOL_AS_CHAT], "tool_choice": "none"}),
    "one tool": (
        {"tools": [TOOL, {**TOOL, "name": "g"}], "tool_choice": {"type": "tool", "name": "f"}},
        {"tools": [TOOL_AS_CHAT], "tool_choice": "required"},
    ),
    "thinking": (
        {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        {
            "chat_template_kwargs": {"enable_thinking": True},
            "thinking_budget_tokens": 1024,
            "reasoning_budget_tokens": 1024,
        },
    ),
    "no thinking": ({"thinking": {"type": "disabled"}}, {"chat_template_kwargs": {"enable_thinking": False}}),
    "thinking as it likes": ({"thinking": {"type": "adaptive"}}, {}),
    "schema": (
        {"output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}}},
        {
            "reasoning_effort": "low",
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
            },
        },
    ),
    "stream": ({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
    "what Anthropic keeps for itself": (
        {
            "metadata": {"user_id": "u"},
            "service_tier": "auto",
            "context_management": {"edits": []},
            "mcp_servers": [],
            "container": None,
        },
        {},
    ),
    "what a backend knows": ({"seed": 3}, {"seed": 3}),
}


@pytest.mark.parametrize(("asked", "expected"), MESSAGES_FIELDS.values(), ids=MESSAGES_FIELDS)
def test_fields_of_messages_become_those_of_chat(asked: dict[str, Any], expected: dict[str, Any]) -> None:
    body = chat(MESSAGES, messages=[{"role": "user", "content": "hi"}], **asked)
    assert body.pop("messages") == [{"role": "user", "content": "hi"}]
    assert body.pop("max_tokens") == 9
    assert body == expected


@pytest.mark.parametrize(
    "system", ["One.\n\nTwo.", [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}]]
)
def test_system_of_messages_is_the_first_message(system: Any) -> None:
    messages = chat(MESSAGES, system=system, messages=[{"role": "user", "content": "hi"}])["messages"]
    assert messages == [{"role": "system", "content": "One.\n\nTwo."}, {"role": "user", "content": "hi"}]


def test_counting_needs_no_max_tokens_and_never_streams() -> None:
    for path, body in {
        "/v1/messages/count_tokens": {"messages": [{"role": "user", "content": "hi"}], "stream": True},
        "/v1/responses/input_tokens": {"input": "hi", "stream": True},
    }.items():
        asked = call(path, body)
        assert asked.translation is not None
        assert asked.translation.stream is None
        assert json.loads(asked.raw) == {"messages": [{"role": "user", "content": "hi"}]}


# Cursor -------------------------------------------------------------------------------------------------------------


def test_a_body_of_responses_sent_to_chat_is_converted_and_answered_as_chat() -> None:
    asked = call(CHAT, {"model": "m", "input": "hi", "tools": [FUNCTION], "stream": True, "include": []})
    assert asked.translation is None
    assert json.loads(asked.raw) == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "tools": [AS_CHAT],
    }


HOSTED = {"type": "web_search"}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"tools": [FUNCTION, HOSTED]}, {"tools": [AS_CHAT, HOSTED]}),
        ({"tools": [AS_CHAT, FUNCTION], "tool_choice": "auto"}, {"tools": [AS_CHAT, AS_CHAT], "tool_choice": "auto"}),
        (
            {"tools": [OTHER, FUNCTION], "tool_choice": {"type": "function", "name": "f"}},
            {"tools": [AS_CHAT], "tool_choice": "required"},
        ),
        (
            {"tools": [AS_CHAT], "tool_choice": {"type": "function", "name": "f"}},
            {"tools": [AS_CHAT], "tool_choice": "required"},
        ),
    ],
)
def test_functions_written_flat_in_a_chat_become_those_of_chat(asked: dict[str, Any], expected: dict[str, Any]) -> None:
    assert chat(CHAT, messages=[HI], **asked) == {"messages": [HI], **expected}


@pytest.mark.parametrize(
    "asked",
    [
        {"tools": [AS_CHAT]},
        {"tools": [HOSTED]},
        {"tools": [{"type": "function"}]},
        {"tools": [{**AS_CHAT, "name": "g"}]},
    ],
)
def test_other_tools_in_a_chat_reach_the_backend_as_they_came(asked: dict[str, Any]) -> None:
    raw = json.dumps({"messages": [HI], **asked}).encode()
    assert DIALECTS[CHAT].call(CHAT, raw).raw is raw


def test_a_body_with_messages_reaches_the_backend_as_it_came() -> None:
    raw = b'{ "messages":[{"role":"user","content":"hi"}], "input": 3 }'
    assert DIALECTS[CHAT].call(CHAT, raw).raw is raw


# What is refused ----------------------------------------------------------------------------------------------------

MESSAGE = {"messages": [HI], "max_tokens": 9}


def part(**part: Any) -> dict[str, Any]:
    return {"input": [{"role": "user", "content": [part]}]}


def block(**block: Any) -> dict[str, Any]:
    return {"messages": [user(block)], "max_tokens": 9}


UNSUPPORTED, INVALID, STORED = "dispatch.unsupported", "dispatch.invalid_request", "dispatch.not_stored"

REFUSED: list[tuple[str, dict[str, Any], str, str, str]] = [
    (RESPONSES, {"input": "hi", "previous_response_id": "resp_1"}, STORED, "previous_response_id", "'resp_1'"),
    (RESPONSES, {"input": "hi", "conversation": "conv_1"}, STORED, "conversation", "a conversation"),
    (RESPONSES, {"input": [{"type": "item_reference", "id": "msg_1"}]}, STORED, "input.0", "'msg_1'"),
    (RESPONSES, {"input": "hi", "background": True}, UNSUPPORTED, "background", "background"),
    (RESPONSES, {"input": "hi", "prompt": {"id": "p"}}, UNSUPPORTED, "prompt", "kept by its id"),
    (RESPONSES, {"input": "hi", "truncation": "auto"}, UNSUPPORTED, "truncation", "'auto'"),
    (RESPONSES, {"input": "hi", "top_logprobs": 3}, UNSUPPORTED, "top_logprobs", "log probabilities"),
    (RESPONSES, {"input": "hi", "include": ["message.output_text.logprobs"]}, UNSUPPORTED, "include.0", "logprobs"),
    (RESPONSES, {"input": "hi", "include": [3]}, INVALID, "include.0", "string"),
    (RESPONSES, {"input": "hi", "tools": [{"type": "web_search"}]}, UNSUPPORTED, "tools.0", "'web_search'"),
    (RESPONSES, {"input": "hi", "tools": [FUNCTION, {"type": "mcp"}]}, UNSUPPORTED, "tools.1", "'mcp'"),
    (RESPONSES, {"input": "hi", "tools": [{"type": "function"}]}, INVALID, "tools.0.name", "missing"),
    (RESPONSES, {"input": "hi", "tools": [3]}, INVALID, "tools.0", "object"),
    (RESPONSES, {"input": "hi", "tools": {}}, INVALID, "tools", "list"),
    (RESPONSES, {"input": "hi", "tool_choice": {"type": "mcp"}}, UNSUPPORTED, "tool_choice", "'mcp'"),
    (RESPONSES, {"input": "hi", "tool_choice": {"type": "function"}}, INVALID, "tool_choice.name", "missing"),
    (RESPONSES, {"input": "hi", "tool_choice": {"type": "function", "name": "f"}}, INVALID, "tool_choice", "'f'"),
    (
        RESPONSES,
        {"input": "hi", "tool_choice": {"type": "allowed_tools", "tools": [OTHER]}},
        INVALID,
        "tool_choice.tools",
        "'g'",
    ),
    (RESPONSES, {"input": "hi", "text": {"format": {"type": "xml"}}}, UNSUPPORTED, "text.format", "'xml'"),
    (
        RESPONSES,
        {"input": "hi", "text": {"format": {"type": "json_schema"}}},
        INVALID,
        "text.format.schema",
        "object",
    ),
    (RESPONSES, {"input": "hi", "max_output_tokens": 0}, INVALID, "max_output_tokens", "at least 1"),
    (RESPONSES, {"input": "hi", "stream": "yes"}, INVALID, "stream", "true or false"),
    (RESPONSES, {}, INVALID, "input", "missing"),
    (RESPONSES, {"input": []}, INVALID, "input", "no items"),
    (RESPONSES, {"input": 3}, INVALID, "input", "string"),
    (RESPONSES, {"input": [3]}, INVALID, "input.0", "object"),
    (RESPONSES, {"input": [{}]}, INVALID, "input.0.type", "missing"),
    (RESPONSES, {"input": [{"type": 3}]}, INVALID, "input.0.type", "string"),
    (RESPONSES, {"input": [HI, {"type": "computer_call"}]}, UNSUPPORTED, "input.1", "'computer_call'"),
    (RESPONSES, {"input": [{"type": "x" * 999}]}, UNSUPPORTED, "input.0", "'xxx"),
    (RESPONSES, {"input": [{"role": "critic", "content": "hi"}]}, UNSUPPORTED, "input.0.role", "'critic'"),
    (RESPONSES, {"input": [{"role": 3, "content": "hi"}]}, INVALID, "input.0.role", "string"),
    (RESPONSES, {"input": [{"role": "user"}]}, INVALID, "input.0.content", "list"),
    (RESPONSES, part(type="input_text"), INVALID, "input.0.content.0.text", "missing"),
    (RESPONSES, part(type="input_file", file_id="f"), UNSUPPORTED, "input.0.content.0", "'input_file'"),
    (RESPONSES, part(type="input_image", file_id="f"), UNSUPPORTED, "input.0.content.0.file_id", "by its id"),
    (RESPONSES, part(type="input_image"), INVALID, "input.0.content.0.image_url", "missing"),
    (
        RESPONSES,
        {"input": [{"role": "system", "content": [{"type": "input_image", "image_url": PIXEL}]}]},
        INVALID,
        "input.0.content",
        "text only",
    ),
    (RESPONSES, {"input": [{"type": "function_call", "name": "f"}]}, INVALID, "input.0.call_id", "missing"),
    (RESPONSES, {"input": [{"type": "function_call_output", "call_id": "a"}]}, INVALID, "input.0.output", "list"),
    (MESSAGES, {"messages": [HI]}, INVALID, "max_tokens", "missing"),
    (MESSAGES, {"max_tokens": 9}, INVALID, "messages", "missing"),
    (MESSAGES, {"max_tokens": 9, "messages": []}, INVALID, "messages", "must not be empty"),
    (MESSAGES, {"max_tokens": 0, "messages": [HI]}, INVALID, "max_tokens", "at least 1"),
    (MESSAGES, {"max_tokens": 9, "messages": ["hi"]}, INVALID, "messages.0", "object"),
    (MESSAGES, {"max_tokens": 9, "messages": [{"role": "x", "content": ""}]}, UNSUPPORTED, "messages.0.role", "'x'"),
    (MESSAGES, {"max_tokens": 9, "messages": [{"role": "user"}]}, INVALID, "messages.0.content", "list"),
    (MESSAGES, block(type="search_result"), UNSUPPORTED, "messages.0.content.0", "'search_result'"),
    (MESSAGES, block(type="image", source={"type": "file"}), UNSUPPORTED, "messages.0.content.0.source", "'file'"),
    (
        MESSAGES,
        block(type="document", source={"type": "base64", "data": ""}),
        UNSUPPORTED,
        "messages.0.content.0.source",
        "'base64'",
    ),
    (MESSAGES, block(type="tool_result"), INVALID, "messages.0.content.0.tool_use_id", "missing"),
    (
        MESSAGES,
        {"max_tokens": 9, "messages": [{"role": "assistant", "content": [{"type": "server_tool_use"}]}]},
        UNSUPPORTED,
        "messages.0.content.0",
        "'server_tool_use'",
    ),
    (
        MESSAGES,
        {
            "max_tokens": 9,
            "messages": [{"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f"}]}],
        },
        INVALID,
        "messages.0.content.0.input",
        "object",
    ),
    (
        MESSAGES,
        {**MESSAGE, "tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        UNSUPPORTED,
        "tools.0",
        "'web_search_20250305'",
    ),
    (MESSAGES, {**MESSAGE, "tools": [{"name": "f"}]}, INVALID, "tools.0.input_schema", "object"),
    (MESSAGES, {**MESSAGE, "tool_choice": {"type": "some"}}, UNSUPPORTED, "tool_choice", "'some'"),
    (MESSAGES, {**MESSAGE, "tool_choice": {"type": "tool", "name": "f"}}, INVALID, "tool_choice", "'f'"),
    (MESSAGES, {**MESSAGE, "thinking": {"type": "loud"}}, UNSUPPORTED, "thinking", "'loud'"),
    (
        MESSAGES,
        {**MESSAGE, "thinking": {"type": "enabled", "budget_tokens": "1"}},
        INVALID,
        "thinking.budget_tokens",
        "whole number",
    ),
    (MESSAGES, {**MESSAGE, "stop_sequences": ["a", 3]}, INVALID, "stop_sequences.1", "string"),
    (MESSAGES, {**MESSAGE, "system": [{"type": "image"}]}, UNSUPPORTED, "system.0", "'image'"),
    (MESSAGES, {**MESSAGE, "mcp_servers": [{"url": "x"}]}, UNSUPPORTED, "mcp_servers", "servers of tools"),
    (MESSAGES, {**MESSAGE, "output_config": {"format": {"type": "xml"}}}, UNSUPPORTED, "output_config.format", "'xml'"),
    (MESSAGES, {**MESSAGE, "temperature": "hot"}, INVALID, "temperature", "number"),
    (CHAT, {}, INVALID, "messages", "missing"),
    (CHAT, {"messages": [HI], "tool_choice": {"type": "function", "name": "f"}}, INVALID, "tool_choice", "'f'"),
    (CHAT, {"messages": [HI], "tool_choice": {"type": "function"}}, INVALID, "tool_choice", "names a function"),
    (CHAT, {"messages": [HI], "tool_choice": 3}, INVALID, "tool_choice", "names a function"),
    (CHAT, {"input": None}, INVALID, "messages", "missing"),
    (CHAT, {"input": "hi", "tools": [{"type": "web_search"}]}, UNSUPPORTED, "tools.0", "'web_search'"),
]


@pytest.mark.parametrize(("path", "body", "code", "param", "words"), REFUSED)
def test_what_cannot_be_said_in_chat_is_refused_by_name(
    path: str, body: dict[str, Any], code: str, param: str, words: str
) -> None:
    with pytest.raises(Hal0Error) as caught:
        call(path, body)
    assert (caught.value.code, caught.value.param, caught.value.status) == (code, param, 400)
    assert words in caught.value.message
    assert len(caught.value.message) < 300


@pytest.mark.parametrize("path", [RESPONSES, MESSAGES])
@pytest.mark.parametrize("raw", [b"", b"{", b"\xff", b'{"input":NaN}', b'{"a":"\\ud800"}', b"[" * 100_000])
def test_what_is_not_json_is_refused_like_anywhere(path: str, raw: bytes) -> None:
    with pytest.raises(Hal0Error) as caught:
        DIALECTS[path].call(path, raw)
    assert caught.value.status == 400
    assert caught.value.code in ("dispatch.invalid_json", "dispatch.invalid_request")
