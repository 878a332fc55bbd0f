"""Answers of chat completions in the words of the other APIs, judged by the types of their own packages."""

import json
from typing import Any

import anthropic.types
import openai.types.responses
import pytest
from pydantic import TypeAdapter

from hal0.daemon.dialects.chat import ChatAnswer
from hal0.daemon.dialects.messages_answer import MessagesAnswer
from hal0.daemon.dialects.messages_request import MessagesBody
from hal0.daemon.dialects.responses_answer import ResponsesAnswer
from hal0.daemon.dialects.responses_request import ResponsesBody
from hal0.daemon.proxy.translation import ToldFailure
from hal0.errors import Hal0Error
from tests.fakes.chat_chunks import DONE, USAGE, call, chunk, event, stream, usage

RESPONSES_EVENT: TypeAdapter[Any] = TypeAdapter(openai.types.responses.ResponseStreamEvent)
MESSAGES_EVENT: TypeAdapter[Any] = TypeAdapter(anthropic.types.RawMessageStreamEvent)

THOUGHTS = [chunk(reasoning_content="Hm"), chunk(reasoning_content="m.")]
WORDS = [chunk(content="Grüß "), chunk(content="Gott")]
CALLS = [
    call(0, "", id="a", name="look"),
    call(0, '{"at":'),
    call(0, ' "x"}'),
    call(1, "{}", id="b", name="wait"),
]
EVERYTHING = stream(*THOUGHTS, *WORDS, *CALLS, finish="tool_calls")
WHOLE = {
    "model": "tiny",
    "choices": [
        {
            "finish_reason": "tool_calls",
            "message": {
                "role": "assistant",
                "reasoning_content": "Hmm.",
                "content": "Grüß Gott",
                "tool_calls": [
                    {"id": "a", "type": "function", "function": {"name": "look", "arguments": '{"at": "x"}'}},
                    {"id": "b", "type": "function", "function": {"name": "wait", "arguments": "{}"}},
                ],
            },
        }
    ],
    "usage": USAGE,
}


def responses(**fields: Any) -> ResponsesAnswer:
    return ResponsesAnswer(ResponsesBody(input="hi", **{"stream": True, **fields}))


def messages(**fields: Any) -> MessagesAnswer:
    return MessagesAnswer(MessagesBody(messages=[{"role": "user", "content": "hi"}], **{"stream": True, **fields}))


def told(answer: ChatAnswer, *data: bytes) -> list[dict[str, Any]]:
    """All events, begun and ended."""
    return events(answer.begin(model="tiny") + b"".join(answer.feed(piece) for piece in data) + answer.end())


def events(said: bytes) -> list[dict[str, Any]]:
    found = []
    for block in said.decode().split("\n\n")[:-1]:
        name, data = block.split("\n")
        body = json.loads(data.removeprefix("data: "))
        assert name == f"event: {body['type']}"
        found.append(body)
    return found


def test_a_response_tells_every_item_from_its_beginning_to_its_end() -> None:
    seen = told(responses(), EVERYTHING)
    for each in seen:
        RESPONSES_EVENT.validate_python(each)
    assert [each["sequence_number"] for each in seen] == list(range(len(seen)))
    assert [each["type"].removeprefix("response.") for each in seen] == [
        *("created", "in_progress"),
        *("output_item.added", "content_part.added", "reasoning_text.delta", "reasoning_text.delta"),
        *("reasoning_text.done", "content_part.done", "output_item.done"),
        *("output_item.added", "content_part.added", "output_text.delta", "output_text.delta"),
        *("output_text.done", "content_part.done", "output_item.done"),
        *("output_item.added", "function_call_arguments.delta", "function_call_arguments.delta"),
        *("function_call_arguments.done", "output_item.done"),
        *("output_item.added", "function_call_arguments.delta"),
        *("function_call_arguments.done", "output_item.done"),
        "completed",
    ]
    added = [each["item"]["id"] for each in seen if each["type"] == "response.output_item.added"]
    assert [item["id"] for item in seen[-1]["response"]["output"]] == added
    assert len(set(added)) == 4
    assert [each["output_index"] for each in seen if each["type"] == "response.output_item.done"] == [0, 1, 2, 3]


