"""The real `openai` and `anthropic` packages on the Responses and Messages APIs, against the real daemon and engine."""

import json
from typing import Any, Literal

import anthropic
import httpx
import openai
import pytest
from anthropic import Anthropic
from openai import OpenAI
from pydantic import BaseModel

from tests.fakes.installation import Installation

COLD = {"temperature": 0}  # the package has no argument for it any more; backends do
HELLO: Any = [{"role": "user", "content": "Hello!"}]
WEATHER = {"type": "object", "properties": {"city": {"enum": ["Paris"]}}, "required": ["city"]}
FUNCTION: Any = {"type": "function", "name": "get_weather", "parameters": WEATHER, "strict": True}
TOOL: Any = {"name": "get_weather", "input_schema": WEATHER}


@pytest.fixture
def gpt(hal0: Installation) -> OpenAI:
    return OpenAI(base_url=f"{hal0.url}/v1", api_key="any", max_retries=0)


@pytest.fixture
def claude(hal0: Installation) -> Anthropic:
    return Anthropic(base_url=hal0.url, api_key="any", max_retries=0)


def chat(client: OpenAI, messages: Any = HELLO) -> str:
    answer = client.chat.completions.create(model="primary", messages=messages, temperature=0)
    return answer.choices[0].message.content or ""


# Responses


def test_a_response_says_what_chat_says(gpt: OpenAI) -> None:
    answer = gpt.responses.create(input="Hello!", temperature=0)  # no model: the default slot
    assert answer.output_text == chat(gpt) != ""
    assert (answer.status, answer.model) == ("completed", "hal0-starter")
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens > 0


def test_a_conversation_goes_on_with_the_output_of_the_answer(gpt: OpenAI) -> None:
    items: Any = [{"role": "user", "content": "Hello!"}]
    first = gpt.responses.create(model="primary", input=items, temperature=0, instructions="Be kind.")
    items += [*first.output, {"role": "user", "content": "What is hal0?"}]
    second = gpt.responses.create(model="primary", input=items, temperature=0, instructions="Be kind.")
    by_chat = [
        {"role": "system", "content": "Be kind."},
        *HELLO,
        {"role": "assistant", "content": first.output_text},
        {"role": "user", "content": "What is hal0?"},
    ]
    assert second.output_text == chat(gpt, by_chat)


def test_a_streamed_response_is_put_together_by_the_package(gpt: OpenAI) -> None:
    with gpt.responses.stream(model="primary", input="Hello!", temperature=0) as stream:
        text = "".join(event.delta for event in stream if event.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert text == final.output_text == chat(gpt)
    assert final.usage is not None
    assert final.usage.output_tokens > 0


def test_a_function_is_called_and_its_result_understood(gpt: OpenAI) -> None:
    with gpt.responses.stream(
        model="primary", input="Weather in Paris?", tools=[FUNCTION], tool_choice="required"
    ) as stream:
        (call,) = stream.get_final_response().output
    assert call.type == "function_call"
    assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "Paris"})
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    items: Any = [{"role": "user", "content": "Weather in Paris?"}, call.to_dict(), result]
    assert gpt.responses.create(model="primary", input=items, tools=[FUNCTION], tool_choice="none").output_text


def test_output_is_parsed_into_the_callers_type(gpt: OpenAI) -> None:
    class Place(BaseModel):
        city: Literal["Paris", "Rome"]

    parsed = gpt.responses.parse(model="primary", input="Name a city.", text_format=Place, max_output_tokens=400)
    assert isinstance(parsed.output_parsed, Place)


def test_an_answer_cut_off_is_incomplete(gpt: OpenAI) -> None:
    answer = gpt.responses.create(model="primary", input="Hello!", max_output_tokens=2)
    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"


def test_tokens_of_a_response_are_counted_as_they_are_used(gpt: OpenAI) -> None:
    asked: Any = {"model": "primary", "input": "Hello!", "instructions": "Be kind.", "tools": [FUNCTION]}
    count = gpt.responses.input_tokens.count(**asked)
    used = gpt.responses.create(**asked, max_output_tokens=1)
    assert used.usage is not None
    assert count.input_tokens == used.usage.input_tokens


