"""What the server takes for a request, and what it refuses, byte by byte."""

import asyncio
from typing import Any

import pytest

from hal0.daemon.serving.limits import Limits
from tests.fakes.door import served, until
from tests.fakes.http_client import ask, connect, post


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with method, path, query and body of the request."""
    body = b""
    while True:
        message = await receive()
        body += message["body"]
        if not message["more_body"]:
            break
    told = f"{scope['method']} {scope['path']} {scope['query_string'].decode()} ".encode() + body
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": told})


REFUSED = {
    "length_and_chunked": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\nabc",
    "chunked_and_length": b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n",
    "two_lengths": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabc",
    "list_of_lengths": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3, 3\r\n\r\nabc",
    "signed_length": b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: +3\r\n\r\nabc",
    "chunk_size_not_hex": b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n\r\n",
    "chunk_without_end": b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
    "other_coding": b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked_in_1_0": b"POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "version_9_9": b"POST / HTTP/9.9\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
    "version_2_0": b"POST / HTTP/2.0\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
    "no_version": b"GET /\r\n\r\n",
    "no_host": b"GET / HTTP/1.1\r\n\r\n",
    "two_hosts": b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
    "space_before_colon": b"GET / HTTP/1.1\r\nhost : a\r\n\r\n",
    "folded_header": b"GET / HTTP/1.1\r\nhost: a\r\nx: 1\r\n 2\r\n\r\n",
    "bare_newlines": b"GET / HTTP/1.1\nhost: a\n\n",
    "tls_hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "tunnel": b"CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\n",
    "http_2_preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", REFUSED.values(), ids=REFUSED)
async def test_what_is_ambiguous_or_malformed_is_refused_and_the_connection_ends(request_bytes: bytes) -> None:
    async with served(echo) as (_, port), connect(port) as client:
        await client.send(request_bytes)
        answer = await client.answer()
        assert (answer.status, answer.code) == (400, "system.bad_request")
        assert answer.headers["connection"] == "close"
        assert answer.headers["x-request-id"]
        assert await client.ended()


async def test_a_request_smuggled_behind_a_refused_one_is_never_served() -> None:
    paths: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        paths.append(scope["path"])
        await echo(scope, receive, send)

    smuggling = b"POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n"
    async with served(app) as (_, port), connect(port) as client:
        await client.send(smuggling + b"GET /admin HTTP/1.1\r\nhost: a\r\n\r\n")
        assert (await client.answer()).status == 400
        assert await client.ended()
    assert paths == []


async def test_a_body_arrives_whole_however_it_is_framed_and_cut() -> None:
    chunked = (
        b"POST /x?q=1 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\n\r\n"
    )
    plain = b"POST /x?q=1 HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nabcde"
    async with served(echo) as (_, port):
        for whole in (chunked, plain):
            async with connect(port) as client:
                for byte in whole:
                    await client.send(bytes([byte]))
                assert (await client.answer()).body == b"POST /x q=1 abcde"


async def test_requests_sent_ahead_are_answered_in_their_order() -> None:
    async with served(echo) as (_, port), connect(port) as client:
        await client.send(b"".join(post(f"/{number}", b"x" * number) for number in range(50)))
        for number in range(50):
            assert (await client.answer()).body == f"POST /{number}  ".encode() + b"x" * number


async def test_the_rest_of_a_request_whose_head_came_while_the_one_before_was_still_ending_is_read() -> None:
    go_on = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await echo(scope, receive, send)
        if scope["path"] == "/slow":  # the client has its answer, the app is not quite done
            await go_on.wait()

    async with served(app) as (server, port), connect(port) as client:
        await client.send(post("/slow", b""))
        assert (await client.answer()).status == 200
        await client.send(b"POST /next HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n")
        (connection,) = server.connections
        await until(lambda: len(connection._queue) == 1)
        await client.send(b"body")
        go_on.set()
        async with asyncio.timeout(30):
            assert (await client.answer()).body == b"POST /next  body"


async def test_more_requests_sent_ahead_than_allowed_end_the_connection_after_those_are_answered() -> None:
    async with served(echo, Limits(pipelined_requests=5)) as (_, port), connect(port) as client:
        await client.send(post("/", b"") * 9)
        answers = [await client.answer() for _ in range(6)]
        assert [answer.status for answer in answers] == [200] * 5 + [400]
        assert await client.ended()


async def test_a_head_over_the_limit_is_refused_as_a_whole_and_in_parts() -> None:
    big = b"GET / HTTP/1.1\r\nhost: a\r\nx-big: " + b"a" * 5000
    async with served(echo, Limits(header_bytes=4096)) as (_, port):
        answer = await ask(port, big + b"\r\n\r\n")
        assert (answer.status, answer.code) == (431, "system.header_too_large")
        unfinished = await ask(port, big)
        assert unfinished.status == 431
        long_url = await ask(port, b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nhost: a\r\n\r\n")
        assert long_url.status == 431
        assert (await ask(port, post("/", b"b" * 50_000))).status == 200  # the body is not part of the head


async def test_a_request_that_does_not_arrive_in_time_is_told_so() -> None:
    async with served(echo, Limits(request_seconds=0.3)) as (_, port):
        for part in (b"GET / HTTP/1.1\r\nho", b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\nabc"):
            answer = await ask(port, part)
            assert (answer.status, answer.code) == (408, "system.request_timeout")


async def test_an_idle_connection_is_closed_after_keep_alive_and_not_before() -> None:
    async with served(echo, Limits(keep_alive_seconds=1.0)) as (_, port), connect(port) as client:
        for _ in range(2):
            await client.send(post("/", b""))
            assert (await client.answer()).status == 200
            await asyncio.sleep(0.6)
        assert await client.ended()


async def test_expect_100_continue_is_answered_when_the_app_wants_the_body() -> None:
    async with served(echo) as (_, port), connect(port) as client:
        await client.send(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n")
        assert (await client.head())[0] == 100
        await client.send(b"abc")
        assert (await client.answer()).body == b"POST /  abc"


async def test_head_is_answered_without_a_body_and_the_connection_goes_on() -> None:
    async with served(echo) as (_, port), connect(port) as client:
        for _ in range(2):
            await client.send(b"HEAD /a HTTP/1.1\r\nhost: a\r\n\r\n")
            answer = await client.answer(method="HEAD")
            assert (answer.status, answer.headers["content-length"], answer.body) == (200, "9", b"")


async def test_http_1_0_gets_an_answer_and_then_the_end_unless_it_asked_to_stay() -> None:
    async with served(echo) as (_, port):
        async with connect(port) as client:
            await client.send(b"GET /a HTTP/1.0\r\n\r\n")
            answer = await client.answer()
            assert (answer.body, answer.headers["connection"]) == (b"GET /a  ", "close")
            assert await client.ended()
        async with connect(port) as client:
            for _ in range(2):
                await client.send(b"GET /a HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
                answer = await client.answer()
                assert (answer.body, answer.headers["connection"]) == (b"GET /a  ", "keep-alive")


async def test_an_offer_to_speak_http_2_is_declined_by_serving_the_request_with_its_body() -> None:
    offer = "connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABkAAQ"
    async with served(echo) as (_, port), connect(port) as client:
        await client.send(post("/a", b"abc", *offer) + post("/b", b"defg", *offer) + post("/c", b""))
        assert [(await client.answer()).body for _ in range(3)] == [b"POST /a  abc", b"POST /b  defg", b"POST /c  "]
        chunked = b"POST /d HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
        await client.send(chunked + b"transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n")
        await client.send(b"0\r\n\r\n")
        assert (await client.answer()).body == b"POST /d  hi"


async def test_a_target_in_absolute_form_and_escapes_are_understood() -> None:
    async with served(echo) as (_, port):
        answer = await ask(port, b"GET http://hal0:8080/a%20b?c=%20 HTTP/1.1\r\nhost: hal0\r\n\r\n")
        assert answer.body == b"GET /a b c=%20 "
