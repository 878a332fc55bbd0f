"""Bodies are checked, and changed only where they must be."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hal0.daemon.providers.base import Api
from hal0.daemon.proxy.body import BODIES, parse
from hal0.errors import Hal0Error

MESSAGES = [{"role": "user", "content": "hi"}]
TOOLS = [{"type": "function", "function": {"name": name, "parameters": {}}} for name in ("look", "walk")]


def chat(**fields: Any) -> bytes:
    return json.dumps({"messages": MESSAGES, **fields}).encode()


def test_a_body_that_needs_no_change_is_not_touched() -> None:
    raw = b'{ "messages" : [ {"role":"user","content":"\\u00fc"} ], "temperature": 1.0e0, "whatever": {"model": 1} }'
    assert parse(Api.CHAT, raw).for_model("tiny") == raw


@pytest.mark.parametrize("fields", [{}, {"model": None}, {"metadata": {"model": "x"}}])
def test_a_backend_that_insists_on_a_model_is_told_one(fields: dict[str, Any]) -> None:
    raw = b"\n " + chat(**fields)
    sent = parse(Api.CHAT, raw).for_model('ti"ny', named=True)
    assert json.loads(sent) == {**json.loads(raw), "model": 'ti"ny'}
    assert sent.count(b'"model"') == json.dumps(json.loads(sent)).encode().count(b'"model"')


def test_the_model_alone_is_replaced_wherever_it_stands() -> None:
    raw = b'{"messages":[{"role":"user","content":"\\"model\\":\\"primary\\""}],  "model" : "primary"}'
    assert parse(Api.CHAT, raw).for_model("tiny") == raw.replace(b'"model" : "primary"', b'"model" : "tiny"')


@pytest.mark.parametrize(
    "raw",
    [
        chat(model="primary", metadata={"model": "primary"}),
        chat(model="primary", metadata={"model": "other"}),
        chat(metadata={"model": "other"}, model="primary"),
        b'{"mod\\u0065l":"primary","messages":[{"role":"user","content":"hi"}],"x":{"model":"other"}}',
        b'{"mod\\u0065l":"primary","messages":[{"role":"user","content":"hi"}]}',
        b'{"model":"first","messages":[{"role":"user","content":"hi"}],"model":"primary"}',
    ],
)
def test_a_model_named_more_than_once_is_replaced_at_the_top_only(raw: bytes) -> None:
    sent = json.loads(parse(Api.CHAT, raw).for_model("tiny"))
    assert sent == {**json.loads(raw), "model": "tiny"}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(st.characters(exclude_categories=("Cs",))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["model", "a", '"model"']), inner),
    max_leaves=8,
)


@given(
    extra=st.dictionaries(st.sampled_from(["a", "b", "tool"]), json_values),
    model=st.sampled_from(["p", "ü", '"', "\\"]),
)
def test_replacing_the_model_changes_nothing_else(extra: dict[str, Any], model: str) -> None:
    raw = chat(**extra, model=model)
    assert json.loads(parse(Api.CHAT, raw).for_model("tiny")) == {**json.loads(raw), "model": "tiny"}


@given(st.binary(max_size=60))
def test_no_bytes_make_it_raise_anything_but_our_errors(raw: bytes) -> None:
    for api in BODIES:
        with pytest.raises(Hal0Error):
            parse(api, raw)


def test_a_named_tool_choice_becomes_required_with_that_one_tool() -> None:
    choice = {"type": "function", "function": {"name": "walk"}}
    sent = json.loads(parse(Api.CHAT, chat(tools=TOOLS, tool_choice=choice, x=1)).raw)
    assert sent == {"messages": MESSAGES, "tools": [TOOLS[1]], "tool_choice": "required", "x": 1}


@pytest.mark.parametrize("choice", ["auto", "none", "required", None])
def test_other_tool_choices_pass(choice: Any) -> None:
    raw = chat(tools=TOOLS, tool_choice=choice)
    assert parse(Api.CHAT, raw).raw == raw


def test_words_that_only_look_like_nan_pass() -> None:
    raw = chat(note="NaN and Infinity")
    assert parse(Api.CHAT, raw).raw == raw


@pytest.mark.parametrize("value", ["a", ["a", "b"], [1, 2], [[1], [2, 3]]])
def test_every_shape_of_text_and_tokens_passes(value: Any) -> None:
    assert parse(Api.EMBEDDINGS, json.dumps({"input": value}).encode())
    assert parse(Api.COMPLETION, json.dumps({"prompt": value}).encode())


def test_content_of_parts_and_of_nothing_passes_and_the_prompt_is_the_last_users_text() -> None:
    messages = [
        {
            "role": "user",
            "content": [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": "x"}}],
        },
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "tool", "content": "done", "tool_call_id": "1"},
    ]
    call = parse(Api.CHAT, json.dumps({"messages": messages}).encode())
    assert call.prompt() == "look"


@pytest.mark.parametrize(
    "body",
    [
        {"query": "q"},
        {"query": "", "documents": ["a"]},
        {"query": "q", "documents": []},
        {"query": "q", "documents": [1]},
        {"query": "q", "documents": [{"title": "a"}]},
        {"query": "q", "documents": ["a"], "top_n": 0},
    ],
)
def test_wrong_rerank_bodies_are_refused(body: dict[str, Any]) -> None:
    with pytest.raises(Hal0Error) as refused:
        parse(Api.RERANK, json.dumps(body).encode())
    assert refused.value.code == "dispatch.invalid_request"


LARGE = {
    "token_ids": (Api.EMBEDDINGS, {"input": list(range(300_000))}),
    "batches_of_token_ids": (Api.EMBEDDINGS, {"input": [list(range(150))] * 2_048}),
    "texts": (Api.EMBEDDINGS, {"input": ["a, [b] {c}"] * 20_000}),
    "an_agent": (Api.CHAT, {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}] * 2}] * 4_000}),
    "a_table_as_text": (Api.COMPLETION, {"prompt": '{"a\\": [1, 2],},' * 200_000}),
    "quotes_in_text": (Api.CHAT, {"messages": [{"role": "user", "content": '\\"NaN\\\\"' * 200_000}]}),
}


@pytest.mark.parametrize(("api", "body"), LARGE.values(), ids=LARGE)
def test_the_largest_things_that_real_clients_send_pass(api: Api, body: dict[str, Any]) -> None:
    assert parse(api, json.dumps(body).encode()).prompt()


@pytest.mark.parametrize(
    ("what", "value"),
    [
        ("objects and lists", b"[" + b"{}," * 20_000 + b"[]]"),
        ("strings", b"[" + b'"\\\\",' * 200_000 + b'""]'),
        ("values", b"[" + b"1," * 400_000 + b"1]"),
        ("bytes outside of strings", b"[" + b"9" * 4_000 + (b"," + b"9" * 4_000) * 2_100 + b"]"),
    ],
)
def test_what_is_more_than_any_client_sends_is_refused_by_name(what: str, value: bytes) -> None:
    with pytest.raises(Hal0Error, match=rf"the body: it has more than \d+ {what}"):
        parse(Api.CHAT, b'{"messages":[{"role":"user"}],"x":%b}' % value)