def test_a_response_as_a_whole_is_what_its_stream_ends_with() -> None:
    streamed = told(responses(), EVERYTHING)[-1]["response"]
    whole = json.loads(responses(stream=None).whole(json.dumps(WHOLE).encode()))
    openai.types.responses.Response.model_validate(whole)
    for answer in (streamed, whole):
        assert (answer["object"], answer["status"], answer["model"]) == ("response", "completed", "tiny")
        reasoning, message, look, wait = answer["output"]
        assert (reasoning["type"], reasoning["content"][0]["text"]) == ("reasoning", "Hmm.")
        assert (message["type"], message["content"][0]["text"]) == ("message", "Grüß Gott")
        assert (look["call_id"], look["name"], look["arguments"]) == ("a", "look", '{"at": "x"}')
        assert (wait["call_id"], wait["name"], wait["arguments"]) == ("b", "wait", "{}")
        assert {item["status"] for item in answer["output"]} == {"completed"}
        assert answer["usage"] == {
            "input_tokens": 12,
            "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
            "output_tokens": 5,
            "output_tokens_details": {"reasoning_tokens": 2},
            "total_tokens": 17,
        }


def test_a_response_tells_back_what_was_asked_and_that_nothing_is_stored() -> None:
    tools = [{"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True}]
    asked = {"instructions": "Be brief.", "tools": tools, "temperature": 0.5, "metadata": {"a": "b"}, "store": True}
    answer = told(responses(**asked), stream(*WORDS))[-1]["response"]
    assert {name: answer[name] for name in asked} == {**asked, "store": False}


@pytest.mark.parametrize(("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")])
def test_a_response_that_was_cut_off_is_incomplete(finish: str, reason: str) -> None:
    last = told(responses(), stream(*WORDS, finish=finish))[-1]
    RESPONSES_EVENT.validate_python(last)
    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": reason}
    assert last["response"]["output"][0]["status"] == "incomplete"
    assert last["response"]["completed_at"] is None


def test_a_message_tells_every_block_from_its_beginning_to_its_end() -> None:
    seen = told(messages(), EVERYTHING)
    for each in seen:
        if each["type"] != "ping":
            MESSAGES_EVENT.validate_python(each)
    assert [each["type"] for each in seen] == [
        *("message_start", "ping"),
        *("content_block_start", "content_block_delta", "content_block_delta"),
        *("content_block_delta", "content_block_stop"),  # the signature
        *("content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"),
        *("content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"),
        *("content_block_start", "content_block_delta", "content_block_stop"),
        *("message_delta", "message_stop"),
    ]
    assert [each["index"] for each in seen if each["type"] == "content_block_stop"] == [0, 1, 2, 3]
    deltas = [each["delta"] for each in seen if each["type"] == "content_block_delta"]
    assert [delta["type"] for delta in deltas] == [
        *("thinking_delta", "thinking_delta", "signature_delta", "text_delta", "text_delta"),
        *("input_json_delta", "input_json_delta", "input_json_delta"),
    ]
    assert "".join(delta.get("partial_json", "") for delta in deltas) == '{"at": "x"}{}'
    end = seen[-2]
    assert end["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert (end["usage"]["input_tokens"], end["usage"]["cache_read_input_tokens"]) == (8, 4)
    assert end["usage"]["output_tokens"] == 5


def test_a_message_as_a_whole_has_the_blocks_in_order() -> None:
    whole = json.loads(messages(stream=None).whole(json.dumps(WHOLE).encode()))
    anthropic.types.Message.model_validate(whole)
    assert whole["content"] == [
        {"type": "thinking", "thinking": "Hmm.", "signature": ""},
        {"type": "text", "text": "Grüß Gott"},
        {"type": "tool_use", "id": "a", "name": "look", "input": {"at": "x"}},
        {"type": "tool_use", "id": "b", "name": "wait", "input": {}},
    ]
    assert (whole["stop_reason"], whole["model"], whole["role"]) == ("tool_use", "tiny", "assistant")


STOPS = {
    "end": (stream(*WORDS), "end_turn", None),
    "length": (stream(*WORDS, finish="length"), "max_tokens", None),
    "filter": (stream(*WORDS, finish="content_filter"), "refusal", None),
    "calls that a backend calls a stop": (stream(*CALLS), "tool_use", None),
    "a sequence": (
        event({"choices": [{"delta": {"content": "a"}, "finish_reason": "stop", "stop_reason": "END"}]}) + DONE,
        "stop_sequence",
        "END",
    ),
    "a token": (
        event({"choices": [{"delta": {"content": "a"}, "finish_reason": "stop", "stop_reason": 7}]}) + DONE,
        "end_turn",
        None,
    ),
}


@pytest.mark.parametrize(("data", "reason", "sequence"), STOPS.values(), ids=STOPS)
def test_a_message_says_why_it_ends(data: bytes, reason: str, sequence: str | None) -> None:
    delta = told(messages(), data)[-2]["delta"]
    assert delta == {"stop_reason": reason, "stop_sequence": sequence}


def test_context_management_is_told_to_have_edited_nothing() -> None:
    asked = {"context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]}}
    assert told(messages(**asked), stream(*WORDS))[-2]["context_management"] == {"applied_edits": []}
    assert "context_management" not in told(messages(), stream(*WORDS))[-2]


@pytest.mark.parametrize("make", [responses, messages])
def test_a_piece_is_passed_on_as_soon_as_it_is_there_wherever_the_network_cuts(make: Any) -> None:
    at_once = told(make(), EVERYTHING)
    byte_by_byte = told(make(), *(EVERYTHING[i : i + 1] for i in range(len(EVERYTHING))))
    assert [each["type"] for each in byte_by_byte] == [each["type"] for each in at_once]
    answer = make()
    answer.begin(model="tiny")
    for piece in WORDS:
        said = answer.feed(piece)
        assert said.count(b"_text.delta") + said.count(b'"text_delta"') >= 1
        assert not answer.has_ended


@pytest.mark.parametrize("make", [responses, messages])
@pytest.mark.parametrize("end", [DONE, b""])
def test_an_answer_ends_at_the_end_mark_or_with_the_stream_and_only_once(make: Any, end: bytes) -> None:
    answer = make()
    answer.begin(model="tiny")
    said = answer.feed(b"".join(WORDS) + chunk("stop") + usage() + end)
    assert answer.has_ended == bool(end)
    said += answer.end()
    assert answer.has_ended
    assert answer.end() == b""
    assert answer.feed(WORDS[0]) == b""
    last = events(said)[-1]
    assert last["type"] in ("response.completed", "message_stop")


@pytest.mark.parametrize("make", [responses, messages])
def test_a_stream_without_a_reason_of_its_end_has_not_ended(make: Any) -> None:
    answer = make()
    answer.begin(model="tiny")
    answer.feed(b"".join(WORDS) + DONE)
    assert answer.end() == b""
    assert not answer.has_ended


CALLERS = {
    "one index for all": [call(0, "{}", id="a", name="look"), call(0, '{"b":1}', id="b", name="wait")],
    "no index": [call(None, "{}", id="a", name="look"), call(None, '{"b":1}', id="b", name="wait")],
    "pieces without an index": [
        *(call(None, "", id="a", name="look"), call(None, "{"), call(None, "}")),
        call(None, '{"b":1}', id="b", name="wait"),
    ],
    "the id in every piece": [
        *(call(0, "{", id="a", name="look"), call(0, "}", id="a")),
        call(1, '{"b":1}', id="b", name="wait"),
    ],
}


@pytest.mark.parametrize("pieces", CALLERS.values(), ids=CALLERS)
def test_tool_calls_are_told_apart_however_a_backend_marks_them(pieces: list[bytes]) -> None:
    output = told(responses(), stream(*pieces))[-1]["response"]["output"]
    assert [(item["call_id"], item["name"], item["arguments"]) for item in output] == [
        ("a", "look", "{}"),
        ("b", "wait", '{"b":1}'),
    ]


def test_a_call_without_an_id_gets_one() -> None:
    (item,) = told(responses(), stream(call(0, "{}", name="look")))[-1]["response"]["output"]
    assert item["call_id"].startswith("call_")


def test_what_is_no_data_passes_unseen_and_other_choices_too() -> None:
    other = event({"choices": [{"index": 1, "delta": {"content": "other"}}]})
    data = b": ping\n\nevent: x\nid: 3\n" + WORDS[0].replace(b"\n\n", b"\r\n\r\n") + other
    answer = told(responses(), data, chunk("stop"), DONE)[-1]["response"]
    assert answer["output"][0]["content"][0]["text"] == "Grüß "
    assert answer["usage"] is None


def test_a_message_without_figures_of_the_backend_counts_its_pieces() -> None:
    assert told(messages(), *WORDS, chunk("stop"), DONE)[-2]["usage"] == {"input_tokens": 0, "output_tokens": 2}


SENSELESS = {
    "not JSON": b"data: {\n\n",
    "a list": b"data: [1]\n\n",
    "no choices": event({"choices": 3}),
    "a number": b"data: 3\n\n",
    "a call that was over": b"".join([*CALLS, call(0, "{}")]),
    "a call without a name": call(0, "{}", id="a"),
    "deep": b"data: " + b"[" * 100_000 + b"\n\n",
}


@pytest.mark.parametrize("data", SENSELESS.values(), ids=SENSELESS)
def test_a_stream_that_makes_no_sense_is_a_value_error(data: bytes) -> None:
    answer = responses()
    answer.begin(model="tiny")
    with pytest.raises(ValueError):  # noqa: PT011 - the words are for people
        answer.feed(data)


WHOLES = {
    "not JSON": b"no",
    "no choices": b"{}",
    "empty choices": b'{"choices":[]}',
    "a list": b"[]",
    "arguments": json.dumps(
        {
            "choices": [
                {
                    "finish_reason": "tool_calls",
                    "message": {"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": '{"a"'}}]},
                }
            ]
        }
    ).encode(),
}


