"""Anthropic's API behind a real daemon, asked by the real packages: chats translated, messages as they came."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest
from openai import OpenAI

from tests.fakes.anthropic_rules import SIGNATURE
from tests.fakes.anthropic_server import KEY, NEW, OLD, AnthropicServer, anthropic_server, tokens_of
from tests.fakes.installation import Installation, installed

CONFIG = """
[daemon]
ports = @PORTS@
[slots.primary]
model = "hal0-starter"
fallback = ["claude/claude-new"]
[remotes.claude]
kind = "anthropic"
url = "{url}"
key_file = "./key"
aliases = {{ clever = "claude-new" }}
prices = {{ "claude-new" = {{ input = 2.0, output = 10.0, cached = 0.2, cache_write = 2.5 }} }}
headers = {{ X-Team = "cellar" }}
"""
HELLO: Any = [{"role": "user", "content": "hello there"}]
PNG = base64.b64encode(b"\x89PNG not really").decode()
WEATHER = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION: Any = {"type": "function", "function": {"name": "get_weather", "parameters": WEATHER}}
EMPTY: Any = {"type": "function", "function": {"name": "no_arguments"}}


@pytest.fixture(scope="module")
def far() -> Iterator[AnthropicServer]:
    with anthropic_server() as server:
        yield server


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, far: AnthropicServer) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("anthropic")
    (folder / "key").write_text(KEY)
    (folder / "key").chmod(0o600)
    with installed(folder, CONFIG.format(url=far.url)) as installation:
        until(lambda: view(installation)["fetched_at"])
        yield installation


@pytest.fixture
def hal0(shared: Installation, far: AnthropicServer) -> Iterator[Installation]:
    far.asked.clear()
    yield shared
    far.failure = far.fails_in_the_middle = None
    far.breaks_off = far.ends_early = far.stalls = False
    far.left.clear()
    shared.admin("POST", "/api/remotes/claude/test", {})  # a success closes the breaker


@pytest.fixture
def gpt(hal0: Installation) -> OpenAI:
    return OpenAI(base_url=f"{hal0.url}/v1", api_key="of-the-client", max_retries=0)


@pytest.fixture
def claude(hal0: Installation) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=hal0.url, api_key="of-the-client", max_retries=0)


def until(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 15
    while not (seen := look()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return seen


def view(hal0: Installation) -> dict[str, Any]:
    found: dict[str, Any] = hal0.admin("GET", "/api/remotes/claude")
    return found


def request(hal0: Installation) -> dict[str, Any]:
    found: dict[str, Any] = hal0.admin("GET", "/api/requests")["requests"][0]
    return found


def dollars(body: dict[str, Any]) -> float:
    """By the prices of CONFIG."""
    return (tokens_of(body) * 2.0 + 5 * 0.2 + 3 * 2.5 + 17 * 10.0) / 1_000_000


# Chats


def test_all_pages_of_its_models_are_listed(hal0: Installation, gpt: OpenAI) -> None:
    assert view(hal0)["models"] == ["claude-bare", NEW, OLD]
    listed = {model.id: model for model in gpt.models.list()}
    assert listed[NEW].to_dict()["context_length"] == 200_000


def test_a_chat_is_answered_by_messages(hal0: Installation, gpt: OpenAI, far: AnthropicServer) -> None:
    answer = gpt.chat.completions.create(model="clever", messages=HELLO, temperature=1.5, user="u-1", stop="END")
    choice = answer.choices[0]
    assert (choice.message.content, choice.finish_reason, answer.model) == ("You said: hello there", "stop", NEW)
    (path, headers, body) = far.asked[-1]
    assert (path, headers["x-api-key"], headers["anthropic-version"]) == ("/v1/messages", KEY, "2023-06-01")
    assert headers["x-team"] == "cellar"
    assert body == {
        "model": NEW,
        "max_tokens": 8192,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hello there"}]}],
        "stop_sequences": ["END"],
        "temperature": 1,
        "metadata": {"user_id": "u-1"},
    }
    usage = answer.usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (tokens_of(body) + 8, 17)
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens == 5


def test_a_smaller_model_is_asked_for_no_more_than_it_can(gpt: OpenAI, far: AnthropicServer) -> None:
    gpt.chat.completions.create(model=OLD, messages=HELLO)
    assert far.bodies[-1]["max_tokens"] == 4096


@pytest.mark.parametrize("asked", [True, False])
def test_a_stream_is_a_stream_of_chat(hal0: Installation, gpt: OpenAI, far: AnthropicServer, asked: bool) -> None:
    more: Any = {"stream_options": {"include_usage": True}} if asked else {}
    chunks = list(gpt.chat.completions.create(model=NEW, messages=HELLO, stream=True, **more))
    told = [chunk.choices[0] for chunk in chunks if chunk.choices]
    assert "".join(choice.delta.content or "" for choice in told) == "You said: hello there"
    assert (told[0].delta.role, told[-1].finish_reason) == ("assistant", "stop")
    usages = [chunk.usage for chunk in chunks if chunk.usage]
    assert [usage.completion_tokens for usage in usages] == ([17] if asked else [])
    seen = request(hal0)
    assert (seen["text"], seen["tokens"], seen["outcome"]) == ("You said: hello there", 17, "ok")
    assert seen["cost"] == pytest.approx(dollars(far.bodies[-1]))


def test_a_conversation_of_every_kind_of_message_keeps_the_rules(gpt: OpenAI, far: AnthropicServer) -> None:
    calls: Any = [
        {"id": f"call|{n}", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Rome"}'}}
        for n in (1, 2)
    ]
    messages: Any = [
        {"role": "system", "content": "Be kind."},
        {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]},
        {"role": "user", "content": "look"},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PNG}"}},
                {"type": "text", "text": ""},
            ],
        },
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call|1", "content": "sunny"},
        {"role": "tool", "tool_call_id": "call|2", "content": [{"type": "text", "text": "rain"}]},
        {"role": "user", "content": "so?"},
        {"role": "system", "content": "Now be rude."},
        {"role": "assistant", "content": "Well, "},
    ]
    answer = gpt.chat.completions.create(model=NEW, messages=messages, tools=[FUNCTION])
    assert answer.choices[0].message.content
    body = far.bodies[-1]
    assert body["system"] == "Be kind.\n\nBe brief.\n\nNow be rude."
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user", "assistant"]
    first, uses, results, prefill = (turn["content"] for turn in body["messages"])
    assert [block["type"] for block in first] == ["text", "image", "image", "document"]
    assert first[1]["source"] == {"type": "base64", "media_type": "image/png", "data": PNG}
    assert first[2]["source"] == {"type": "url", "url": "https://example.com/a.png"}
    assert [use["id"] for use in uses] == ["call_1", "call_2"]
    assert [block.get("content") for block in results] == ["sunny", "rain", None]
    assert prefill == [{"type": "text", "text": "Well,"}]


@pytest.mark.parametrize("stream", [False, True])
def test_parallel_calls_of_tools_come_back_whole(gpt: OpenAI, far: AnthropicServer, stream: bool) -> None:
    asked: Any = {"model": NEW, "messages": HELLO, "tools": [FUNCTION, EMPTY], "tool_choice": "required"}
    if stream:
        with gpt.chat.completions.stream(**asked) as events:
            choice: Any = events.get_final_completion().choices[0]
    else:
        choice = gpt.chat.completions.create(**asked).choices[0]
    calls = [(call.function.name, json.loads(call.function.arguments)) for call in choice.message.tool_calls]
    assert calls == [("get_weather", {"city": "Paris"}), ("no_arguments", {})]
    assert choice.finish_reason == "tool_calls"
    assert far.bodies[-1]["tool_choice"] == {"type": "any"}


@pytest.mark.parametrize(
    ("choice", "more", "sent"),
    [
        ({"type": "function", "function": {"name": "get_weather"}}, {}, {"type": "any"}),  # with that tool alone
        ("none", {}, {"type": "none"}),
        ("auto", {"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
    ],
)
def test_the_choice_of_a_tool_is_said_in_its_words(
    gpt: OpenAI, far: AnthropicServer, choice: Any, more: Any, sent: Any
) -> None:
    gpt.chat.completions.create(model=NEW, messages=HELLO, tools=[FUNCTION, EMPTY], tool_choice=choice, **more)
    assert far.bodies[-1]["tool_choice"] == sent


def test_an_answer_by_a_schema_is_asked_for_as_anthropic_has_it(gpt: OpenAI, far: AnthropicServer) -> None:
    format: Any = {"type": "json_schema", "json_schema": {"name": "place", "schema": WEATHER, "strict": True}}
    answer = gpt.chat.completions.create(model=NEW, messages=HELLO, response_format=format)
    assert json.loads(answer.choices[0].message.content or "") == {"city": "Paris"}
    assert far.bodies[-1]["output_config"] == {"format": {"type": "json_schema", "schema": WEATHER}}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "thinking", "config"),
    [
        (NEW, {"type": "adaptive", "display": "summarized"}, {"effort": "medium"}),
        (OLD, {"type": "enabled", "budget_tokens": 2048, "display": "summarized"}, None),
    ],
)
def test_thoughts_come_as_reasoning_and_go_back_signed(
    gpt: OpenAI, far: AnthropicServer, stream: bool, model: str, thinking: Any, config: Any
) -> None:
    asked: Any = {"model": model, "messages": HELLO, "reasoning_effort": "medium"}
    if stream:
        chunks = gpt.chat.completions.create(**asked, stream=True)
        deltas = [chunk.choices[0].delta.to_dict() for chunk in chunks if chunk.choices]
        said: Any = {
            "reasoning": "".join(str(delta.get("reasoning_content", "")) for delta in deltas),
            "blocks": [block for delta in deltas for block in delta.get("thinking_blocks", ())],  # type: ignore[attr-defined]
        }
    else:
        message = gpt.chat.completions.create(**asked).choices[0].message.to_dict()
        said = {"reasoning": message["reasoning_content"], "blocks": message["thinking_blocks"]}
    body = far.bodies[-1]
    assert (body["thinking"], body.get("output_config")) == (thinking, config)
    assert said["reasoning"] == "Let me think."
    assert said["blocks"] == [{"type": "thinking", "thinking": "Let me think.", "signature": SIGNATURE}]
    call: Any = {"id": "c1", "type": "function", "function": {"name": "no_arguments", "arguments": "{}"}}
    turns: Any = [
        *HELLO,
        {"role": "assistant", "content": None, "tool_calls": [call], "thinking_blocks": said["blocks"]},
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
    ]
    gpt.chat.completions.create(model=model, messages=turns, tools=[EMPTY], reasoning_effort="medium")
    assert "thinking" in far.bodies[-1]
    del turns[1]["thinking_blocks"]  # of a client that does not keep them; an older model is to think no more then
    gpt.chat.completions.create(model=model, messages=turns, tools=[EMPTY], reasoning_effort="medium")
    assert ("thinking" in far.bodies[-1]) == (model == NEW)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]}, None),
        ({"stop": ["\n"]}, "stop.0"),
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
    ],
)
def test_what_messages_cannot_do_is_refused_by_name(
    gpt: OpenAI, far: AnthropicServer, fields: dict[str, Any], param: str | None
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        gpt.chat.completions.create(**{"model": NEW, "messages": HELLO, **fields})
    assert caught.value.code == "dispatch.unsupported"
    assert caught.value.param == (param or "messages.0.content.0")
    assert not far.bodies


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        ((401, "authentication_error", "invalid x-api-key"), 502, "dispatch.upstream_failed"),
        ((429, "rate_limit_error", "slower"), 429, "dispatch.upstream_limited"),
        ((529, "overloaded_error", "Overloaded"), 503, "dispatch.upstream_overloaded"),
        ((500, "api_error", "Internal server error"), 502, "dispatch.upstream_failed"),
        ((400, "invalid_request_error", "no such thing"), 400, "dispatch.upstream_rejected"),
        (
            (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum"),
            400,
            "dispatch.context_exceeded",
        ),
    ],
)
def test_its_failures_are_told_in_the_envelope(
    gpt: OpenAI, far: AnthropicServer, failure: Any, status: int, code: str, stream: bool
) -> None:
    far.failure = failure
    with pytest.raises(openai.APIStatusError) as caught:
        gpt.chat.completions.create(model=NEW, messages=HELLO, stream=stream)
    assert (caught.value.status_code, caught.value.code) == (status, code)
    body: Any = caught.value.body
    assert failure[2] in body["message"]
    assert body["details"]["upstream"]["request_id"] == "req_fake"
    assert caught.value.response.headers.get("retry-after") == ("7" if failure[0] in (429, 529) else None)
    assert KEY not in caught.value.response.text


def test_what_breaks_the_rules_is_told_with_its_own_words(gpt: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="first message must use"):
        gpt.chat.completions.create(model=NEW, messages=[{"role": "assistant", "content": "Hi!"}, *HELLO])


@pytest.mark.parametrize("how", ["tells", "breaks off", "ends early"])
def test_a_stream_that_fails_keeps_what_came_and_has_no_end(hal0: Installation, far: AnthropicServer, how: str) -> None:
    far.breaks_off, far.ends_early = how == "breaks off", how == "ends early"
    far.fails_in_the_middle = ("overloaded_error", "Overloaded") if how == "tells" else None
    body = {"model": NEW, "messages": HELLO, "stream": True}
    text = httpx.post(f"{hal0.url}/v1/chat/completions", json=body, timeout=30).text
    events = [json.loads(line[5:]) for line in text.splitlines() if line.startswith("data: {")]
    said = "".join(event["choices"][0]["delta"].get("content") or "" for event in events[:-1])
    assert said == "You said: hello there"
    code = "dispatch.upstream_overloaded" if how == "tells" else "dispatch.stream_broken"
    assert events[-1]["error"]["code"] == code
    assert "[DONE]" not in text
    assert 'finish_reason":"stop' not in text
    seen = request(hal0)
    assert (seen["outcome"], seen["error"]["code"]) == ("failed", code)


def test_a_client_that_leaves_ends_the_work_there(hal0: Installation, far: AnthropicServer) -> None:
    far.stalls = True
    body = {"model": NEW, "messages": HELLO, "stream": True}
    with httpx.stream("POST", f"{hal0.url}/v1/chat/completions", json=body, timeout=30) as answer:
        next(answer.iter_lines())
    assert far.left.wait(15)
    assert until(lambda: request(hal0)["outcome"]) == "cancelled"
    assert until(lambda: view(hal0)["in_flight"] == 0)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["primary", NEW, OLD])
def test_a_slot_and_a_remote_answer_alike(gpt: OpenAI, model: str, stream: bool) -> None:
    def ask(**fields: Any) -> Any:
        asked = {"model": model, "messages": HELLO, "max_tokens": 200, **fields}
        if not stream:
            return gpt.chat.completions.create(**asked)
        with gpt.chat.completions.stream(**asked, stream_options={"include_usage": True}) as events:
            return events.get_final_completion()

    plain = ask()
    assert plain.choices[0].message.content
    assert plain.choices[0].finish_reason in ("stop", "length")
    assert plain.usage.total_tokens == plain.usage.prompt_tokens + plain.usage.completion_tokens > 0
    try:
        assert ask(max_tokens=1).choices[0].finish_reason == "length"
    except openai.LengthFinishReasonError:  # how the package says so of a stream
        assert stream
    place = {"type": "object", "properties": {"city": {"enum": ["Paris"]}}, "required": ["city"]}
    function = {"type": "function", "function": {"name": "get_weather", "parameters": place, "strict": True}}
    asking = [{"role": "user", "content": "Weather in Paris?"}]
    called = ask(messages=asking, temperature=0, tools=[function], tool_choice="required").choices[0]
    assert called.finish_reason == "tool_calls"
    assert json.loads(called.message.tool_calls[0].function.arguments) == {"city": "Paris"}
    format = {"type": "json_schema", "json_schema": {"name": "place", "schema": place, "strict": True}}
    assert json.loads(ask(messages=asking, temperature=0, response_format=format).choices[0].message.content) == {
        "city": "Paris"
    }
    for wrong in ({"messages": []}, {"temperature": "hot"}):
        with pytest.raises(openai.BadRequestError) as caught:
            ask(**wrong)
        assert caught.value.code == "dispatch.invalid_request"


def test_it_stands_in_for_a_slot_and_has_no_embeddings(hal0: Installation) -> None:
    answer = httpx.post(f"{hal0.url}/v1/embeddings", json={"model": f"claude/{NEW}", "input": "x"}, timeout=30)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "dispatch.capability_mismatch")


# The other APIs


def test_a_response_goes_through_chat(gpt: OpenAI, far: AnthropicServer) -> None:
    answer = gpt.responses.create(model=NEW, input="hello there", reasoning={"effort": "high"}, max_output_tokens=99)
    assert answer.output_text == "You said: hello there"
    assert [item.type for item in answer.output] == ["reasoning", "message"]
    with gpt.responses.stream(model=NEW, input="hello there") as stream:
        assert stream.get_final_response().output_text == "You said: hello there"
    count = gpt.responses.input_tokens.count(model=NEW, input="hello there")
    assert far.asked[-1][0] == "/v1/messages/count_tokens"
    assert count.input_tokens == tokens_of(far.bodies[-1])


def test_messages_pass_as_they_came(hal0: Installation, claude: anthropic.Anthropic, far: AnthropicServer) -> None:
    system: Any = [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}]
    asked: Any = {"max_tokens": 50, "messages": HELLO, "system": system, "thinking": {"type": "adaptive"}}
    beta = {"anthropic-beta": "some-beta-2026-01-01"}
    answer = claude.messages.create(model="clever", **asked, extra_headers=beta)
    (path, headers, body) = far.asked[-1]
    assert path == "/v1/messages"
    assert body == {"model": NEW, **asked}
    assert (headers["x-api-key"], headers["anthropic-beta"]) == (KEY, "some-beta-2026-01-01")
    assert headers["anthropic-version"] == anthropic._constants.ANTHROPIC_API_VERSION  # the client's own
    assert "authorization" not in headers
    assert [block.type for block in answer.content] == ["thinking", "text"]
    seen = request(hal0)
    assert (seen["slot"], seen["model"], seen["path"]) == ("claude", NEW, "/v1/messages")
    assert (seen["tokens"], seen["prompt_tokens"]) == (17, tokens_of(body) + 8)
    assert seen["cost"] == pytest.approx(dollars(body))
    assert seen["text"] == "Let me think.You said: hello there"


def test_a_stream_of_messages_passes_as_it_comes(hal0: Installation, claude: anthropic.Anthropic) -> None:
    with claude.messages.stream(model=NEW, max_tokens=50, messages=HELLO) as stream:
        assert "".join(stream.text_stream) == "You said: hello there"
        final = stream.get_final_message()
    assert final.id == "msg_fake"
    seen = request(hal0)
    assert (seen["tokens"], seen["text"], seen["outcome"]) == (17, "You said: hello there", "ok")
    assert seen["prompt_tokens"] == final.usage.input_tokens + 8
    assert seen["ttft_ms"] is not None


def test_tokens_of_a_message_are_counted_there(claude: anthropic.Anthropic, far: AnthropicServer) -> None:
    count = claude.messages.count_tokens(model=NEW, messages=HELLO).input_tokens
    assert far.asked[-1][0] == "/v1/messages/count_tokens"
    assert count == tokens_of(far.bodies[-1])


def test_what_only_anthropic_has_reaches_it_and_no_slot(claude: anthropic.Anthropic, far: AnthropicServer) -> None:
    pdf: Any = {"type": "base64", "media_type": "application/pdf", "data": PNG}
    asked: Any = [{"role": "user", "content": [{"type": "document", "source": pdf}, {"type": "text", "text": "hi"}]}]
    assert claude.messages.create(model=NEW, max_tokens=9, messages=asked).content
    assert far.bodies[-1]["messages"] == asked
    with pytest.raises(anthropic.BadRequestError) as caught:
        claude.messages.create(model="primary", max_tokens=9, messages=asked)
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["error"]["code"] == "dispatch.unsupported"


def test_failures_of_messages_have_anthropics_words(
    hal0: Installation, claude: anthropic.Anthropic, far: AnthropicServer
) -> None:
    far.failure = (529, "overloaded_error", "Overloaded")
    with pytest.raises(anthropic.APIStatusError) as caught:
        claude.messages.create(model=NEW, max_tokens=9, messages=HELLO)
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["error"]["type"] == "overloaded_error"
    far.failure = None
    far.fails_in_the_middle = ("overloaded_error", "Overloaded")
    with (
        pytest.raises(anthropic.APIStatusError, match="Overloaded"),
        claude.messages.stream(model=NEW, max_tokens=9, messages=HELLO) as stream,
    ):
        list(stream)
    seen = until(lambda: request(hal0) if request(hal0)["outcome"] else None)
    assert (seen["outcome"], seen["error"]["code"]) == ("failed", "dispatch.upstream_overloaded")


def test_a_limit_of_the_context_is_told_as_each_client_looks_for_it(
    gpt: OpenAI, claude: anthropic.Anthropic, far: AnthropicServer
) -> None:
    far.failure = (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum")
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
        claude.messages.create(model=NEW, max_tokens=9, messages=HELLO)
    with pytest.raises(openai.BadRequestError, match="context_length_exceeded"):
        gpt.chat.completions.create(model=NEW, messages=HELLO)


# What it costs


def test_what_it_cost_is_summed_up(hal0: Installation, gpt: OpenAI, far: AnthropicServer) -> None:
    before = view(hal0)["cost"] or 0.0
    gpt.chat.completions.create(model=NEW, messages=HELLO)
    gpt.chat.completions.create(model=OLD, messages=HELLO)  # nobody knows its price
    assert view(hal0)["cost"] == pytest.approx(before + dollars(far.bodies[0]))
    assert request(hal0)["cost"] is None
    page = httpx.get(f"{hal0.url}/metrics").text
    assert 'hal0_remote_cost_dollars_total{slot="claude"}' in page
