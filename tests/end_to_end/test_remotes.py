"""Remotes of a real daemon, over real HTTP: routing, keys, lists, streams, failures, and who stands in for whom."""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest

from tests.fakes.installation import Installation, installed
from tests.fakes.remote_server import RemoteServer, remote_server

CHAT = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "hello there"}]
CONFIG = """
[daemon]
ports = @PORTS@
[slots.primary]
model = "hal0-starter"
[slots.broken]
model = "hal0-starter"
binary = "./no-such-engine"
fallback = ["far/big", "far/vendor/model-a"]
[remotes.far]
url = "{url}"
key_file = "./key"
aliases = {{ clever = "vendor/model-a" }}
models = ["big", "vendor/*", "unlisted-*"]
exclude = ["vendor/model-b"]
first_byte_timeout = "2s"
headers = {{ X-Title = "hal0" }}
fallback = ["primary"]
"""


@pytest.fixture
def far() -> Iterator[RemoteServer]:
    with remote_server() as server:
        yield server


@pytest.fixture
def hal0(tmp_path: Path, far: RemoteServer) -> Iterator[Installation]:
    key = tmp_path / "key"
    key.write_text("sk-remote\n")
    key.chmod(0o600)
    with installed(tmp_path, CONFIG.format(url=far.url)) as installation:
        until(lambda: view(installation)["fetched_at"])
        yield installation