@pytest.mark.parametrize("body", WHOLES.values(), ids=WHOLES)
def test_a_whole_answer_that_makes_no_sense_is_a_value_error(body: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words are for people
        messages(stream=None).whole(body)


@pytest.mark.parametrize("make", [responses, messages])
def test_an_answer_after_one_that_made_no_sense_is_as_if_it_were_the_first(make: Any) -> None:
    half = {"choices": [{"message": {"content": "Half", "tool_calls": [{"id": "a", "function": {}}]}}]}
    answer = make(stream=None)
    with pytest.raises(ValueError):  # noqa: PT011 - the words are for people
        answer.whole(json.dumps(half).encode())
    said = answer.whole(json.dumps(WHOLE).encode()).decode()
    assert said.count("Gott") == 1
    assert "Half" not in said


def test_arguments_cut_off_by_max_tokens_are_none() -> None:
    body = json.loads(WHOLES["arguments"])
    body["choices"][0]["finish_reason"] = "length"
    whole = json.loads(messages(stream=None).whole(json.dumps(body).encode()))
    assert whole["content"][0]["input"] == {}
    assert whole["stop_reason"] == "max_tokens"


def test_an_error_of_the_backend_in_its_stream_is_its_own_kind_of_failure() -> None:
    answer = messages()
    answer.begin(model="tiny")
    with pytest.raises(ToldFailure) as caught:
        answer.feed(WORDS[0] + event({"error": {"message": "out of memory"}}))
    assert json.loads(caught.value.body)["error"]["message"] == "out of memory"


ERROR = Hal0Error("dispatch.stream_broken", slot="primary", reason="it died")


def test_a_response_that_fails_keeps_what_it_had_and_is_told_as_an_error_too() -> None:
    answer = responses()
    answer.begin(model="tiny")
    with pytest.raises(ToldFailure):
        answer.feed(WORDS[0] + event({"error": {}, "choices": []}) + event({"error": {"message": "m"}}))
    seen = events(answer.fail(ERROR))
    for each in seen:
        RESPONSES_EVENT.validate_python(each)
    assert [each["type"] for each in seen[-3:]] == ["response.output_text.delta", "response.failed", "error"]
    failed, error = seen[-2:]
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"] == {"code": "server_error", "message": str(ERROR)}
    assert failed["response"]["output"][0]["content"][0]["text"] == "Grüß "
    assert failed["response"]["output"][0]["status"] == "incomplete"
    assert (error["code"], error["error"]) == (ERROR.code, ERROR.envelope()["error"])
    assert answer.fail(ERROR) == b""


def test_a_message_that_fails_ends_with_an_error_and_nothing_like_an_end() -> None:
    answer = messages()
    answer.begin(model="tiny")
    answer.feed(WORDS[0])
    (error,) = events(answer.fail(ERROR))
    anthropic.types.ErrorResponse.model_validate({**error, "request_id": None})
    assert error["error"]["type"] == "api_error"
    assert (error["error"]["code"], error["error"]["message"]) == (ERROR.code, ERROR.message)
    assert answer.end() == b""
