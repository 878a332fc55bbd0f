"""Rubbish of every kind: each a coded 4xx in the envelope, and the daemon goes on as before."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.fakes.installation import Installation

CHAT = "/v1/chat/completions"
HELLO = {"model": "primary", "messages": [{"role": "user", "content": "Hello!"}]}
SPEECH = "/v1/audio/speech"
SAID = {"model": "tts", "input": "Hello!"}
DEEP = b'{"messages":' + b"[" * 10_000 + b"]" * 10_000 + b"}"


@pytest.fixture(scope="module")
def client(hal0: Installation) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=hal0.url, timeout=60) as client:
        yield client
        # After all of it the same daemon answers as before.
        assert client.post(CHAT, json=HELLO).status_code == 200


def error_of(answer: httpx.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/json"
    error: dict[str, Any] = answer.json()["error"]
    assert set(error) == {"code", "message", "details", "type", "param"}
    assert "<" not in error["message"], "a fact is missing from the message"
    return error


BODIES = {
    "empty": (b"", 400, "dispatch.invalid_json"),
    "broken": (b'{"model": "primary", ', 400, "dispatch.invalid_json"),
    "very deep": (b'{"messages":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, None),
    "deep": (DEEP, 400, "dispatch.invalid_json"),
    "nan": (b'{"model": "primary", "messages": [{"role": "user", "content": "x"}], "temperature": NaN}', 400, None),
    "infinity": (b'{"messages": [{"role": "user", "content": "x"}], "temperature": 1e999}', 400, None),
    "utf8": (b'{"messages": [{"role": "user", "content": "\xff\xfe"}]}', 400, "dispatch.invalid_json"),
    "surrogate": (b'{"messages": [{"role": "user", "content": "\\ud800"}]}', 400, "dispatch.invalid_json"),
    "digits": (b'{"max_tokens": ' + b"9" * 5000 + b"}", 400, None),
    "list": (b"[]", 400, "dispatch.invalid_request"),
    "null": (b"null", 400, "dispatch.invalid_request"),
    "number": (b"1", 400, "dispatch.invalid_request"),
}


@pytest.mark.parametrize("name", BODIES)
def test_bodies_that_are_not_json_objects(client: httpx.Client, name: str) -> None:
    body, status, code = BODIES[name]
    answer = client.post(CHAT, content=body, headers={"content-type": "application/json"})
    error = error_of(answer)
    assert answer.status_code == status
    assert error["code"] == code if code else error["code"].startswith("dispatch.")


FIELDS: list[tuple[str, dict[str, Any], str]] = [
    (CHAT, {"model": "primary"}, "messages"),
    (CHAT, {**HELLO, "messages": []}, "messages"),
    (CHAT, {**HELLO, "messages": "hi"}, "messages"),
    (CHAT, {**HELLO, "messages": [1]}, "messages.0"),
    (CHAT, {**HELLO, "messages": [{"content": "hi"}]}, "messages.0.role"),
    (CHAT, {**HELLO, "messages": [{"role": "user", "content": 5}]}, "messages.0.content"),
    (CHAT, {**HELLO, "model": 5}, "model"),
    (CHAT, {**HELLO, "stream": "yes"}, "stream"),
    (CHAT, {**HELLO, "max_tokens": "many"}, "max_tokens"),
    (CHAT, {**HELLO, "temperature": "hot"}, "temperature"),
    (CHAT, {**HELLO, "tools": "all"}, "tools"),
    ("/v1/completions", {"model": "primary"}, "prompt"),
    ("/v1/completions", {"model": "primary", "prompt": {"a": 1}}, "prompt"),
    ("/v1/embeddings", {"model": "embed"}, "input"),
    ("/v1/embeddings", {"model": "embed", "input": 5}, "input"),
    ("/v1/embeddings", {"model": "embed", "input": []}, "input"),
    ("/v1/embeddings", {"model": "embed", "input": "x", "encoding_format": "hex"}, "encoding_format"),
    (SPEECH, {"model": "tts"}, "input"),
    (SPEECH, {**SAID, "input": " "}, "input"),
    (SPEECH, {**SAID, "input": ["a"]}, "input"),
    (SPEECH, {**SAID, "voice": 5}, "voice"),
    (SPEECH, {**SAID, "voice": {"name": "x"}}, "voice"),
    (SPEECH, {**SAID, "speed": 0.2}, "speed"),
    (SPEECH, {**SAID, "speed": 4.5}, "speed"),
    (SPEECH, {**SAID, "speed": "fast"}, "speed"),
    (SPEECH, {**SAID, "response_format": "mp4"}, "response_format"),
    (SPEECH, {**SAID, "stream_format": "json"}, "stream_format"),
    (SPEECH, {**SAID, "instructions": 5}, "instructions"),
    ("/v1/rerankings", {"model": "embed", "query": "x"}, "documents"),
    ("/v1/rerankings", {"model": "embed", "documents": ["x"]}, "query"),
    ("/v1/rerankings", {"model": "embed", "query": "x", "documents": []}, "documents"),
    ("/v1/rerankings", {"model": "embed", "query": "x", "documents": ["x"], "top_n": 0}, "top_n"),
]


@pytest.mark.parametrize(("path", "body", "param"), FIELDS)
def test_missing_and_wrong_fields_are_named(client: httpx.Client, path: str, body: dict[str, Any], param: str) -> None:
    answer = client.post(path, json=body)
    error = error_of(answer)
    assert (answer.status_code, error["code"]) == (400, "dispatch.invalid_request")
    assert error["param"] == param or error["param"].startswith(param + ".")


REFUSED: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("POST", CHAT, {**HELLO, "model": "gpt-9"}, 404, "dispatch.no_route"),
    ("POST", CHAT, {**HELLO, "model": "embed"}, 409, "dispatch.capability_mismatch"),
    ("POST", "/v1/embeddings", {"model": "primary", "input": "x"}, 409, "dispatch.capability_mismatch"),
    ("POST", "/v1/embeddings", {"model": "embed", "input": "word " * 2000}, 400, "dispatch.context_exceeded"),
    ("POST", SPEECH, {"input": "Hello!"}, 400, "dispatch.missing_model"),
    ("POST", SPEECH, {"model": "primary", "input": "Hello!"}, 409, "dispatch.capability_mismatch"),
    ("POST", "/v1/chat/completion", HELLO, 404, "system.not_found"),
    ("GET", CHAT, {}, 405, "system.method_not_allowed"),
    ("DELETE", "/v1/models", {}, 405, "system.method_not_allowed"),
    ("POST", "/health", {}, 405, "system.method_not_allowed"),
    ("GET", "/v1/models/nothing/like/it", {}, 404, "model.not_found"),
    ("GET", "/", {}, 404, "system.not_found"),
    ("GET", "/api/nothing", {}, 404, "system.not_found"),
    ("PUT", "/api/state", {}, 405, "system.method_not_allowed"),
    ("GET", "/api/slots/nobody", {}, 404, "slot.not_found"),
    ("POST", "/api/slots/nobody/load", {}, 404, "slot.not_found"),
    ("DELETE", "/api/requests/nobody", {}, 404, "dispatch.request_not_found"),
    ("GET", "/api/events?since=x", {}, 400, "dispatch.invalid_request"),
]


@pytest.mark.parametrize(("method", "path", "body", "status", "code"), REFUSED)
def test_what_cannot_be_answered_says_why(
    client: httpx.Client, method: str, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    answer = client.request(method, path, json=body if method in ("POST", "PUT") else None)
    assert (answer.status_code, error_of(answer)["code"]) == (status, code)
    if status == 405:
        assert answer.headers["allow"]


def test_an_oversized_body_is_refused_before_it_is_read(client: httpx.Client) -> None:
    head = f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n"
    status, error = raw(client, head.encode())
    assert (status, error["code"]) == (413, "dispatch.too_large")


def test_another_media_type_is_refused(client: httpx.Client) -> None:
    answer = client.post(CHAT, content=b"<p>", headers={"content-type": "text/html"})
    assert (answer.status_code, error_of(answer)["code"]) == (415, "dispatch.unsupported_media")


RAW = {
    "both lengths": b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{}",
    "two lengths": b"content-length: 2\r\ncontent-length: 3\r\n\r\n{}",
    "negative length": b"content-length: -2\r\n\r\n{}",
    "bad chunk": b"transfer-encoding: chunked\r\n\r\nxyz\r\n",
    "no colon": b"rubbish\r\n\r\n",
}


@pytest.mark.parametrize("name", RAW)
def test_ambiguous_framing_is_refused(client: httpx.Client, name: str) -> None:
    status, error = raw(client, f"POST {CHAT} HTTP/1.1\r\nhost: x\r\n".encode() + RAW[name])
    assert (status, error["code"]) == (400, "system.bad_request")


def test_bytes_that_are_no_http_are_refused(client: httpx.Client) -> None:
    status, error = raw(client, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
    assert (status, error["code"]) == (400, "system.bad_request")


def test_huge_headers_are_refused(client: httpx.Client) -> None:
    status, error = raw(client, b"GET /health HTTP/1.1\r\nhost: x\r\ncookie: " + b"x" * 100_000 + b"\r\n\r\n")
    assert (status, error["code"]) == (431, "system.header_too_large")


def raw(client: httpx.Client, data: bytes) -> tuple[int, dict[str, Any]]:
    """Send bytes as they are; the status and the error of the answer, after which the connection is closed."""
    with socket.create_connection(("127.0.0.1", client.base_url.port or 0), timeout=10) as connection:
        connection.sendall(data)
        received = b""
        while part := connection.recv(65536):
            received += part
    head, _, body = received.partition(b"\r\n\r\n")
    return int(head.split(b" ")[1]), json.loads(body)["error"]


@pytest.mark.parametrize(
    "headers",
    [{"origin": "http://evil.example"}, {"host": "evil.example"}, {"host": "evil.example:8080"}],
)
def test_web_pages_cannot_reach_the_admin_api(client: httpx.Client, headers: dict[str, str]) -> None:
    answer = client.get("/api/state", headers=headers)
    assert (answer.status_code, error_of(answer)["code"]) == (403, "system.forbidden")


def test_a_form_cannot_unload_a_slot(client: httpx.Client) -> None:
    answer = client.post("/api/slots/primary/unload", data={"a": "b"})
    assert (answer.status_code, error_of(answer)["code"]) == (415, "dispatch.unsupported_media")