def until(look: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 15
    while not (seen := look()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return seen


def view(hal0: Installation) -> dict[str, Any]:
    found: dict[str, Any] = hal0.admin("GET", "/api/remotes/far")
    return found


def ask(hal0: Installation, model: str, **more: Any) -> httpx.Response:
    body = {"model": model, "messages": HELLO, **more}
    return httpx.post(hal0.url + CHAT, json=body, headers={"authorization": "Bearer of-the-client"}, timeout=60)


def code(answer: httpx.Response) -> str:
    found: str = answer.json()["error"]["code"]
    return found


@pytest.mark.parametrize(
    ("asked", "sent", "rule"),
    [
        ("clever", "vendor/model-a", "remote alias"),
        ("far/big", "big", "remote"),
        ("big", "big", "remote model"),
        ("unlisted-7", "unlisted-7", "remote glob"),
    ],
)
def test_a_name_of_a_remote_goes_there(hal0: Installation, far: RemoteServer, asked: str, sent: str, rule: str) -> None:
    answer = ask(hal0, asked)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-hal0-remote"] == "far"
    assert "x-hal0-slot" not in answer.headers
    assert answer.headers["x-hal0-model"] == sent
    assert answer.headers["x-hal0-route"] == rule
    (_, headers, body) = far.chats[-1]
    assert body["model"] == sent
    lower = {name.lower(): value for name, value in headers.items()}
    assert lower["authorization"] == "Bearer sk-remote"  # never the client's
    assert lower["x-title"] == "hal0"


def test_pictures_of_a_remote_pass_as_they_come(hal0: Installation, far: RemoteServer) -> None:
    body = {"model": "far/big", "prompt": "a cat", "n": 1, "quality": "high", "size": "auto"}
    answer = httpx.post(hal0.url + "/v1/images/generations", json=body, timeout=60)
    assert (answer.status_code, answer.json()["data"][0]["asked"]) == (200, "a cat")
    assert answer.headers["x-hal0-remote"] == "far"
    assert far.asked[-1][2] == {**body, "model": "big"}


def test_speech_of_a_remote_passes_as_it_comes(hal0: Installation, far: RemoteServer) -> None:
    body = {"model": "far/big", "input": "a b", "voice": "x", "unknown": 1}
    answer = httpx.post(hal0.url + "/v1/audio/speech", json=body, timeout=60)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "audio/wav")
    assert (answer.content[:4], len(answer.content)) == (b"RIFF", 44 + 2 * 2000 * 2)
    assert answer.headers["x-hal0-remote"] == "far"
    assert far.asked[-1][2] == {**body, "model": "big"}
    (view,) = [each for each in hal0.admin("GET", "/api/requests")["requests"] if each["slot"] == "far"]
    assert (view["outcome"], view["tokens"], view["text"], view["prompt"]) == ("ok", 0, "", "a b")
    assert view["ttft_ms"] > 0


@pytest.mark.parametrize("size", [1_000, 5 * 2**20])
@pytest.mark.parametrize("stream", [False, True])
def test_a_recording_for_a_remote_arrives_whole(hal0: Installation, far: RemoteServer, size: int, stream: bool) -> None:
    fields = {"model": "far/big", "language": "en", "stream": str(stream).lower()}
    sound = ("a.wav", b"RIFF" + bytes(size), "audio/wav")
    answer = httpx.post(f"{hal0.url}/v1/audio/transcriptions", files={"file": sound}, data=fields, timeout=60)
    assert answer.status_code == 200, answer.text
    assert f"a.wav, audio/wav, {size + 4} bytes" in answer.text
    assert answer.text.startswith("data: ") == stream
    assert answer.headers["x-hal0-remote"] == "far"
    (_, headers, body) = far.asked[-1]
    assert (body["model"], body["language"]) == ("big", "en")
    assert headers["authorization"] == "Bearer sk-remote"


def test_plain_completions_and_embeddings_pass_too(hal0: Installation, far: RemoteServer) -> None:
    answer = httpx.post(f"{hal0.url}/v1/completions", json={"model": "far/big", "prompt": "once"}, timeout=60)
    assert answer.json()["choices"][0]["text"].startswith("You said: once")
    for form in ("float", "base64"):
        asked = {"model": "far/big", "input": ["a", "b"], "encoding_format": form}
        vectors = httpx.post(f"{hal0.url}/v1/embeddings", json=asked, timeout=60).json()["data"]
        assert [type(each["embedding"]) for each in vectors] == [list if form == "float" else str] * 2


def test_what_is_excluded_or_unknown_is_no_route(hal0: Installation, far: RemoteServer) -> None:
    for model in ("vendor/model-b", "far/vendor/model-b", "far/other", "nobody"):
        answer = ask(hal0, model)
        assert (answer.status_code, code(answer)) == (404, "dispatch.no_route"), model
    assert not far.chats


def test_the_openai_package_streams_from_a_remote_as_from_a_slot(hal0: Installation) -> None:
    client = openai.OpenAI(base_url=f"{hal0.url}/v1", api_key="x")
    for model in ("primary", "far/big"):
        stream = client.chat.completions.create(model=model, messages=HELLO, stream=True)  # type: ignore[call-overload]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    (request,) = [each for each in hal0.admin("GET", "/api/requests")["requests"] if each["slot"] == "far"]
    assert request["text"].startswith("You said: hello there")
    assert request["outcome"] == "ok"
    ids = {model.id: model for model in client.models.list()}
    assert ids["big"].owned_by == "far"
    assert "vendor/model-b" not in ids


@pytest.mark.parametrize(
    ("status", "ours", "told"),
    [
        (401, 502, "dispatch.upstream_failed"),
        (500, 502, "dispatch.upstream_failed"),
        (429, 429, "dispatch.upstream_limited"),
        (400, 400, "dispatch.upstream_rejected"),
        (302, 502, "dispatch.upstream_failed"),
    ],
)
def test_a_failure_of_a_remote_is_told_without_its_key(
    hal0: Installation, far: RemoteServer, status: int, ours: int, told: str
) -> None:
    with hal0.client() as client:
        client.patch("/api/config", json={"set": {"remotes.far.fallback": []}})
    far.status = status
    far.more_headers = {"Retry-After": "7"} if status == 429 else {"Location": "http://127.0.0.1:9/steal"}
    answer = ask(hal0, "far/big")
    assert (answer.status_code, code(answer)) == (ours, told)
    assert answer.headers.get("retry-after") == ("7" if status == 429 else None)
    assert "sk-remote" not in answer.text
    assert len(far.chats) == 1  # nothing is repeated, and no redirect is followed


def test_a_remote_that_cannot_stands_aside_for_a_slot_and_the_other_way_round(
    hal0: Installation, far: RemoteServer
) -> None:
    far.status = 503
    answer = ask(hal0, "far/big")
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-hal0-slot"] == "primary"
    assert answer.headers["x-hal0-fallback"] == "far dispatch.upstream_failed"
    far.status = 200
    answer = ask(hal0, "broken")
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-hal0-remote"] == "far"
    assert answer.headers["x-hal0-fallback"].startswith("broken slot.")
    far.status = 500
    answer = ask(hal0, "broken")  # neither can: the first failure is told, and who else was tried
    assert code(answer).startswith("slot.")
    assert answer.json()["error"]["details"]["fallback"] == [
        {"upstream": "far/big", "code": "dispatch.upstream_failed"},
        {"upstream": "far/vendor/model-a", "code": "dispatch.upstream_failed"},
    ]
    assert "x-hal0-fallback" not in answer.headers


def test_a_mistake_of_the_caller_is_nobodys_fallback(hal0: Installation, far: RemoteServer) -> None:
    far.status = 400
    assert code(ask(hal0, "far/big")) == "dispatch.upstream_rejected"


def test_a_stream_that_breaks_off_ends_with_an_error_and_nobody_stands_in(
    hal0: Installation, far: RemoteServer
) -> None:
    far.breaks_off = True
    answer = ask(hal0, "far/big", stream=True)
    events = [json.loads(line[5:]) for line in answer.text.splitlines() if line.startswith("data:")]
    assert events[0]["choices"][0]["delta"]["content"] == "half "
    assert events[-1]["error"]["code"] == "dispatch.stream_broken"
    assert "[DONE]" not in answer.text


def test_silence_is_ended_by_the_limit_of_the_remote(hal0: Installation, far: RemoteServer) -> None:
    with hal0.client() as client:
        client.patch("/api/config", json={"set": {"remotes.far.fallback": [], "remotes.far.first_byte_timeout": 0.3}})
    far.silent.set()
    answer = ask(hal0, "far/big")
    assert (answer.status_code, code(answer)) == (504, "dispatch.upstream_timeout")


def test_silence_within_a_stream_is_ended_by_the_limit_of_the_remote(hal0: Installation, far: RemoteServer) -> None:
    with hal0.client() as client:
        client.patch("/api/config", json={"set": {"remotes.far.idle_timeout": 0.3}})
    far.stalls = True
    answer = ask(hal0, "far/big", stream=True)
    far.stalls = False
    assert "dispatch.stream_stalled" in answer.text


def test_a_remote_ranks_as_a_slot_does(hal0: Installation, far: RemoteServer) -> None:
    documents = ["of cats", {"text": "config writes"}, "atomic config writes"]
    body = {"model": "far/big", "query": "atomic config writes", "documents": documents, "top_n": 2}
    answer = httpx.post(f"{hal0.url}/v1/rerankings", json={**body, "return_documents": True}, timeout=30)
    assert answer.status_code == 200, answer.text
    assert [(each["index"], each["document"]) for each in answer.json()["results"]] == [
        (2, {"text": "atomic config writes"}),
        (1, {"text": "config writes"}),
    ]
    (path, _, sent) = far.asked[-1]
    assert path == "/v1/rerank"
    assert sent["documents"] == ["of cats", "config writes", "atomic config writes"]


def test_a_request_is_shaped_on_its_way(hal0: Installation, far: RemoteServer) -> None:
    keys = {"max_tokens": 3, "defaults": {"top_p": 0.5}, "set": {"seed": 7}, "strip": ["logit_bias"]}
    with hal0.client() as client:
        client.patch("/api/config", json={"set": {f"remotes.far.{key}": value for key, value in keys.items()}})
    assert ask(hal0, "far/big", max_tokens=50, seed=1, logit_bias={}).status_code == 200
    (_, _, sent) = far.chats[-1]
    assert sent == {"model": "big", "messages": HELLO, "max_tokens": 3, "top_p": 0.5, "seed": 7}


def test_what_it_costs_is_told_by_the_configuration_the_list_or_the_answer(
    hal0: Installation, far: RemoteServer
) -> None:
    def cost_of_a_chat() -> float | None:
        assert ask(hal0, "far/big").status_code == 200  # 2 tokens in, 4 out
        found: float | None = hal0.admin("GET", "/api/requests")["requests"][0]["cost"]
        return found

    def change(**keys: Any) -> None:
        with hal0.client() as client:
            client.patch("/api/config", json={"set": {f"remotes.far.{key}": value for key, value in keys.items()}})

    assert cost_of_a_chat() is None
    far.pricing = {"prompt": "0.000001", "completion": "0.000002", "request": "0"}
    hal0.admin("POST", "/api/remotes/far/test", {})
    assert cost_of_a_chat() == pytest.approx(2 * 1e-6 + 4 * 2e-6)
    change(prices={"b*": {"input": 100, "output": 200}, "*": {"input": 1}})
    assert cost_of_a_chat() == pytest.approx(2 * 100e-6 + 4 * 200e-6)
    far.cost = 0.25
    assert cost_of_a_chat() == pytest.approx(2 * 100e-6 + 4 * 200e-6)  # not everybody's word for it is dollars
    change(kind="openrouter")
    assert cost_of_a_chat() == 0.25
    assert view(hal0)["cost"] == pytest.approx(0.25 + 2 * 1e-6 + 4 * 2e-6 + 2 * (2 * 100e-6 + 4 * 200e-6))


def test_responses_pass_to_openai_as_they_came(hal0: Installation, far: RemoteServer) -> None:
    with hal0.client() as client:
        client.patch("/api/config", json={"set": {"remotes.far.kind": "openai"}})
    until(lambda: view(hal0)["kind"] == "openai" and view(hal0)["fetched_at"])
    gpt = openai.OpenAI(base_url=f"{hal0.url}/v1", api_key="x", max_retries=0)
    answer = gpt.responses.create(model="clever", input="go on", previous_response_id="resp_1")
    assert (answer.id, answer.output_text) == ("resp_far", "stored and answered")
    (path, headers, sent) = far.asked[-1]
    assert (path, sent) == (
        "/v1/responses",
        {"model": "vendor/model-a", "input": "go on", "previous_response_id": "resp_1"},
    )
    assert {name.lower(): value for name, value in headers.items()}["authorization"] == "Bearer sk-remote"
    events = list(gpt.responses.create(model="clever", input="go on", stream=True))
    assert events[-1].type == "response.completed"
    for seen in hal0.admin("GET", "/api/requests")["requests"][:2]:
        assert (seen["tokens"], seen["prompt_tokens"], seen["prompt"]) == (3, 11, "go on")
        assert (seen["outcome"], seen["text"]) == ("ok", "stored and answered")
    with pytest.raises(openai.BadRequestError, match="keeps no answers"):  # nor does a stand-in, or a slot
        gpt.responses.create(model="primary", input="go on", previous_response_id="resp_1")


def test_a_client_that_leaves_is_noticed_and_holds_nothing(hal0: Installation, far: RemoteServer) -> None:
    far.silent.set()
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(hal0.url + CHAT, json={"model": "far/big", "messages": HELLO}, timeout=0.5)
    until(lambda: view(hal0)["in_flight"] == 0)


def test_after_five_failures_it_is_left_alone(hal0: Installation, far: RemoteServer) -> None:
    before = view(hal0)["fetched_at"]
    with hal0.client() as client:
        client.patch("/api/config", json={"set": {"remotes.far.fallback": []}})
    until(lambda: view(hal0)["fetched_at"] != before)  # a list that comes meanwhile would be a success
    far.status = 500
    for _ in range(5):
        assert code(ask(hal0, "far/big")) == "dispatch.upstream_failed"
    answer = ask(hal0, "far/big")
    assert code(answer) == "dispatch.upstream_unavailable"
    assert 0 < int(answer.headers["retry-after"]) <= 10
    assert len(far.chats) == 5
    assert view(hal0)["blocked_seconds"] > 0


def test_without_its_key_a_remote_says_so_and_a_file_open_to_others_is_no_key(
    hal0: Installation, far: RemoteServer
) -> None:
    with hal0.client() as client:
        client.patch("/api/config", json={"set": {"remotes.far.fallback": []}})
    key = hal0.folder / "key"
    key.chmod(0o644)
    answer = ask(hal0, "far/big")
    assert (answer.status_code, code(answer)) == (503, "dispatch.remote_key_missing")
    assert "chmod 600" in answer.json()["error"]["message"]
    key.chmod(0o600)
    assert ask(hal0, "far/big").status_code == 200
    os.remove(key)
    assert code(ask(hal0, "far/big")) == "dispatch.remote_key_missing"
    assert view(hal0)["error"]["code"] == "dispatch.remote_key_missing"
    assert "sk-remote" not in json.dumps(hal0.admin("GET", "/api/state"))


def test_the_list_is_known_at_once_after_a_start_without_the_remote(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("sk-remote")
    (tmp_path / "key").chmod(0o600)
    with remote_server() as far:
        text = CONFIG.format(url=far.url)
        with installed(tmp_path, text) as hal0:
            until(lambda: view(hal0)["fetched_at"])
    with installed(tmp_path, text) as hal0:
        listed = {entry["id"] for entry in httpx.get(f"{hal0.url}/v1/models").json()["data"]}
        assert {"big", "vendor/model-a"} <= listed
        until(lambda: view(hal0)["error"])
        assert view(hal0)["error"]["code"] == "dispatch.upstream_unavailable"


def test_a_remote_that_is_edited_is_asked_at_its_new_place(hal0: Installation, far: RemoteServer) -> None:
    with remote_server() as other:
        other.models = ["elsewhere"]
        with hal0.client() as client:
            answer = client.patch("/api/config", json={"set": {"remotes.far.url": other.url, "remotes.far.models": []}})
            assert answer.status_code == 200, answer.text
        until(lambda: "elsewhere" in view(hal0)["models"])
        assert ask(hal0, "elsewhere").status_code == 200
        assert other.chats
        assert not far.chats


def test_the_other_apis_are_answered_by_a_remote_that_knows_neither(hal0: Installation, far: RemoteServer) -> None:
    claude = anthropic.Anthropic(base_url=hal0.url, api_key="x", max_retries=0)
    with claude.messages.stream(model="big", max_tokens=9, messages=HELLO) as stream:  # type: ignore[arg-type]
        assert "hello there" in "".join(stream.text_stream)
    assert claude.messages.count_tokens(model="big", messages=HELLO).input_tokens == 2  # type: ignore[arg-type]
    gpt = openai.OpenAI(base_url=f"{hal0.url}/v1", api_key="x", max_retries=0)
    answer = gpt.responses.create(model="big", input="hello there")
    assert (answer.output_text, answer.model) == ("You said: hello there", "big")
    sent = {value for _, headers, _ in far.chats for name, value in headers.items() if name.lower() == "authorization"}
    assert sent == {"Bearer sk-remote"}


def test_a_remote_that_breaks_off_is_told_in_the_words_of_the_other_apis(hal0: Installation, far: RemoteServer) -> None:
    far.breaks_off = True
    claude = anthropic.Anthropic(base_url=hal0.url, api_key="x", max_retries=0)
    with (
        pytest.raises(anthropic.APIError) as caught,
        claude.messages.stream(model="big", max_tokens=9, messages=HELLO) as stream,  # type: ignore[arg-type]
    ):
        list(stream)
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["error"]["code"].startswith("dispatch.")
    gpt = openai.OpenAI(base_url=f"{hal0.url}/v1", api_key="x", max_retries=0)
    with pytest.raises(openai.APIError) as failed:
        list(gpt.responses.create(model="big", input="hello there", stream=True))
    assert failed.value.code == caught.value.body["error"]["code"]


def test_a_slot_stands_in_for_a_remote_in_the_other_apis_too(hal0: Installation, far: RemoteServer) -> None:
    far.status = 500
    gpt = openai.OpenAI(base_url=f"{hal0.url}/v1", api_key="x", max_retries=0)
    answer = gpt.responses.with_raw_response.create(model="big", input="Hello!")
    assert answer.headers["x-hal0-slot"] == "primary"
    assert answer.parse().output_text
