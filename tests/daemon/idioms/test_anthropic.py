"""Chats as Messages and back, without a network: rules are kept whatever is said, bytes come in any pieces."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal0.daemon.idioms.anthropic import VERSION, Anthropic
from hal0.daemon.idioms.anthropic_answer import ChatOfMessages
from hal0.daemon.idioms.anthropic_request import count_of, messages_of
from hal0.daemon.remotes.offer import Offered
from hal0.errors import Hal0Error
from tests.fakes.anthropic_rules import check

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
HI = {"role": "user", "content": "hi"}
NEWER = Offered("new", max_tokens=64_000, thinking=("adaptive", "disabled"), efforts=("low", "medium", "high"))
OLDER = Offered("old", max_tokens=4_096, thinking=("enabled", "disabled"))
BLUNT = Offered("blunt", thinking=("disabled",))


def translated(chat: dict[str, Any], model: Offered | None = None) -> dict[str, Any]:
    body = messages_of({"model": "m", "messages": [HI], **chat}, model=model)
    assert check(body, version=VERSION) is None
    return body


# Requests

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
PARTS = st.lists(st.builds(lambda text: {"type": "text", "text": text}, TEXTS), max_size=3)
SAID = st.builds(lambda content: {"content": content}, st.one_of(TEXTS, PARTS))
USERS = st.builds(lambda said: [{"role": "user", **said}], SAID)
SYSTEMS = st.builds(
    lambda role, text: [{"role": role, "content": text}], st.sampled_from(["system", "developer"]), TEXTS
)
ANSWERS = st.builds(lambda said: [{"role": "assistant", **said}], SAID)


@st.composite
def with_tools(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A turn that calls tools, and what they gave."""
    ids = draw(st.lists(st.integers(0, 99).map(lambda number: f"call|{number}"), min_size=1, max_size=3, unique=True))
    calls = [{"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}} for id in ids]
    results = [{"role": "tool", "tool_call_id": id, **draw(SAID)} for id in ids]
    return [{"role": "assistant", "content": draw(st.none() | TEXTS), "tool_calls": calls}, *results]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(USERS, SYSTEMS, ANSWERS, with_tools()), max_size=8))
def test_any_conversation_keeps_the_rules(turns: list[list[dict[str, Any]]]) -> None:
    messages = [HI, *(message for turn in turns for message in turn)]
    body = messages_of({"model": "m", "messages": messages, "tools": [TOOL]}, model=None)
    assert check(body, version=VERSION) is None
    said = json.dumps(body, ensure_ascii=False)
    for message in messages:
        content = message["content"]
        for text in [content] if isinstance(content, str) else [part["text"] for part in content or ()]:
            assert json.dumps(text.rstrip(), ensure_ascii=False)[1:-1] in said  # nothing that can be seen is lost


EFFORTS: dict[str, tuple[dict[str, Any], Offered | None, dict[str, Any]]] = {
    "nothing said": ({}, NEWER, {}),
    "by effort": ({"reasoning_effort": "high"}, NEWER, {"type": "adaptive", "display": "summarized"}),
    "list unknown": ({"reasoning_effort": "low"}, None, {"type": "adaptive", "display": "summarized"}),
    "by budget": (
        {"reasoning_effort": "minimal"},
        OLDER,
        {"type": "enabled", "budget_tokens": 1024, "display": "summarized"},
    ),
    "no room": ({"reasoning_effort": "high", "max_tokens": 1500}, OLDER, {}),
    "half the room": (
        {"reasoning_effort": "high", "max_tokens": 4000},
        OLDER,
        {"type": "enabled", "budget_tokens": 2000, "display": "summarized"},
    ),
    "off": ({"reasoning_effort": "none"}, NEWER, {"type": "disabled"}),
    "off, unknown": ({"reasoning_effort": "none"}, None, {}),
    "never thinks": ({"reasoning_effort": "high"}, BLUNT, {}),
    "a template's word": (
        {"chat_template_kwargs": {"enable_thinking": True}},
        NEWER,
        {"type": "adaptive", "display": "summarized"},
    ),
    "a tool that must be called": (
        {"reasoning_effort": "high", "tools": [TOOL], "tool_choice": "required"},
        NEWER,
        {},
    ),
    "its own field": (
        {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 3000, "reasoning_effort": "high"},
        NEWER,
        {"type": "enabled", "budget_tokens": 2000},
    ),
}


