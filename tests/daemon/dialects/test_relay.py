"""Requests in other words on their way to a backend of chat completions and back."""

import asyncio
import json
from typing import Any

import pytest

from hal0.daemon.config.schema import Dispatch
from hal0.daemon.http.endpoint import Endpoint
from hal0.daemon.http.pipe import PIPE
from tests.fakes.backend import STREAM_HEAD, Asked, backend, delta
from tests.fakes.door import relaying, until
from tests.fakes.http_client import Seen, ask, connect, post

RESPONSES, MESSAGES = "/v1/responses", "/v1/messages"
COUNTS = {"/v1/messages/count_tokens": {}, "/v1/responses/input_tokens": {"object": "response.input_tokens"}}
BODIES: dict[str, dict[str, Any]] = {
    RESPONSES: {"input": "hello"},
    MESSAGES: {"messages": [{"role": "user", "content": "hello"}], "max_tokens": 9},
    "/v1/messages/count_tokens": {"messages": [{"role": "user", "content": "hello"}]},
    "/v1/responses/input_tokens": {"input": "hello"},
}
DIALECTS = pytest.mark.parametrize("path", [RESPONSES, MESSAGES])
ANSWER = {
    "model": "tiny",
    "choices": [{"message": {"content": "Hi there"}, "finish_reason": "stop"}],
    "usage": {"completion_tokens": 2, "prompt_tokens": 5},
}


async def answer(asked: Asked) -> None:
    await asked.json_answer(ANSWER)


async def words(asked: Asked) -> None:
    await asked.stream(["Hi ", "there"])


async def never(asked: Asked) -> None:
    raise AssertionError("this request must not reach the backend")


def events(seen: Seen) -> list[dict[str, Any]]:
    found = []
    for event in seen.body.decode().split("\n\n")[:-1]:
        name, data = event.split("\n")
        found.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {found[-1]['type']}"
    return found


def text_of(path: str, seen: list[dict[str, Any]]) -> str:
    if path == RESPONSES:
        return "".join(each["delta"] for each in seen if each["type"] == "response.output_text.delta")
    return "".join(each["delta"]["text"] for each in seen if each["type"] == "content_block_delta")


def without_pipe(app: Any) -> Any:
    """The same app behind a server that offers plain ASGI only."""

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        scope["extensions"].pop(PIPE)
        await app(scope, receive, send)

    return wrapped


@DIALECTS
async def test_a_whole_answer_is_asked_of_chat_completions_and_shown_like_any_request(path: str) -> None:
    async with backend(answer) as upstream, relaying(upstream.endpoint) as relay:
        secrets = ("x-api-key: secret", "authorization: Bearer secret", "anthropic-version: 2023-06-01")
        seen = await ask(relay.port, post(path, {**BODIES[path], "model": "primary"}, *secrets))
        assert (seen.status, seen.headers["content-type"]) == (200, "application/json")
        assert seen.headers["x-hal0-slot"] == "primary"
        content = seen.json()["output"][0]["content"] if path == RESPONSES else seen.json()["content"]
        assert content[0]["text"] == "Hi there"
        (asked,) = upstream.asked
        assert asked.line == "POST /v1/chat/completions HTTP/1.1"
        assert asked.json()["model"] == "tiny"
        assert asked.json()["messages"] == [{"role": "user", "content": "hello"}]
        assert "secret" not in str(asked.headers) + asked.body.decode()
        (view,) = relay.requests.views()
        assert (view.path, view.asked, view.outcome, view.status) == (path, "primary", "ok", 200)
        assert (view.prompt, view.text, view.tokens, view.prompt_tokens) == ("hello", "Hi there", 2, 5)
        assert view.id == seen.headers["x-request-id"]
        if path == MESSAGES:
            assert seen.headers["request-id"] == view.id


@DIALECTS
@pytest.mark.parametrize("wrap", [lambda app: app, without_pipe])
async def test_a_stream_arrives_piece_by_piece_as_the_backend_sends_it(path: str, wrap: Any) -> None:
    step = asyncio.Event()

    async def script(asked: Asked) -> None:
        await asked.send(STREAM_HEAD)
        for number in range(3):
            await step.wait()
            step.clear()
            await asked.event(delta(str(number)))
        await step.wait()
        await asked.event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
        await asked.event("[DONE]")
        await asked.send(b"0\r\n\r\n")

    async with (
        backend(script) as upstream,
        relaying(upstream.endpoint, wrap=wrap) as relay,
        connect(relay.port) as client,
    ):
        await client.send(post(path, {**BODIES[path], "stream": True}))
        assert (await client.head())[1]["content-type"] == "text/event-stream"
        assert b"created" in (begun := await client.chunk()) or b"message_start" in begun
        for number in range(3):
            step.set()
            assert b'"%d"' % number in await client.chunk()
        step.set()
        rest = b""
        while chunk := await client.chunk():
            rest += chunk
        assert b"response.completed" in rest or b"message_stop" in rest


