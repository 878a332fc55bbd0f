"""A request on its way to a backend and back: what passes, what is measured, and what happens when one side leaves."""

import asyncio
import json
from typing import Any

import pytest

from hal0.daemon.config.schema import Dispatch
from hal0.daemon.config.schema import Server as ServerSettings
from hal0.daemon.http.pipe import PIPE
from tests.fakes.backend import STREAM_HEAD, Asked, backend, delta
from tests.fakes.door import relaying, until
from tests.fakes.http_client import ask, connect, post

CHAT = "/v1/chat/completions"
HELLO = {"messages": [{"role": "user", "content": "hello"}]}
STREAM = {**HELLO, "stream": True}
ANSWER = {"choices": [{"message": {"content": "Hi there"}}], "usage": {"completion_tokens": 2, "prompt_tokens": 5}}


async def answer(asked: Asked) -> None:
    await asked.json_answer(ANSWER)


async def tokens(asked: Asked) -> None:
    await asked.stream([f"word{number} " for number in range(20)])


def without_pipe(app: Any) -> Any:
    """The same app behind a server that offers plain ASGI only."""

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        scope["extensions"].pop(PIPE)
        await app(scope, receive, send)

    return wrapped


async def test_an_answer_passes_unchanged_and_says_where_it_comes_from() -> None:
    async with backend(answer) as upstream, relaying(upstream.endpoint) as relay:
        seen = await ask(relay.port, post(CHAT, {**HELLO, "model": "primary"}))
        assert (seen.status, seen.json()) == (200, ANSWER)
        told = {name: value for name, value in seen.headers.items() if name.startswith("x-hal0")}
        assert told == {
            "x-hal0-slot": "primary",
            "x-hal0-model": "tiny",
            "x-hal0-queue-ms": "0",
            "x-hal0-load-ms": "12",
            "x-hal0-route": "slot",
            "x-hal0-engine": "an engine",
        }
        (view,) = relay.requests.views()
        assert (view.id, view.outcome, view.status) == (seen.headers["x-request-id"], "ok", 200)
        assert (view.tokens, view.prompt_tokens, view.prompt, view.text) == (2, 5, "hello", "Hi there")


async def test_a_stream_arrives_event_by_event_as_the_backend_sends_it() -> None:
    step = asyncio.Event()

    async def script(asked: Asked) -> None:
        await asked.send(STREAM_HEAD)
        for number in range(3):
            await asked.event(delta(str(number)))
            await step.wait()
            step.clear()
        await asked.send(b"0\r\n\r\n")

    for wrap in (lambda app: app, without_pipe):
        async with (
            backend(script) as upstream,
            relaying(upstream.endpoint, wrap=wrap) as relay,
            connect(relay.port) as client,
        ):
            await client.send(post(CHAT, STREAM))
            assert (await client.head())[1]["content-type"] == "text/event-stream"
            for number in range(3):
                event = await client.chunk()
                assert json.loads(event.removeprefix(b"data: ")) == delta(str(number))
                step.set()
            assert await client.chunk() == b""


async def test_a_stream_is_passed_byte_for_byte_and_measured() -> None:
    for wrap in (lambda app: app, without_pipe):
        async with backend(tokens) as upstream, relaying(upstream.endpoint, wrap=wrap) as relay:
            seen = await ask(relay.port, post(CHAT, STREAM))
            events = seen.events()
            assert [json.loads(event)["choices"][0]["delta"].get("content") for event in events[1:-2]] == [
                f"word{number} " for number in range(20)
            ]
            assert events[-1] == "[DONE]"
            (view,) = relay.requests.views()
            assert (view.tokens, view.prompt_tokens, view.tokens_per_second) == (20, 7, 50.5)
            assert view.ttft_ms is not None
            assert (view.prefill_ms, view.context) == (3.5, 4096)
            assert view.text == "".join(f"word{number} " for number in range(20))


async def test_events_cut_anywhere_by_the_network_reach_the_client_whole() -> None:
    whole = b"".join(b"data: %b\n\n" % json.dumps(delta("ü" * 9), ensure_ascii=False).encode() for _ in range(5))

    async def script(asked: Asked) -> None:
        await asked.send(STREAM_HEAD)
        for start in range(0, len(whole), 7):
            await asked.chunk(whole[start : start + 7])
            await asyncio.sleep(0)
        await asked.send(b"0\r\n\r\n")

    async with backend(script) as upstream, relaying(upstream.endpoint) as relay, connect(relay.port) as client:
        await client.send(post(CHAT, STREAM))
        await client.head()
        got = b""
        while chunk := await client.chunk():
            assert chunk.endswith(b"\n\n")
            got += chunk
        assert got == whole