@pytest.mark.parametrize("case", EFFORTS)
def test_thinking_is_said_as_the_model_takes_it(case: str) -> None:
    chat, model, thinking = EFFORTS[case]
    assert translated(chat, model).get("thinking", {}) == thinking


@pytest.mark.parametrize(
    ("asked", "model", "said"),
    [
        ("xhigh", NEWER, "high"),
        ("minimal", NEWER, "low"),
        ("xhigh", None, "high"),
        ("high", Offered("x", thinking=("adaptive",)), None),
        ("medium", Offered("x", thinking=("adaptive",), efforts=("high", "max")), None),  # never more than asked for
    ],
)
def test_the_effort_is_the_nearest_below(asked: str, model: Offered | None, said: str | None) -> None:
    assert translated({"reasoning_effort": asked}, model).get("output_config", {}).get("effort") == said


LIMITS = [
    ({}, None, 8192),
    ({}, NEWER, 8192),
    ({}, OLDER, 4096),
    ({"max_tokens": 5}, OLDER, 5),
    ({"max_tokens": 5, "max_completion_tokens": 7}, None, 7),
    ({"max_tokens": -1}, None, 8192),
    ({"max_tokens": None}, None, 8192),
]


@pytest.mark.parametrize(("chat", "model", "most"), LIMITS)
def test_there_is_always_a_limit(chat: dict[str, Any], model: Offered | None, most: int) -> None:
    assert translated(chat, model)["max_tokens"] == most


def test_wishes_are_left_out_and_what_nobody_knows_passes() -> None:
    chat = {"seed": 1, "store": False, "metadata": {"a": "b"}, "stream_options": {}, "n": 1, "logit_bias": {}}
    assert translated(chat) == translated({})
    body = messages_of({"model": "m", "messages": [HI], "mirostat": 2, "top_k": 4}, model=None)
    assert (body["mirostat"], body["top_k"]) == (2, 4)
    assert check(body, version=VERSION) == "mirostat: Extra inputs are not permitted"


def test_marks_for_the_cache_stay_where_they_are() -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    system = [{"type": "text", "text": "long", **mark}]
    user = [{"type": "text", "text": "longer", **mark}]
    messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
    body = translated({"messages": messages, "tools": [{**TOOL, **mark}]})
    assert body["system"] == system
    assert body["messages"][0]["content"] == user
    assert body["tools"][0]["cache_control"] == mark["cache_control"]


def test_a_count_has_no_more_than_it_takes() -> None:
    body = count_of({"model": "m", "messages": [HI], "temperature": 1, "stream": True, "tools": [TOOL]}, model=None)
    assert check(body, version=VERSION, counts=True) is None
    assert sorted(body) == ["messages", "model", "tools"]


def call_with(**function: Any) -> dict[str, Any]:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}", **function}}
    return {"messages": [HI, {"role": "assistant", "tool_calls": [call]}]}