@DIALECTS
async def test_the_text_of_a_stream_is_seen_and_counted_as_it_was_generated(path: str) -> None:
    async with backend(words) as upstream, relaying(upstream.endpoint) as relay:
        seen = await ask(relay.port, post(path, {**BODIES[path], "stream": True}))
        assert text_of(path, events(seen)) == "Hi there"
        assert upstream.asked[0].json()["stream_options"] == {"include_usage": True}
        (view,) = relay.requests.views()
        assert (view.text, view.tokens, view.prompt_tokens, view.outcome) == ("Hi there", 2, 7, "ok")
        assert view.stream
        assert view.ttft_ms is not None


@DIALECTS
async def test_when_the_client_leaves_in_the_middle_the_backend_is_told_at_once(path: str) -> None:
    begun = asyncio.Event()

    async def script(asked: Asked) -> None:
        await asked.send(STREAM_HEAD)
        await asked.event(delta("a"))
        begun.set()
        await asyncio.Event().wait()

    async with backend(script) as upstream, relaying(upstream.endpoint) as relay:
        async with connect(relay.port) as client:
            await client.send(post(path, {**BODIES[path], "stream": True}))
            await begun.wait()
            client.abort()
        async with asyncio.timeout(30):
            await upstream.asked[0].left.wait()
        await until(lambda: relay.slot.leases == 0)
        (view,) = relay.requests.views()
        assert (view.outcome, view.error.code if view.error else "") == ("cancelled", "dispatch.cancelled")


async def broken(asked: Asked) -> None:
    await asked.send(STREAM_HEAD)
    await asked.event(delta("Hi"))
    asked.cut()


async def told(asked: Asked) -> None:
    await asked.send(STREAM_HEAD)
    await asked.event(delta("Hi"))
    await asked.event({"error": {"message": "out of memory", "code": 500}})
    await asked.send(b"0\r\n\r\n")


async def told_at_once(asked: Asked) -> None:
    """Text, error and end in one packet: by the time the error is read the answer is over."""
    data = b"data: %b\n\ndata: %b\n\n" % (json.dumps(delta("Hi")).encode(), b'{"error":{"message":"out of memory"}}')
    await asked.send(STREAM_HEAD + b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data))


async def senseless(asked: Asked) -> None:
    await asked.send(STREAM_HEAD)
    await asked.event(delta("Hi"))
    await asked.event("{")
    await asyncio.Event().wait()


async def endless(asked: Asked) -> None:
    await asked.send(STREAM_HEAD)
    await asked.event(delta("Hi"))
    await asked.event("[DONE]")
    await asked.send(b"0\r\n\r\n")


FAULTS = {
    "broken": (broken, "dispatch.stream_broken"),
    "told": (told, "dispatch.upstream_failed"),
    "told at once": (told_at_once, "dispatch.upstream_failed"),
    "senseless": (senseless, "slot.bad_response"),
    "no end": (endless, "dispatch.stream_broken"),
}


@DIALECTS
@pytest.mark.parametrize("wrap", [lambda app: app, without_pipe])
@pytest.mark.parametrize(("script", "code"), FAULTS.values(), ids=FAULTS)
async def test_a_failure_in_the_middle_is_the_last_event_in_the_clients_words(
    path: str, script: Any, code: str, wrap: Any
) -> None:
    async with backend(script) as upstream, relaying(upstream.endpoint, wrap=wrap) as relay:
        seen = await ask(relay.port, post(path, {**BODIES[path], "stream": True}))
        found = events(seen)
        assert text_of(path, found) == "Hi"
        assert seen.is_whole
        assert (found[-1]["type"], found[-1]["error"]["code"]) == ("error", code)
        if path == RESPONSES:
            assert found[-2]["type"] == "response.failed"
        assert "response.completed" not in seen.body.decode()
        assert "message_stop" not in seen.body.decode()
        (view,) = relay.requests.views()
        assert (view.outcome, view.error.code if view.error else "") == ("failed", code)
        assert relay.slot.leases == 0


@DIALECTS
async def test_a_silent_backend_is_given_up_in_the_clients_words(path: str) -> None:
    async def script(asked: Asked) -> None:
        await asked.send(STREAM_HEAD)
        await asked.event(delta("Hi"))
        await asyncio.Event().wait()

    limits = Dispatch(stream_idle_timeout=0.2)
    async with backend(script) as upstream, relaying(upstream.endpoint, dispatch=limits) as relay:
        seen = await ask(relay.port, post(path, {**BODIES[path], "stream": True}))
        assert events(seen)[-1]["error"]["code"] == "dispatch.stream_stalled"