async def test_a_backend_gets_one_framed_request_with_its_own_key_and_nothing_of_the_clients_secrets() -> None:
    body = b'{ "messages":[{"role":"user","content":"h\\u00fc"}],  "model":"primary", "x_unknown": 1e3 }'
    secrets = (
        "authorization: Bearer sk-client",
        "cookie: a=b",
        "api-key: k",
        "x-api-key: k",
        "x-forwarded-for: 1.2.3.4",
    )
    kept = ("traceparent: 00-abc", "user-agent: me/1", "accept: text/event-stream", "x-request-id: mine-1")
    chunked = b"".join(b"%x\r\n%b\r\n" % (len(body[i : i + 9]), body[i : i + 9]) for i in range(0, len(body), 9))
    head = "\r\n".join([f"POST {CHAT} HTTP/1.1", "host: evil.example", *secrets, *kept, "transfer-encoding: chunked"])
    async with backend(answer) as upstream, relaying(upstream.endpoint) as relay:
        seen = await ask(relay.port, head.encode() + b"\r\n\r\n" + chunked + b"0\r\n\r\n")
        assert seen.headers["x-request-id"] == "mine-1"
        (asked,) = upstream.asked
        assert asked.body == body.replace(b'"primary"', b'"tiny"')
        assert asked.headers == {
            "host": f"127.0.0.1:{upstream.port}",
            "content-length": str(len(asked.body)),
            "content-type": "application/json",
            "authorization": "Bearer backend-key",
            "traceparent": "00-abc",
            "user-agent": "me/1",
            "accept": "text/event-stream",
            "x-request-id": "mine-1",
        }


async def test_a_backends_cors_cookies_and_server_name_do_not_reach_the_client() -> None:
    async def script(asked: Asked) -> None:
        await asked.json_answer(ANSWER, 200, "access-control-allow-origin: *", "set-cookie: a=b", "server: llama.cpp")

    async with backend(script) as upstream, relaying(upstream.endpoint) as relay:
        seen = await ask(relay.port, post(CHAT, HELLO, "origin: https://evil.example"))
        assert not {"access-control-allow-origin", "set-cookie", "server"} & set(seen.headers)


async def test_two_hundred_streams_at_once_arrive_whole_and_in_order() -> None:
    async def script(asked: Asked) -> None:
        await asked.stream([f"{asked.json()['user']}-{number}" for number in range(30)], pause=0.002)

    async def one(port: int, user: str) -> None:
        seen = await ask(port, post(CHAT, {**STREAM, "user": user}))
        texts = [json.loads(event)["choices"][0]["delta"].get("content") for event in seen.events()[1:-2]]
        assert texts == [f"{user}-{number}" for number in range(30)]

    async with backend(script) as upstream, relaying(upstream.endpoint) as relay:
        await asyncio.gather(*(one(relay.port, f"user{number}") for number in range(200)))
        assert relay.requests.totals().tokens == 200 * 30
        assert relay.slot.leases == 0


async def test_a_slow_client_slows_its_backend_down_instead_of_filling_memory() -> None:
    sent = 0

    async def script(asked: Asked) -> None:
        nonlocal sent
        await asked.send(STREAM_HEAD)
        event = b"data: {%b}\n\n" % (b"x" * 2**16)
        for _ in range(600):
            await asked.chunk(event)
            sent += len(event)
        await asked.send(b"0\r\n\r\n")

    for wrap in (lambda app: app, without_pipe):
        sent = 0
        dispatch = Dispatch(stream_idle_timeout=1.0)
        async with (
            backend(script) as upstream,
            relaying(upstream.endpoint, wrap=wrap, dispatch=dispatch) as relay,
            connect(relay.port) as client,
        ):
            await client.send(post(CHAT, STREAM))
            await client.head()
            before = -1
            while before != sent:
                before = sent
                await asyncio.sleep(0.3)
            assert sent < 20 * 2**20  # what the sockets themselves hold, of 39 MB
            await asyncio.sleep(1.2)  # longer than the limit on the backend's silence, whose fault it is not
            size = 0
            while chunk := await client.chunk():
                size += len(chunk)
            assert size == sent == 600 * (2**16 + 10)


async def test_a_client_that_leaves_while_its_stream_runs_closes_the_backends_connection() -> None:
    async def script(asked: Asked) -> None:
        await asked.stream(["x"] * 10_000, pause=0.01)

    for wrap in (lambda app: app, without_pipe):
        async with backend(script) as upstream, relaying(upstream.endpoint, wrap=wrap) as relay:
            async with connect(relay.port) as client:
                await client.send(post(CHAT, STREAM))
                await client.chunk_after_head()
                client.abort()
                async with asyncio.timeout(1):
                    await upstream.asked[0].left.wait()
            await until(lambda: not relay.slot.leases)
            (view,) = relay.requests.views()
            assert (view.outcome, view.error and view.error.code) == ("cancelled", "dispatch.cancelled")


