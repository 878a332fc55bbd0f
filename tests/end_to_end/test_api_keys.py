"""API keys of a real daemon: what wants one, what it reaches, what is told of it, and where it never goes."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest

from tests.fakes.installation import Installation, installed
from tests.fakes.remote_server import RemoteServer, remote_server

CHAT = "/v1/chat/completions"
HELLO: Any = [{"role": "user", "content": "Hello!"}]
CONFIG = """
[daemon]
ports = @PORTS@
[slots.primary]
model = "hal0-starter"
background = ["titles"]
[slots.other]
model = "hal0-starter"
background = ["tags"]
[remotes.far]
url = "{url}"
key_file = "./key"
models = ["big", "unlisted-*"]
"""
KEYS: Any = (
    {"name": "all"},
    {"name": "some", "slots": ["other", "far"]},
    {"name": "boss", "scope": "admin"},
)


@pytest.fixture(scope="module")
def far() -> Iterator[RemoteServer]:
    with remote_server() as server:
        yield server


@pytest.fixture(scope="module")
def hal0(tmp_path_factory: pytest.TempPathFactory, far: RemoteServer) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("hal0")
    (folder / "key").write_text("sk-remote\n")
    (folder / "key").chmod(0o600)
    with installed(folder, CONFIG.format(url=far.url)) as installation:
        deadline = time.monotonic() + 15
        while not installation.admin("GET", "/api/remotes/far")["fetched_at"]:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield installation


@pytest.fixture(scope="module")
def keys(hal0: Installation) -> dict[str, str]:
    return {key["name"]: hal0.admin("POST", "/api/keys", key)["key"] for key in KEYS}


def ask(hal0: Installation, key: str | None, model: str = "primary") -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    body = {"model": model, "messages": HELLO, "max_tokens": 4}
    return httpx.post(hal0.url + CHAT, json=body, headers=headers, timeout=60)


def got(answer: httpx.Response) -> str:
    if answer.status_code != 200:
        return f"{answer.status_code} {answer.json()['error']['code']}"
    return answer.headers.get("x-hal0-slot") or answer.headers["x-hal0-remote"]


def test_what_wants_a_key(hal0: Installation, keys: dict[str, str]) -> None:
    def status(path: str, key: str | None) -> int:
        headers = {"x-api-key": key} if key else {}
        return httpx.get(hal0.url + path, headers=headers).status_code

    seen = {
        path: [status(path, key) for key in (None, "sk-hal0-wrong", keys["some"], keys["all"], keys["boss"])]
        for path in ("/v1/models", "/v1/models/other", "/metrics", "/health", "/nothing")
    }
    assert seen == {
        "/v1/models": [401, 401, 200, 200, 200],
        "/v1/models/other": [401, 401, 200, 200, 200],
        "/metrics": [401, 401, 403, 200, 200],
        "/health": [200, 200, 200, 200, 200],
        "/nothing": [404, 404, 404, 404, 404],
    }
    assert got(ask(hal0, None)) == "401 system.auth_required"
    assert httpx.options(f"{hal0.url}/v1/models").status_code == 204


def test_a_key_reaches_what_it_is_for(hal0: Installation, keys: dict[str, str]) -> None:
    assert got(ask(hal0, keys["all"])) == got(ask(hal0, keys["boss"])) == "primary"
    assert got(ask(hal0, keys["some"])) == "403 system.forbidden"
    assert "the key 'some' is not for 'primary'" in ask(hal0, keys["some"]).text
    assert got(ask(hal0, keys["some"], "other")) == got(ask(hal0, keys["some"], "tags")) == "other"
    assert got(ask(hal0, keys["some"], "titles")) == "403 system.forbidden"
    assert got(ask(hal0, keys["some"], "hal0-starter")) == "other"  # of two slots with the model
    assert got(ask(hal0, keys["some"], "far/big")) == "far"
    assert got(ask(hal0, keys["some"], "nowhere")) == "404 dispatch.no_route"


def test_the_list_has_what_can_be_asked_for(hal0: Installation, keys: dict[str, str]) -> None:
    def listed(key: str) -> dict[str, Any]:
        answer = httpx.get(f"{hal0.url}/v1/models", headers={"authorization": f"Bearer {key}"})
        return {entry["id"]: entry for entry in answer.json()["data"]}

    assert {"primary", "other", "hal0-starter", "all-minilm-l6-v2", "big"} <= set(listed(keys["all"]))
    some = listed(keys["some"])
    assert {"other", "tags", "hal0-starter", "big"} <= set(some)
    assert not {"primary", "titles", "all-minilm-l6-v2"} & set(some)
    assert some["hal0-starter"]["slots"] == ["other"]
    answer = httpx.get(f"{hal0.url}/v1/models/primary", headers={"authorization": f"Bearer {keys['some']}"})
    assert answer.json()["error"]["code"] == "model.not_found"


def test_a_request_is_shown_with_the_name_of_its_key(hal0: Installation, keys: dict[str, str]) -> None:
    id = ask(hal0, keys["boss"]).headers["x-request-id"]
    assert hal0.admin("GET", f"/api/requests/{id}")["key"] == "boss"


def test_the_packages_of_openai_and_anthropic_send_it_as_they_do(hal0: Installation, keys: dict[str, str]) -> None:
    client = openai.OpenAI(base_url=f"{hal0.url}/v1", api_key=keys["all"], max_retries=0)
    assert client.chat.completions.create(model="primary", messages=HELLO).choices[0].message.content
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="none").models.list()
    with pytest.raises(openai.PermissionDeniedError):
        client.with_options(api_key=keys["some"]).chat.completions.create(model="primary", messages=HELLO)
    claude = anthropic.Anthropic(base_url=hal0.url, api_key=keys["all"], max_retries=0)
    assert claude.messages.create(model="primary", max_tokens=4, messages=HELLO).content
    with pytest.raises(anthropic.AuthenticationError):
        claude.with_options(api_key="none").messages.create(model="primary", max_tokens=4, messages=HELLO)


def test_no_key_goes_any_further(hal0: Installation, keys: dict[str, str], far: RemoteServer) -> None:
    assert got(ask(hal0, keys["all"], "far/big")) == "far"
    # As with any header that no list names: neither as Authorization nor under another name.
    httpx.post(hal0.url + CHAT, json={"model": "far/big", "messages": HELLO}, headers={"x-api-key": keys["all"]})
    places = [hal0.log, *(path for path in (hal0.folder / "state").rglob("*") if path.is_file())]
    told = "".join(path.read_bytes().decode("latin-1") for path in places)
    told += json.dumps(hal0.admin("GET", "/api/state")) + str(far.asked)
    assert len(far.asked) >= 2
    for key in keys.values():
        assert key not in told
        assert key.removeprefix("sk-hal0-") not in told


def test_the_admin_api_is_opened_by_an_admin_key_also_through_a_proxy(hal0: Installation, keys: dict[str, str]) -> None:
    def code(key: str | None, **more: str) -> str:
        headers = {**({"authorization": f"Bearer {key}"} if key else {}), **more}
        answer = httpx.get(f"{hal0.url}/api/keys", headers=headers)
        return "200" if answer.status_code == 200 else answer.json()["error"]["code"]

    through = {"x-forwarded-for": "192.0.2.7", "host": "box.example"}
    assert code(None) == "200"  # this user, on this machine
    assert code(keys["boss"], **through) == "200"
    assert code(None, **through) == "system.forbidden"
    assert code(keys["all"], **through) == "system.forbidden"
    assert code("sk-hal0-wrong", **through) == "system.auth_required"
    assert code(keys["boss"], origin="https://evil.example") == "system.forbidden"


def test_a_revoked_key_opens_nothing(hal0: Installation) -> None:
    key = hal0.admin("POST", "/api/keys", {"name": "short"})["key"]
    assert got(ask(hal0, key)) == "primary"
    assert "short" not in {each["name"] for each in hal0.admin("DELETE", "/api/keys/short")["keys"]}
    assert got(ask(hal0, key)) == "401 system.auth_required"


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({}, "dispatch.invalid_request", "name"),
        ({"name": 1}, "dispatch.invalid_request", "name"),
        ({"name": "A"}, "dispatch.invalid_request", "name"),
        ({"name": "x", "scope": "all"}, "dispatch.invalid_request", "scope"),
        ({"name": "x", "slots": "primary"}, "dispatch.invalid_request", "slots"),
        ({"name": "x", "more": 1}, "dispatch.invalid_request", "more"),
        ({"name": "x", "slots": ["nope"]}, "slot.not_found", None),
        ({"name": "x", "scope": "admin", "slots": ["primary"]}, "dispatch.invalid_request", "slots"),
    ],
)
def test_a_key_that_cannot_be_made(hal0: Installation, body: Any, code: str, param: str | None) -> None:
    error = hal0.admin("POST", "/api/keys", body)["error"]
    assert (error["code"], error["param"]) == (code, param)


def test_the_warning_of_an_open_port_goes_with_the_first_key_and_comes_back(tmp_path: Path) -> None:
    class Open(Installation):
        @property
        def env(self) -> dict[str, str]:
            return {**super().env, "HAL0_HOST": "0.0.0.0"}

    hal0 = Open(tmp_path)
    try:
        hal0.start()
        (warning,) = hal0.admin("GET", "/api/state")["warnings"]
        assert "anyone who can reach port" in warning
        assert warning in hal0.log.read_text()
        since = hal0.admin("GET", "/api/state")["event_id"]
        hal0.admin("POST", "/api/keys", {"name": "a"})
        assert hal0.admin("GET", "/api/state")["warnings"] == []
        hal0.admin("DELETE", "/api/keys")
        assert hal0.admin("GET", "/api/state")["warnings"] == [warning]
        told = []
        with hal0.client() as client, client.stream("GET", f"/api/events?since={since}") as events:
            for line in events.iter_lines():
                if line.startswith("data:") and '"daemon.warnings"' in line:
                    told.append(json.loads(line[5:])["data"]["warnings"])
                if len(told) == 2:
                    break
        assert told == [[], [warning]]
    finally:
        hal0.stop()


def test_the_unix_socket_needs_no_key(hal0: Installation, keys: dict[str, str]) -> None:
    with hal0.client() as client:
        answer = client.post(CHAT, json={"messages": HELLO, "max_tokens": 4}, timeout=60)
    assert got(answer) == "primary"
    assert os.stat(hal0.socket).st_mode & 0o777 == 0o660