@DIALECTS
async def test_a_person_who_cancels_ends_the_stream_in_the_clients_words(path: str) -> None:
    async def script(asked: Asked) -> None:
        await asked.send(STREAM_HEAD)
        await asked.event(delta("Hi"))
        await asyncio.Event().wait()

    async with backend(script) as upstream, relaying(upstream.endpoint) as relay, connect(relay.port) as client:
        await client.send(post(path, {**BODIES[path], "stream": True}, "x-request-id: mine"))
        await client.head()
        await client.chunk()
        relay.requests.cancel("mine", by="a person")
        last = b""
        while chunk := await client.chunk():
            last += chunk
        assert b"dispatch.cancelled" in last


# Before the stream ---------------------------------------------------------------------------------------------------

ENVELOPES = {
    (RESPONSES, "no_route"): ({"model": "nope"}, 404, "dispatch.no_route", "not_found_error"),
    (MESSAGES, "no_route"): ({"model": "nope"}, 404, "dispatch.no_route", "not_found_error"),
    (RESPONSES, "unsupported"): ({"tools": [{"type": "mcp"}]}, 400, "dispatch.unsupported", "invalid_request_error"),
    (MESSAGES, "unsupported"): (
        {"tools": [{"type": "bash_20250124", "name": "bash"}]},
        400,
        "dispatch.unsupported",
        "invalid_request_error",
    ),
}


@pytest.mark.parametrize(("case", "expected"), ENVELOPES.items(), ids=str)
async def test_a_failure_before_the_stream_has_the_right_status_and_shape(
    case: tuple[str, str], expected: tuple[dict[str, Any], int, str, str]
) -> None:
    path, (fields, status, code, kind) = case[0], expected
    async with backend(never) as upstream, relaying(upstream.endpoint) as relay:
        for stream in (False, True):
            seen = await ask(relay.port, post(path, {**BODIES[path], **fields, "stream": stream}))
            error = seen.json()["error"]
            assert (seen.status, error["code"], error["type"]) == (status, code, kind)
            assert seen.headers["x-should-retry"] == "false"
            if path == MESSAGES:
                assert seen.json()["type"] == "error"
                assert seen.json()["request_id"] == seen.headers["x-request-id"] == seen.headers["request-id"]
            else:
                assert set(seen.json()) == {"error"}


@pytest.mark.parametrize("path", BODIES)
async def test_other_methods_and_media_are_refused_in_the_clients_words(path: str) -> None:
    async with backend(never) as upstream, relaying(upstream.endpoint) as relay:
        got = await ask(relay.port, f"GET {path} HTTP/1.1\r\nhost: a\r\n\r\n".encode(), method="GET")
        assert (got.status, got.code, got.headers["allow"]) == (405, "system.method_not_allowed", "POST")
        form = await ask(relay.port, post(path, BODIES[path], "content-type: multipart/form-data; boundary=x"))
        assert (form.status, form.code) == (415, "dispatch.unsupported_media")
        for seen in (got, form):
            assert ("type" in seen.json()) == path.startswith(MESSAGES)


REFUSALS = {
    "context": (
        {"error": {"message": "x", "type": "exceed_context_size_error"}},
        400,
        400,
        "dispatch.context_exceeded",
    ),
    "caller": ({"error": {"message": "image input is not supported"}}, 500, 400, "dispatch.upstream_rejected"),
    "backend": ({"error": {"message": "boom"}}, 500, 502, "dispatch.upstream_failed"),
    "nonsense": ({"choices": []}, 200, 502, "slot.bad_response"),
    "an error that says 200": ({"error": {"message": "boom"}}, 200, 502, "dispatch.upstream_failed"),
}


@DIALECTS
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("body", "given", "status", "code"), REFUSALS.values(), ids=REFUSALS)
async def test_what_the_backend_refuses_is_told_in_the_clients_words(
    path: str, stream: bool, body: Any, given: int, status: int, code: str
) -> None:
    async def script(asked: Asked) -> None:
        await asked.json_answer(json.dumps(body, separators=(",", ":")).encode(), given)

    async with backend(script) as upstream, relaying(upstream.endpoint) as relay:
        seen = await ask(relay.port, post(path, {**BODIES[path], "stream": stream}))
        assert (seen.status, seen.code) == (status, code)
        assert ("type" in seen.json()) == (path == MESSAGES)