@pytest.mark.parametrize(
    ("fields", "error", "code"),
    [
        ({"model": "no-such-model"}, openai.NotFoundError, "dispatch.no_route"),
        ({"model": "embed"}, openai.ConflictError, "dispatch.capability_mismatch"),
        ({"previous_response_id": "resp_1"}, openai.BadRequestError, "dispatch.not_stored"),
        ({"tools": [{"type": "web_search"}]}, openai.BadRequestError, "dispatch.unsupported"),
        ({"input": "word " * 5000}, openai.BadRequestError, "dispatch.context_exceeded"),
        ({"input": []}, openai.BadRequestError, "dispatch.invalid_request"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_of_responses_become_the_packages_own(
    gpt: OpenAI, fields: dict[str, Any], error: type[openai.APIStatusError], code: str, stream: bool
) -> None:
    with pytest.raises(error) as caught:
        gpt.responses.create(**{"model": "primary", "input": "hi", "stream": stream, **fields})
    assert caught.value.code == code
    if code == "dispatch.capability_mismatch":
        assert "/v1/responses" in caught.value.message


# Messages


def text_of(message: anthropic.types.Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def test_a_message_says_what_chat_says(claude: Anthropic, gpt: OpenAI) -> None:
    message = claude.messages.create(model="primary", max_tokens=99, messages=HELLO, extra_body=COLD)
    assert text_of(message) == chat(gpt)
    assert (message.stop_reason, message.model) == ("end_turn", "hal0-starter")
    assert message.usage.output_tokens > 0


def test_a_system_prompt_reaches_the_model(claude: Anthropic, gpt: OpenAI) -> None:
    system: Any = [{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}]
    message = claude.messages.create(model="primary", max_tokens=99, system=system, messages=HELLO, extra_body=COLD)
    assert text_of(message) == chat(gpt, [{"role": "system", "content": "Be kind."}, *HELLO])


def test_a_streamed_message_is_put_together_by_the_package(claude: Anthropic, gpt: OpenAI) -> None:
    with claude.messages.stream(model="primary", max_tokens=99, messages=HELLO, extra_body=COLD) as stream:
        text = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert text == text_of(final) == chat(gpt)
    assert final.stop_reason == "end_turn"
    prompt = final.usage.input_tokens + (final.usage.cache_read_input_tokens or 0)
    assert prompt == claude.messages.count_tokens(model="primary", messages=HELLO).input_tokens
    assert final.usage.output_tokens > 0


def test_a_tool_is_used_and_its_result_understood(claude: Anthropic) -> None:
    asked: Any = [{"role": "user", "content": "Weather in Paris?"}]
    with claude.messages.stream(
        model="primary", max_tokens=99, messages=asked, tools=[TOOL], tool_choice={"type": "any"}
    ) as stream:
        message = stream.get_final_message()
    (use,) = message.content
    assert use.type == "tool_use"
    assert (use.name, use.input, message.stop_reason) == ("get_weather", {"city": "Paris"}, "tool_use")
    result: Any = {"type": "tool_result", "tool_use_id": use.id, "content": "sunny"}
    turn: Any = [*asked, {"role": "assistant", "content": message.content}, {"role": "user", "content": [result]}]
    answer = claude.messages.create(
        model="primary", max_tokens=99, messages=turn, tools=[TOOL], tool_choice={"type": "none"}
    )
    assert text_of(answer)


def test_tokens_of_a_message_are_counted_with_its_tools(claude: Anthropic) -> None:
    bare = claude.messages.count_tokens(model="primary", messages=HELLO).input_tokens
    tooled = claude.messages.count_tokens(model="primary", messages=HELLO, tools=[TOOL]).input_tokens
    used = claude.messages.create(model="primary", max_tokens=1, messages=HELLO, tools=[TOOL]).usage
    assert 0 < bare < tooled == used.input_tokens + (used.cache_read_input_tokens or 0)


def test_stop_sequences_and_max_tokens_end_a_message(claude: Anthropic) -> None:
    stopped = claude.messages.create(
        model="primary", max_tokens=99, messages=HELLO, extra_body=COLD, stop_sequences=["!", "."]
    )
    assert not {"!", "."} & set(text_of(stopped))
    assert claude.messages.create(model="primary", max_tokens=1, messages=HELLO).stop_reason == "max_tokens"


@pytest.mark.parametrize(
    ("fields", "error", "code"),
    [
        ({"model": "no-such-model"}, anthropic.NotFoundError, "dispatch.no_route"),
        ({"model": "embed"}, anthropic.ConflictError, "dispatch.capability_mismatch"),
        ({"messages": []}, anthropic.BadRequestError, "dispatch.invalid_request"),
        (
            {"tools": [{"type": "bash_20250124", "name": "bash"}]},
            anthropic.BadRequestError,
            "dispatch.unsupported",
        ),
        (
            {"messages": [{"role": "user", "content": "word " * 5000}]},
            anthropic.BadRequestError,
            "dispatch.context_exceeded",
        ),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_of_messages_become_the_packages_own(
    claude: Anthropic, fields: dict[str, Any], error: type[anthropic.APIStatusError], code: str, stream: bool
) -> None:
    body = {"model": "primary", "max_tokens": 9, "messages": HELLO, "stream": stream, **fields}
    with pytest.raises(error) as caught:
        claude.messages.create(**body)
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["type"] == "error"
    assert caught.value.body["error"]["code"] == code
    if code == "dispatch.context_exceeded":  # what Anthropic's clients look for
        assert caught.value.body["error"]["message"].startswith("prompt is too long")
    assert caught.value.request_id


def test_every_dialect_is_listed_among_the_requests_with_its_text(hal0: Installation, claude: Anthropic) -> None:
    message = claude.messages.create(model="primary", max_tokens=99, messages=HELLO, extra_body=COLD)
    views = hal0.admin("GET", "/api/requests")["requests"]
    view = next(view for view in views if view["id"] == message._request_id)
    assert (view["path"], view["outcome"], view["prompt"]) == ("/v1/messages", "ok", "Hello!")
    assert view["text"] == text_of(message)


def test_cursors_bodies_are_answered_as_chat(hal0: Installation, gpt: OpenAI) -> None:
    body = {"model": "primary", "input": [{"role": "user", "content": "Hello!"}], **COLD}
    answer = httpx.post(f"{hal0.url}/v1/chat/completions", json=body, timeout=30).json()
    assert answer["object"] == "chat.completion"
    assert answer["choices"][0]["message"]["content"] == chat(gpt)