async def test_a_client_that_leaves_before_the_first_byte_closes_the_backends_connection() -> None:
    async def script(asked: Asked) -> None:
        await asyncio.sleep(60)

    async with backend(script) as upstream, relaying(upstream.endpoint) as relay, connect(relay.port) as client:
        await client.send(post(CHAT, HELLO))
        await upstream.arrived.wait()
        client.abort()
        async with asyncio.timeout(1):
            await upstream.asked[0].left.wait()


async def test_a_client_that_leaves_while_its_slot_loads_costs_nothing() -> None:
    async with backend(answer) as upstream, relaying(upstream.endpoint) as relay, connect(relay.port) as client:
        relay.slot.ready.clear()
        relay.slot.state = "warming"
        await client.send(post(CHAT, HELLO))
        await until(lambda: [view.phase for view in relay.requests.views()] == ["loading"])
        client.abort()
        await until(lambda: relay.requests.views()[0].phase == "finished")
        assert upstream.opened == 0


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/embeddings"])
async def test_the_other_relayed_paths_reach_the_same_path_of_the_backend(path: str) -> None:
    async with backend(answer) as upstream, relaying(upstream.endpoint) as relay:
        seen = await ask(relay.port, post(path, {"prompt": "a", "input": "a"}))
        assert seen.status == 200
        assert upstream.asked[0].line == f"POST {path} HTTP/1.1"


async def test_a_long_answer_without_a_stream_passes_as_it_comes() -> None:
    async def script(asked: Asked) -> None:
        await asked.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 3000000\r\n\r\n")
        await asked.send(b"a" * 1_000_000)
        await asked.send(b"b" * 2_000_000)

    async with backend(script) as upstream, relaying(upstream.endpoint) as relay:
        seen = await ask(relay.port, post("/v1/embeddings", {"input": "a"}))
        assert seen.headers["content-length"] == "3000000"
        assert seen.body == b"a" * 1_000_000 + b"b" * 2_000_000


async def test_connections_are_used_again_and_a_stale_one_costs_the_client_nothing() -> None:
    async def script(asked: Asked) -> None:
        await asked.json_answer(ANSWER)
        if len(upstream.asked) == 3:
            asked.writer.close()

    async with backend(script) as upstream, relaying(upstream.endpoint) as relay:
        for _ in range(3):
            assert (await ask(relay.port, post(CHAT, HELLO))).status == 200
        assert upstream.opened == 1
        assert (await ask(relay.port, post(CHAT, HELLO))).status == 200
        assert upstream.opened == 2


async def test_a_backend_that_closes_the_connection_just_as_it_is_used_again_is_asked_once_more() -> None:
    async def script(asked: Asked) -> None:
        if upstream.opened == 1 and len(upstream.asked) == 2:
            asked.cut()  # it had kept the connection, and drops it at the sight of the next request
        else:
            await asked.json_answer(ANSWER)

    async with backend(script) as upstream, relaying(upstream.endpoint) as relay:
        assert (await ask(relay.port, post(CHAT, HELLO))).status == 200
        assert (await ask(relay.port, post(CHAT, HELLO))).status == 200
        assert (upstream.opened, len(upstream.asked)) == (2, 3)


async def test_a_request_cut_short_by_its_client_never_reaches_a_backend() -> None:
    async with backend(answer) as upstream, relaying(upstream.endpoint) as relay, connect(relay.port) as client:
        await client.send(f"POST {CHAT} HTTP/1.1\r\nhost: a\r\ncontent-length: 900\r\n\r\n".encode() + b'{"messages"')
        await until(lambda: bool(relay.requests.views()))
        client.abort()
        await until(lambda: relay.requests.views()[0].phase == "finished")
        assert upstream.opened == 0


async def test_web_pages_of_configured_origins_may_call_and_others_may_not() -> None:
    server = ServerSettings(cors_origins=("https://chat.lan",))
    asks = ("origin: https://chat.lan", "access-control-request-headers: authorization, x-stainless-os")
    async with backend(answer) as upstream, relaying(upstream.endpoint, server=server) as relay:
        options = post(CHAT, b"", *asks).replace(b"POST", b"OPTIONS")
        preflight = await ask(relay.port, options)
        assert preflight.status == 204
        assert preflight.headers["access-control-allow-origin"] == "https://chat.lan"
        assert preflight.headers["access-control-allow-headers"] == "authorization, x-stainless-os"
        stranger = await ask(relay.port, options.replace(b"chat.lan", b"evil.lan"))
        assert "access-control-allow-origin" not in stranger.headers
        seen = await ask(relay.port, post(CHAT, HELLO, "origin: https://chat.lan"))
        assert seen.headers["access-control-allow-origin"] == "https://chat.lan"
        assert "x-hal0-slot" in seen.headers["access-control-expose-headers"]
        failed = await ask(relay.port, post(CHAT, b"{", "origin: https://chat.lan"))
        assert (failed.status, failed.headers["access-control-allow-origin"]) == (400, "https://chat.lan")
