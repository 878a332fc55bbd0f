"""Every way in which a request can fail, and what its client is told."""

import asyncio
import json
import resource
from typing import Any

import pytest

from hal0.daemon.config.schema import Dispatch
from hal0.daemon.config.schema import Server as ServerSettings
from hal0.daemon.http.endpoint import Endpoint
from hal0.errors import Hal0Error
from tests.fakes.backend import STREAM_HEAD, Asked, backend, delta
from tests.fakes.door import relaying, until
from tests.fakes.http_client import ask, connect, post

CHAT = "/v1/chat/completions"
HELLO = {"messages": [{"role": "user", "content": "hello"}]}
STREAM = {**HELLO, "stream": True}


async def never(asked: Asked) -> None:
    raise AssertionError("no request should have come")


def error_event(events: list[str]) -> str:
    """The code of the last event; a broken stream must not look like one that ended."""
    assert "[DONE]" not in events
    assert not any("finish_reason" in event for event in events)
    return str(json.loads(events[-1])["error"]["code"])


BODIES = {
    "broken": (b'{"messages": [', "dispatch.invalid_json", None),
    "empty": (b"", "dispatch.invalid_json", None),
    "deep": (b"[" * 10_000 + b"]" * 10_000, "dispatch.invalid_json", None),
    "deep_and_unknown": (b'{"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}", "dispatch.invalid_json", None),
    "nan": (b'{"messages":[{"role":"user","content":"a"}],"x":NaN}', "dispatch.invalid_json", None),
    "infinity": (b'{"messages":[{"role":"user","content":"a"}],"x":-Infinity}', "dispatch.invalid_json", None),
    "utf8": (b'{"messages":[{"role":"user","content":"\xff"}]}', "dispatch.invalid_json", None),
    "surrogate": (b'{"messages":[{"role":"user","content":"\\ud800"}]}', "dispatch.invalid_json", None),
    "nan_beside_a_string": (b'{"messages":[{"role":"user","content":"NaN"}],"x":NaN}', "dispatch.invalid_json", None),
    "huge_integer": (b'{"seed":' + b"9" * 5000 + b"}", "dispatch.invalid_json", None),
    "a_list": (b"[]", "dispatch.invalid_request", None),
    "no_messages": (b"{}", "dispatch.invalid_request", "messages"),
    "empty_messages": (b'{"messages":[]}', "dispatch.invalid_request", "messages"),
    "messages_of_strings": (b'{"messages":["a"]}', "dispatch.invalid_request", "messages.0"),
    "no_role": (b'{"messages":[{"content":"a"}]}', "dispatch.invalid_request", "messages.0.role"),
    "content_number": (b'{"messages":[{"role":"user","content":3}]}', "dispatch.invalid_request", "messages.0.content"),
    "content_part": (
        b'{"messages":[{"role":"user","content":["a"]}]}',
        "dispatch.invalid_request",
        "messages.0.content",
    ),
    "model_number": (b'{"model":3,"messages":[{"role":"user"}]}', "dispatch.invalid_request", "model"),
    "stream_text": (b'{"stream":"true","messages":[{"role":"user"}]}', "dispatch.invalid_request", "stream"),
    "max_tokens": (b'{"max_tokens":"9","messages":[{"role":"user"}]}', "dispatch.invalid_request", "max_tokens"),
    "stop": (b'{"stop":3,"messages":[{"role":"user"}]}', "dispatch.invalid_request", "stop"),
    "stops": (b'{"stop":["a",3],"messages":[{"role":"user"}]}', "dispatch.invalid_request", "stop"),
    "logit_bias": (b'{"logit_bias":"x","messages":[{"role":"user"}]}', "dispatch.invalid_request", "logit_bias"),
    "tools": (b'{"tools":{},"messages":[{"role":"user"}]}', "dispatch.invalid_request", "tools"),
    "tool_choice": (
        b'{"tool_choice":{"type":"function","function":{"name":"f"}},"messages":[{"role":"user"}]}',
        "dispatch.invalid_request",
        "tool_choice",
    ),
}


@pytest.mark.parametrize(("body", "code", "param"), BODIES.values(), ids=BODIES)
async def test_a_wrong_body_is_refused_with_a_code_and_the_field(body: bytes, code: str, param: str | None) -> None:
    async with backend(never) as upstream, relaying(upstream.endpoint) as relay:
        seen = await ask(relay.port, post(CHAT, body))
        error = seen.json()["error"]
        assert (seen.status, error["code"], error["param"]) == (400, code, param)
        assert error["type"] == "invalid_request_error"
        assert seen.headers["x-should-retry"] == "false"
        assert "retry-after" not in seen.headers
        assert seen.headers["x-request-id"]


@pytest.mark.parametrize(("path", "field"), [("/v1/completions", "prompt"), ("/v1/embeddings", "input")])
@pytest.mark.parametrize("wrong", [b'""', b"[]", b"3", b"[[]]", b'["a",1]', b"[true]", b"[[1],2]", b"null"])
async def test_inputs_of_every_wrong_shape_are_refused(wrong: bytes, path: str, field: str) -> None:
    async with backend(never) as upstream, relaying(upstream.endpoint) as relay:
        seen = await ask(relay.port, post(path, b'{"%b":%b}' % (field.encode(), wrong)))
        assert (seen.status, seen.json()["error"]["param"]) == (400, field)


async def test_what_is_not_json_by_its_content_type_is_refused_and_what_forgot_to_say_so_is_not() -> None:
    async def answer(asked: Asked) -> None:
        await asked.json_answer({"ok": True})

    async with backend(answer) as upstream, relaying(upstream.endpoint) as relay:
        refused = await ask(relay.port, post(CHAT, HELLO, "content-type: multipart/form-data; boundary=x"))
        assert (refused.status, refused.code) == (415, "dispatch.unsupported_media")
        for header in ("content-type: text/plain", "content-type: application/json; charset=utf-8"):
            assert (await ask(relay.port, post(CHAT, HELLO, header))).status == 200
        bare = post(CHAT, HELLO).replace(b"content-type: application/json\r\n", b"")
        assert (await ask(relay.port, bare)).status == 200


async def test_a_client_says_that_nobody_waits_for_its_request_and_is_told_of_a_word_that_means_nothing() -> None:
    async def answer(asked: Asked) -> None:
        assert "x-hal0-priority" not in asked.headers, "it is for hal0 alone"
        await asked.json_answer({"ok": True})

    async with backend(answer) as upstream, relaying(upstream.endpoint) as relay:
        slot = relay.slots["primary"]
        for word, background in (("Background", True), ("normal", False)):
            assert (await ask(relay.port, post(CHAT, HELLO, f"x-hal0-priority: {word}"))).status == 200
            assert slot.last_in_background is background
        assert [view.background for view in relay.requests.views()] == [False, True]
        refused = await ask(relay.port, post(CHAT, HELLO, "x-hal0-priority: backgroud"))
        assert (refused.status, refused.json()["error"]["param"]) == (400, "X-Hal0-Priority")


async def test_a_body_over_the_limit_is_refused_without_being_read() -> None:
    server = ServerSettings(body_limit=2**16)
    async with backend(never) as upstream, relaying(upstream.endpoint, server=server) as relay:
        head = f"POST {CHAT} HTTP/1.1\r\nhost: a\r\n"
        announced = await ask(relay.port, f"{head}content-length: 99999999999\r\n\r\n".encode() + b"x")
        assert (announced.status, announced.code) == (413, "dispatch.too_large")
        async with connect(relay.port) as client:
            await client.send(f"{head}transfer-encoding: chunked\r\n\r\n".encode())
            await client.send((b"8000\r\n" + b"x" * 2**15 + b"\r\n") * 3)
            assert (await client.answer()).status == 413


SWARMS = {
    "lists": ("/v1/embeddings", b'{"input":[' + b"[]," * 2_000_000 + b"[]]}"),
    "messages": (CHAT, b'{"messages":[' + b'{"role":"u"},' * 3_000_000 + b'{"role":"u"}]}'),
    "numbers": (CHAT, b'{"messages":[{"role":"u"}],"x":[' + b"1," * 3_000_000 + b"1]}"),
    "not_strings": (CHAT, b'{"messages":[{"role":"u"}],"stop":[' + b"1," * 390_000 + b"1]}"),
    "not_messages": (CHAT, b'{"messages":[' + b"1," * 390_000 + b"1]}"),
}


@pytest.mark.parametrize(("path", "body"), SWARMS.values(), ids=SWARMS)
async def test_a_body_of_very_many_parts_is_refused_and_nobody_else_waits_for_it(path: str, body: bytes) -> None:
    longest = 0.0

    async def tick() -> None:
        nonlocal longest
        clock = asyncio.get_running_loop().time
        while True:
            before = clock()
            await asyncio.sleep(0.001)
            longest = max(longest, clock() - before)

    async with backend(never) as upstream, relaying(upstream.endpoint) as relay:
        ticking = asyncio.ensure_future(tick())
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        seen = await ask(relay.port, post(path, body))
        ticking.cancel()
        assert (seen.status, seen.code) == (400, "dispatch.invalid_request")
        assert longest < 0.5
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 400 * 2**10


async def test_only_chat_takes_bodies_as_long_as_pictures_are() -> None:
    async def answer(asked: Asked) -> None:
        await asked.json_answer({"ok": True})

    text = "x" * (9 * 2**20)
    async with backend(answer) as upstream, relaying(upstream.endpoint) as relay:
        seen = await ask(relay.port, post(CHAT, {"messages": [{"role": "user", "content": text}]}))
        assert seen.status == 200
        for path, body in {
            "/v1/completions": {"prompt": text},
            "/v1/embeddings": {"input": text},
            "/v1/rerank": {"query": "a", "documents": [text]},
        }.items():
            seen = await ask(relay.port, post(path, body))
            assert (seen.status, seen.code, seen.json()["error"]["details"]) == (
                413,
                "dispatch.too_large",
                {"limit_bytes": 8 * 2**20},
            )


async def test_another_method_is_refused_by_name() -> None:
    async with backend(never) as upstream, relaying(upstream.endpoint) as relay:
        seen = await ask(relay.port, f"GET {CHAT} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
        assert (seen.status, seen.code) == (405, "system.method_not_allowed")


async def test_an_unknown_model_is_refused_before_anything_starts() -> None:
    async with backend(never) as upstream, relaying(upstream.endpoint) as relay:
        seen = await ask(relay.port, post(CHAT, {**STREAM, "model": "gpt-4"}))
        assert (seen.status, seen.code) == (404, "dispatch.no_route")
        assert relay.slot.leases == 0


async def test_a_backend_that_cannot_be_reached_is_a_clean_502_even_for_a_stream() -> None:
    async with backend(never) as gone:
        pass
    async with relaying(gone.endpoint) as relay:
        seen = await ask(relay.port, post(CHAT, STREAM))
        assert (seen.status, seen.code) == (502, "dispatch.upstream_unavailable")
        assert seen.json()["error"]["details"]["reason"] == "the connection was refused"


async def test_a_backend_that_breaks_off_before_the_head_is_a_clean_502_and_is_not_asked_again() -> None:
    async def script(asked: Asked) -> None:
        asked.cut()

    async with backend(script) as upstream, relaying(upstream.endpoint) as relay:
        seen = await ask(relay.port, post(CHAT, STREAM))
        assert (seen.status, seen.code) == (502, "dispatch.upstream_unavailable")
        assert len(upstream.asked) == 1


@pytest.mark.parametrize("words", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\nx: " + b"a" * 100_000])
async def test_a_backend_that_does_not_speak_http_is_a_clean_502(words: bytes) -> None:
    async def script(asked: Asked) -> None:
        await asked.send(words)
        await asyncio.sleep(5)

    async with backend(script) as upstream, relaying(upstream.endpoint) as relay:
        assert (await ask(relay.port, post(CHAT, HELLO))).status == 502


async def test_a_stream_that_breaks_off_ends_with_an_error_event_on_a_line_of_its_own() -> None:
    async def script(asked: Asked) -> None:
        await asked.send(STREAM_HEAD)
        await asked.event(delta("one"))
        await asked.chunk(b'data: {"choices":[{"delta":{"content":"hal')
        await asyncio.sleep(0.05)
        asked.cut()

    async with backend(script) as upstream, relaying(upstream.endpoint) as relay:
        seen = await ask(relay.port, post(CHAT, STREAM))
        assert seen.is_whole
        assert json.loads(seen.events()[0]) == delta("one")
        assert len(seen.events()) == 2  # half an event is not passed on
        assert error_event(seen.events()) == "dispatch.stream_broken"
        (view,) = relay.requests.views()
        assert (view.outcome, view.status, view.error and view.error.code) == ("failed", 200, "dispatch.stream_broken")


async def test_a_stream_whose_end_is_only_the_end_of_the_connection_is_broken_without_done() -> None:
    async def script(asked: Asked) -> None:
        await asked.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        await asked.send(b"data: %b\n\n" % json.dumps(delta("one")).encode())
        if asked.json().get("user") == "lucky":
            await asked.send(b"data: [DONE]\n\n")
        asked.writer.close()

    async with backend(script) as upstream, relaying(upstream.endpoint) as relay:
        assert error_event((await ask(relay.port, post(CHAT, STREAM))).events()) == "dispatch.stream_broken"
        lucky = await ask(relay.port, post(CHAT, {**STREAM, "user": "lucky"}))
        assert lucky.events()[-1] == "[DONE]"


async def test_an_answer_without_a_stream_that_breaks_off_is_a_clean_error_if_it_is_short() -> None:
    async def script(asked: Asked) -> None:
        await asked.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{")
        asked.cut()

    async with backend(script) as upstream, relaying(upstream.endpoint) as relay:
        seen = await ask(relay.port, post(CHAT, HELLO))
        assert (seen.status, seen.code) == (502, "dispatch.upstream_unavailable")


async def test_a_long_answer_that_breaks_off_cuts_the_connection() -> None:
    async def script(asked: Asked) -> None:
        await asked.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9000000\r\n\r\n{")
        await asyncio.sleep(0.05)
        asked.cut()

    async with backend(script) as upstream, relaying(upstream.endpoint) as relay:
        seen = await ask(relay.port, post(CHAT, HELLO))
        assert not seen.is_whole


async def test_a_backend_that_says_nothing_is_given_up_before_and_in_a_stream() -> None:
    async def script(asked: Asked) -> None:
        if asked.json().get("user") == "begin":
            await asked.send(STREAM_HEAD)
            await asked.event(delta("one"))
        await asked.left.wait()

    dispatch = Dispatch(stream_idle_timeout=1.0)
    async with backend(script) as upstream, relaying(upstream.endpoint, dispatch=dispatch) as relay:
        silent = await ask(relay.port, post(CHAT, HELLO))
        assert (silent.status, silent.code) == (504, "dispatch.upstream_timeout")
        stalled = await ask(relay.port, post(CHAT, {**STREAM, "user": "begin"}))
        assert error_event(stalled.events()) == "dispatch.stream_stalled"
        await until(lambda: upstream.open == 0)


async def test_a_stream_that_moves_is_not_stalled_but_may_be_too_long() -> None:
    async def script(asked: Asked) -> None:
        await asked.stream(["x"] * 1000, pause=0.02)

    dispatch = Dispatch(stream_idle_timeout=0.6, stream_total_timeout=1.5)
    async with backend(script) as upstream, relaying(upstream.endpoint, dispatch=dispatch) as relay:
        seen = await ask(relay.port, post(CHAT, STREAM))
        assert error_event(seen.events()) == "dispatch.stream_too_long"
        assert len(seen.events()) > 12


FAULTS: list[tuple[int, Any, int, str]] = [
    (
        500,
        {"error": {"code": 500, "message": "input is too large to process. increase the physical batch size"}},
        400,
        "dispatch.context_exceeded",
    ),
    (
        400,
        {
            "error": {
                "code": 400,
                "message": "the request exceeds the available context size",
                "type": "exceed_context_size_error",
            }
        },
        400,
        "dispatch.context_exceeded",
    ),
    (
        501,
        {"error": {"code": 501, "message": "This server does not support embeddings. Start it with `--embeddings`"}},
        409,
        "dispatch.capability_mismatch",
    ),
    (
        500,
        {"error": {"code": 500, "message": "image input is not supported - hint: you may need the mmproj"}},
        400,
        "dispatch.upstream_rejected",
    ),
    (400, {"error": {"code": 400, "message": "Invalid grammar"}}, 400, "dispatch.upstream_rejected"),
    (500, {"error": {"code": 500, "message": "the GPU is on fire"}}, 502, "dispatch.upstream_failed"),
    (401, {"error": {"code": 401, "message": "Invalid API Key"}}, 502, "dispatch.upstream_failed"),
    (503, b"<html>busy</html>", 502, "dispatch.upstream_failed"),
]


@pytest.mark.parametrize(("status", "body", "ours", "code"), FAULTS)
async def test_a_backends_error_comes_in_our_envelope_with_its_own_words(
    status: int, body: Any, ours: int, code: str
) -> None:
    async def script(asked: Asked) -> None:
        await asked.json_answer(body, status)

    async with backend(script) as upstream, relaying(upstream.endpoint) as relay:
        seen = await ask(relay.port, post(CHAT, STREAM))
        error = seen.json()["error"]
        assert (seen.status, error["code"]) == (ours, code)
        assert error["details"]["upstream"] == (body if isinstance(body, dict) else body.decode())
        assert error["details"]["upstream_status"] == status


@pytest.mark.parametrize("body", [b'{"error": NaN}', b"[" * 30_000, b"\xff\xfe", b'{"error": {"message": "\\ud800"}}'])
async def test_a_backends_error_of_any_bytes_comes_as_valid_json(body: bytes) -> None:
    async def script(asked: Asked) -> None:
        await asked.json_answer(body, 500)

    async with backend(script) as upstream, relaying(upstream.endpoint) as relay:
        seen = await ask(relay.port, post(CHAT, HELLO))
        assert (seen.status, seen.code) == (502, "dispatch.upstream_failed")
        assert b"NaN," not in seen.body
        assert b"NaN}" not in seen.body


async def test_cancel_by_a_person_ends_a_request_in_every_phase_and_frees_the_backend() -> None:
    async def script(asked: Asked) -> None:
        if asked.json().get("stream"):
            await asked.stream(["x"] * 1000, pause=0.01)
        await asked.left.wait()

    async with backend(script) as upstream, relaying(upstream.endpoint) as relay:
        async with connect(relay.port) as client:
            await client.send(post(CHAT, STREAM, "x-request-id: streaming"))
            await client.head()
            await until(lambda: relay.requests.view("streaming").phase == "decoding")
            relay.requests.cancel("streaming", by="a test")
            events = (await client.reader.readuntil(b"0\r\n\r\n")).decode()
            assert '"dispatch.cancelled"' in events
            assert "[DONE]" not in events
        async with connect(relay.port) as client:
            await client.send(post(CHAT, HELLO, "x-request-id: prefill"))
            await until(lambda: bool(upstream.asked[1:]))
            relay.requests.cancel("prefill", by="a test")
            seen = await client.answer()
            assert (seen.status, seen.code) == (499, "dispatch.cancelled")
            # The connection to the client lives on: nothing but the request was cancelled.
            relay.slot.ready.clear()
            await client.send(post(CHAT, HELLO, "x-request-id: loading"))
            await until(lambda: "loading" in {view.id for view in relay.requests.views()})
            relay.requests.cancel("loading", by="a test")
            assert (await client.answer()).status == 499
        assert all(asked.left.is_set() for asked in upstream.asked)
        assert {view.outcome for view in relay.requests.views()} == {"cancelled"}
        with pytest.raises(Hal0Error):
            relay.requests.cancel("loading", by="a test")


async def test_the_end_of_the_daemons_patience_is_told_to_every_stream() -> None:
    async def script(asked: Asked) -> None:
        await asked.stream(["x"] * 1000, pause=0.01)

    async with backend(script) as upstream, relaying(upstream.endpoint) as relay, connect(relay.port) as client:
        await client.send(post(CHAT, STREAM))
        await client.chunk_after_head()
        draining = asyncio.ensure_future(relay.server.drain(0.1, at_timeout=relay.requests.interrupt_all))
        rest = (await client.reader.read()).decode()
        assert '"system.shutting_down"' in rest
        assert rest.endswith("0\r\n\r\n")
        assert await draining is False


async def test_a_wait_that_is_worth_it_is_told_in_whole_seconds() -> None:
    class Crashing:
        name, state = "primary", "error"

        def lease(self, *, request: str, background: bool) -> Any:
            raise Hal0Error("slot.crash_looping", retry_after_seconds=2.2, slot="primary", failures=3, reason="x")

    async with relaying(Endpoint(1)) as relay:
        relay.slots["primary"] = Crashing()  # type: ignore[assignment]
        seen = await ask(relay.port, post(CHAT, {**HELLO, "model": "primary"}))
        assert (seen.status, seen.headers["retry-after"]) == (503, "3")
        assert "x-should-retry" not in seen.headers