@DIALECTS
async def test_an_answer_without_the_stream_that_was_asked_for_is_a_bad_response(path: str) -> None:
    async with backend(answer) as upstream, relaying(upstream.endpoint) as relay:
        seen = await ask(relay.port, post(path, {**BODIES[path], "stream": True}))
        assert (seen.status, seen.code) == (502, "slot.bad_response")


async def test_a_stream_that_nobody_asked_for_is_a_bad_response() -> None:
    paths = [RESPONSES, MESSAGES, *COUNTS]
    async with backend(words) as upstream, relaying(upstream.endpoint) as relay:
        for path in paths:
            seen = await ask(relay.port, post(path, BODIES[path]))
            assert (seen.status, seen.code) == (502, "slot.bad_response")


# Counting ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "more"), COUNTS.items())
async def test_tokens_are_counted_by_the_backends_own_tokenizer(path: str, more: dict[str, str]) -> None:
    async def script(asked: Asked) -> None:
        await asked.json_answer({"input_tokens": 42, "object": "response.input_tokens"})

    async with backend(script) as upstream, relaying(upstream.endpoint) as relay:
        seen = await ask(relay.port, post(path, {**BODIES[path], "model": "primary"}))
        assert (seen.status, seen.json()) == (200, {**more, "input_tokens": 42})
        (asked,) = upstream.asked
        assert asked.line == "POST /v1/chat/completions/input_tokens HTTP/1.1"
        assert asked.json() == {"model": "tiny", "messages": [{"role": "user", "content": "hello"}]}


@pytest.mark.parametrize("path", COUNTS)
@pytest.mark.parametrize("status", [404, 405, 501])
async def test_a_backend_that_cannot_count_is_asked_for_one_token(path: str, status: int) -> None:
    async def script(asked: Asked) -> None:
        if "input_tokens" in asked.line:
            await asked.json_answer({"error": {"message": "File Not Found"}}, status)
        else:
            await asked.json_answer({**ANSWER, "usage": {"prompt_tokens": 17}})

    async with backend(script) as upstream:
        async with relaying(upstream.endpoint) as relay:
            seen = await ask(relay.port, post(path, {**BODIES[path], "max_completion_tokens": 99}))
            assert (seen.status, seen.json()["input_tokens"]) == (200, 17)
        await until(lambda: upstream.open == 0)
        _, second = upstream.asked
        assert second.line == "POST /v1/chat/completions HTTP/1.1"
        assert second.json() == {
            "model": "tiny",
            "messages": [{"role": "user", "content": "hello"}],
            "max_tokens": 1,
        }


@pytest.mark.parametrize("body", [{}, {"input_tokens": "3"}, {"input_tokens": -1}, [], {"usage": {}}])
async def test_a_count_that_is_none_is_a_bad_response(body: Any) -> None:
    async def script(asked: Asked) -> None:
        await asked.json_answer(body)

    async with backend(script) as upstream, relaying(upstream.endpoint) as relay:
        seen = await ask(relay.port, post("/v1/messages/count_tokens", BODIES["/v1/messages/count_tokens"]))
        assert (seen.status, seen.code) == (502, "slot.bad_response")


async def test_a_backend_that_says_no_to_everything_is_not_asked_for_ever() -> None:
    async def script(asked: Asked) -> None:
        await asked.json_answer({"error": {"message": "no"}}, 404)

    async with backend(script) as upstream, relaying(upstream.endpoint) as relay:
        seen = await ask(relay.port, post("/v1/messages/count_tokens", BODIES["/v1/messages/count_tokens"]))
        assert (seen.status, seen.code) == (400, "dispatch.upstream_rejected")
        assert len(upstream.asked) == 2


async def test_a_backend_with_paths_of_its_own_is_asked_there() -> None:
    async with backend(answer) as upstream:
        endpoint = Endpoint(upstream.port, api_path="/api/v3", names_model=True)
        async with relaying(endpoint) as relay:
            assert (await ask(relay.port, post(RESPONSES, BODIES[RESPONSES]))).status == 200
            assert upstream.asked[0].line == "POST /api/v3/chat/completions HTTP/1.1"
            assert upstream.asked[0].json()["model"] == "tiny"


async def test_a_body_of_responses_at_chat_completions_is_answered_as_chat_byte_for_byte() -> None:
    async with backend(words) as upstream, relaying(upstream.endpoint) as relay:
        seen = await ask(relay.port, post("/v1/chat/completions", {"input": "hello", "stream": True}))
        assert [json.loads(data)["choices"][0]["delta"].get("content") for data in seen.events()[1:3]] == [
            "Hi ",
            "there",
        ]
        assert seen.events()[-1] == "[DONE]"
        assert upstream.asked[0].json()["messages"] == [{"role": "user", "content": "hello"}]