def user_with(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": list(parts)}]}


WRONG: list[tuple[dict[str, Any], str, str]] = [
    (call_with(arguments="{"), "dispatch.invalid_request", "messages.1.tool_calls.0.function.arguments"),
    (call_with(arguments="[]"), "dispatch.invalid_request", "messages.1.tool_calls.0.function.arguments"),
    (call_with(name=None), "dispatch.invalid_request", "messages.1.tool_calls.0.function.name"),
    ({"messages": [{"role": "user", "content": ""}]}, "dispatch.invalid_request", "messages"),
    ({"messages": [{"role": "function", "content": "x"}]}, "dispatch.unsupported", "messages.0.role"),
    ({"messages": [{"role": "tool", "content": "x"}]}, "dispatch.invalid_request", "messages.0.tool_call_id"),
    (
        user_with({"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}),
        "dispatch.invalid_request",
        "messages.0.content.0",
    ),
    (
        user_with({"type": "image_url", "image_url": {"url": "data:image/png,plain"}}),
        "dispatch.invalid_request",
        "messages.0.content.0",
    ),
    (user_with({"type": "file", "file": {"file_id": "f"}}), "dispatch.unsupported", "messages.0.content.0.file"),
    ({"tools": [{"type": "web_search"}]}, "dispatch.unsupported", "tools.0"),
    ({"response_format": {"type": "grammar"}}, "dispatch.unsupported", "response_format"),
    (
        {"response_format": {"type": "json_schema"}},
        "dispatch.invalid_request",
        "response_format.json_schema.schema",
    ),
    ({"reasoning_effort": "frantic"}, "dispatch.unsupported", "reasoning_effort"),
    ({"modalities": ["text", "audio"]}, "dispatch.unsupported", "modalities"),
]


@pytest.mark.parametrize(("chat", "code", "param"), WRONG)
def test_what_is_wrong_or_impossible_is_named(chat: dict[str, Any], code: str, param: str) -> None:
    with pytest.raises(Hal0Error) as caught:
        messages_of({"model": "m", "messages": [HI], **chat}, model=None)
    assert (caught.value.code, caught.value.param) == (code, param)


# Answers


def event(kind: str, **fields: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def delta(index: int, kind: str, **fields: str) -> bytes:
    return event("content_block_delta", index=index, delta={"type": kind, **fields})


def block(index: int, **fields: Any) -> bytes:
    return event("content_block_start", index=index, content_block=fields)


START = event("message_start", message={"id": "msg_1", "model": "m", "usage": {"input_tokens": 10, "output_tokens": 1}})
END = event(
    "message_delta", delta={"stop_reason": "tool_use", "stop_sequence": None}, usage={"output_tokens": 9}
) + event("message_stop")
STREAM = b"".join(
    [
        START,
        event("ping"),
        block(0, type="thinking", thinking="", signature=""),
        delta(0, "thinking_delta", thinking="Hm\u00f6."),
        delta(0, "signature_delta", signature="s"),
        event("content_block_stop", index=0),
        block(1, type="redacted_thinking", data="x"),
        event("content_block_stop", index=1),
        block(2, type="text", text=""),
        delta(2, "text_delta", text="Straße"),
        delta(2, "citations_delta", citation="unheard of"),
        event("content_block_stop", index=2),
        block(3, type="tool_use", id="t1", name="f", input={}),
        delta(3, "input_json_delta", partial_json='{"a":'),
        delta(3, "input_json_delta", partial_json=" 1}"),
        event("content_block_stop", index=3),
        block(4, type="tool_use", id="t2", name="g", input={}),
        delta(4, "input_json_delta", partial_json=""),
        event("content_block_stop", index=4),
        event("some_event_of_next_year", index=5),
        END,
    ]
)


def answer(**more: Any) -> ChatOfMessages:
    made = {"path": "/messages", "body": b"", "remote": "r", "streams": True, "tells_usage": True, **more}
    return ChatOfMessages(**made)


def put_together(said: bytes) -> dict[str, Any]:
    """The message that a client of chat completions makes of a stream."""
    *events, done = [line[6:] for line in said.splitlines() if line]
    assert done == b"[DONE]"
    chunks = [json.loads(each) for each in events]
    text: dict[str, Any] = {"content": "", "reasoning_content": "", "thinking_blocks": [], "calls": {}, "finish": None}
    for chunk in chunks:
        for choice in chunk["choices"]:
            made = choice["delta"]
            text["content"] += made.get("content") or ""
            text["reasoning_content"] += made.get("reasoning_content") or ""
            text["thinking_blocks"] += made.get("thinking_blocks") or []
            text["finish"] = choice["finish_reason"] or text["finish"]
            for call in made.get("tool_calls") or ():
                known = text["calls"].setdefault(call["index"], {"id": call.get("id"), "arguments": ""})
                known["arguments"] += call["function"]["arguments"]
    return {**text, "usage": chunks[-1]["usage"]}


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000, len(STREAM)])
def test_a_stream_is_the_same_in_any_pieces(size: int) -> None:
    turned = answer()
    said = b"".join(turned.feed(STREAM[at : at + size]) for at in range(0, len(STREAM), size))
    assert turned.has_ended
    assert put_together(said) == {
        "content": "Straße",
        "reasoning_content": "Hm\u00f6.",
        "thinking_blocks": [
            {"type": "thinking", "thinking": "Hm\u00f6.", "signature": "s"},
            {"type": "redacted_thinking", "data": "x"},
        ],
        "calls": {0: {"id": "t1", "arguments": '{"a": 1}'}, 1: {"id": "t2", "arguments": "{}"}},
        "finish": "tool_calls",
        "usage": {
            "prompt_tokens": 10,
            "completion_tokens": 9,
            "total_tokens": 19,
            "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        },
    }


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("stop_sequence", "stop"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "stop"),
        ("a_reason_of_next_year", "stop"),
    ],
)
def test_reasons_of_an_end(reason: str, finish: str) -> None:
    stop = "END" if reason == "stop_sequence" else None
    message = {"id": "m", "model": "m", "content": [], "stop_reason": reason, "stop_sequence": stop}
    whole = json.loads(answer(streams=False).whole(json.dumps({**message, "usage": {"output_tokens": 1}}).encode()))
    (choice,) = whole["choices"]
    assert (choice["finish_reason"], choice.get("stop_reason")) == (finish, stop)


def test_what_came_before_a_failure_is_not_lost_and_nothing_comes_after() -> None:
    turned = answer()
    error = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
    said = turned.feed(START + block(0, type="text", text="half") + error + END)
    assert b"half" in said
    assert b"[DONE]" not in said
    assert turned.failure is not None
    assert turned.failure.code == "dispatch.upstream_overloaded"
    assert not turned.has_ended
    assert turned.counted is None


@pytest.mark.parametrize(
    "nonsense",
    [
        b"data: {\n\n",
        b"data: []\n\n",
        b'data: {"type": "message_start"}\n\n',
        b'data: {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "x"}}\n\n',
        b"data: " + b"[" * 100_000 + b"\n\n",
    ],
)
def test_nonsense_in_a_stream_is_a_failure_and_raises_nothing(nonsense: bytes) -> None:
    turned = answer()
    assert b"msg_1" in turned.feed(START + nonsense)
    assert turned.failure is not None
    assert turned.failure.code == "slot.bad_response"


@pytest.mark.parametrize("nonsense", [b"", b"[]", b"{}", b'{"usage": {}, "content": [{}]}', b"[" * 100_000])
def test_nonsense_as_a_whole_answer_is_a_value_error(nonsense: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the caller gives it its code
        answer(streams=False).whole(nonsense)


# Lists


def test_its_list_goes_on_after_the_last_id_and_ends() -> None:
    idiom = Anthropic()
    assert idiom.next_page({"has_more": True, "last_id": "a b&c"}) == "models?limit=1000&after_id=a%20b%26c"
    for end in ({"has_more": False, "last_id": "x"}, {"has_more": True}, [], {"has_more": True, "last_id": ""}):
        assert idiom.next_page(end) is None


@pytest.mark.parametrize(
    "more",
    [
        {"reasoning_effort": ["high"]},
        {"modalities": 5},
        {"tools": [{"type": "function", "function": {"name": "f", "parameters": [1]}}]},
        {"messages": [{"role": "assistant", "tool_calls": 5}]},
        {"messages": [{"role": "assistant", "content": "x", "thinking_blocks": 5}]},
    ],
)
def test_a_field_of_a_wrong_type_is_the_callers_mistake(more: dict[str, Any]) -> None:
    body = json.dumps({"model": "m", "messages": [HI], **more}).encode()
    with pytest.raises(Hal0Error) as caught:
        Anthropic().spoken("/chat/completions", body, remote="r", model=NEWER)
    assert caught.value.status == 400
