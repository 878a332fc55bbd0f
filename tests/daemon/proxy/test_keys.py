"""API keys on the way of a request: who gets in, what is told of it, and that no key goes any further."""

import asyncio
import logging

import pytest

from hal0.daemon.config.schema import Server as ServerSettings
from hal0.daemon.keys.key import new_key
from hal0.daemon.keys.ring import Keyring
from tests.fakes.backend import Asked, backend
from tests.fakes.door import relaying, until
from tests.fakes.http_client import ask, connect, post

CHAT = "/v1/chat/completions"
HELLO = {"messages": [{"role": "user", "content": "hello"}]}
ALICE, TEXT = new_key("alice", "inference", None)
BEARER = f"Authorization: Bearer {TEXT}"


def ring() -> Keyring:
    return Keyring({"alice": ALICE}, required=True)


async def answer(asked: Asked) -> None:
    await asked.json_answer({"choices": [{"message": {"content": "Hi"}}]})


async def test_a_request_with_a_key_is_shown_with_its_name_and_the_backend_sees_nothing_of_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with backend(answer) as upstream, relaying(upstream.endpoint, keys=ring()) as relay:
        for header in (BEARER, f"x-api-key: {TEXT}"):
            assert (await ask(relay.port, post(CHAT, HELLO, header, "X-Other: 1"))).status == 200
        assert [view.key for view in relay.requests.views()] == ["alice", "alice"]
        for asked in upstream.asked:
            assert TEXT not in str(asked.headers)
            assert "x-api-key" not in asked.headers
        with relay.bus.subscribe(since=0) as events:
            told = str([event.json_data() for event in await events.next_batch()])
        assert "alice" in told
        assert TEXT not in told
    assert TEXT not in caplog.text


async def test_a_request_without_a_key_is_answered_in_words_of_its_api_and_not_remembered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    async with backend(answer) as upstream, relaying(upstream.endpoint, keys=ring()) as relay:
        seen = await ask(relay.port, post(CHAT, HELLO))
        assert (seen.status, seen.code) == (401, "system.auth_required")
        assert seen.headers["www-authenticate"] == "Bearer"
        assert seen.headers["x-should-retry"] == "false"
        assert seen.headers["x-request-id"]
        seen = await ask(relay.port, post("/v1/messages", {**HELLO, "max_tokens": 1}, "x-api-key: sk-wrong-key"))
        assert (seen.status, seen.json()["error"]["type"]) == (401, "authentication_error")
        assert relay.requests.views() == []
        assert upstream.asked == []
    assert "sk-wrong-key" not in caplog.text
    assert f"{CHAT} from 127.0.0.1: system.auth_required" in caplog.text


async def test_whoever_has_no_key_is_refused_before_his_body_is_read() -> None:
    async with backend(answer) as upstream, relaying(upstream.endpoint, keys=ring()) as relay:
        head = f"POST {CHAT} HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 50000000\r\n\r\n"
        async with connect(relay.port) as client:
            await client.send(head.encode() + b"{")
            seen = await client.answer()
            assert (seen.status, seen.headers["connection"]) == (401, "close")


async def test_a_browsers_question_beforehand_needs_no_key() -> None:
    server = ServerSettings(cors_origins=("https://chat.lan",))
    async with backend(answer) as upstream, relaying(upstream.endpoint, keys=ring(), server=server) as relay:
        question = (
            f"OPTIONS {CHAT} HTTP/1.1\r\nhost: a\r\norigin: https://chat.lan\r\n"
            "access-control-request-headers: authorization\r\n\r\n"
        )
        seen = await ask(relay.port, question.encode())
        assert seen.status == 204
        assert seen.headers["access-control-allow-headers"] == "authorization"
        seen = await ask(relay.port, post(CHAT, HELLO, "origin: https://chat.lan"))
        assert (seen.status, seen.headers["access-control-allow-origin"]) == (401, "https://chat.lan")


async def test_a_stream_goes_on_when_its_key_is_revoked_and_the_next_request_is_refused() -> None:
    go_on = asyncio.Event()

    async def slowly(asked: Asked) -> None:
        await go_on.wait()
        await answer(asked)

    keys = ring()
    async with (
        backend(slowly) as upstream,
        relaying(upstream.endpoint, keys=keys) as relay,
        connect(relay.port) as client,
    ):
        await client.send(post(CHAT, HELLO, BEARER))
        await until(lambda: bool(upstream.asked))
        keys.put({}, required=True)
        go_on.set()
        assert (await client.answer()).status == 200
        await client.send(post(CHAT, HELLO, BEARER))
        assert (await client.answer()).status == 401
