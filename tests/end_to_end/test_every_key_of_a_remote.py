"""No key of [remotes.NAME] is dead: each is changed in a running daemon, and what it is for is seen to change."""

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.end_to_end.test_every_key import HELLO, change, post, put, until
from tests.fakes.installation import Installation, installed
from tests.fakes.remote_server import RemoteServer, remote_server

CONFIG = """\
[daemon]
ports = @PORTS@
[slots.primary]
model = "hal0-starter"
[remotes.far]
url = "@URL@"
key_env = "FIRST_KEY"
"""
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def far() -> Iterator[RemoteServer]:
    with remote_server() as server:
        server.key = ""  # whoever asks is answered
        yield server


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, far: RemoteServer) -> Iterator[Installation]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FIRST_KEY", "sk-first")
        patch.setenv("SECOND_KEY", "sk-second")
        with installed(tmp_path_factory.mktemp("remote"), CONFIG.replace("@URL@", far.url)) as installation:
            yield installation


@pytest.fixture
def hal0(shared: Installation, far: RemoteServer) -> Iterator[Installation]:
    """The shared daemon with the list of the remote, put back afterwards."""
    before = shared.config.read_text()
    until(lambda: bool(view(shared)["fetched_at"]), True)
    yield shared
    far.status = 200
    far.silent.clear()
    put(shared, before)


def view(hal0: Installation, name: str = "far") -> dict[str, Any]:
    found: dict[str, Any] = hal0.admin("GET", f"/api/remotes/{name}")
    return found


def set_far(hal0: Installation, **keys: Any) -> None:
    change(hal0, **{f"remotes.far.{name}": value for name, value in keys.items()})


def ask(hal0: Installation, model: str) -> httpx.Response:
    return post(hal0, CHAT, {**HELLO, "model": model})


def code(answer: httpx.Response) -> str:
    return "" if answer.status_code == 200 else str(answer.json()["error"]["code"])


def sent(hal0: Installation, far: RemoteServer, name: str) -> str | None:
    """A header that the remote gets."""
    assert ask(hal0, "far/big").status_code == 200
    lower = {each.lower(): value for each, value in far.chats[-1][1].items()}
    return lower.get(name)


def kind(hal0: Installation, far: RemoteServer) -> None:
    # Without its key nobody is asked, so this stays on the machine.
    for each, host in (("openai", "api.openai.com"), ("openrouter", "openrouter.ai")):
        change(hal0, **{"remotes.other": {"kind": each, "key_env": "NOBODY_HAS_SET_THIS"}})
        assert httpx.URL(view(hal0, "other")["url"]).host == host


def url(hal0: Installation, far: RemoteServer) -> None:
    with remote_server() as other:
        other.key, other.models = "", ["elsewhere"]
        set_far(hal0, url=other.url)
        until(lambda: view(hal0)["models"], ["elsewhere"])
        assert ask(hal0, "elsewhere").headers["x-hal0-remote"] == "far"


def key_env(hal0: Installation, far: RemoteServer) -> None:
    assert sent(hal0, far, "authorization") == "Bearer sk-first"
    set_far(hal0, key_env="SECOND_KEY")
    assert sent(hal0, far, "authorization") == "Bearer sk-second"


def key_file(hal0: Installation, far: RemoteServer) -> None:
    (hal0.folder / "key").write_text("sk-third\n")
    (hal0.folder / "key").chmod(0o600)
    set_far(hal0, key_env=None, key_file="key")
    assert sent(hal0, far, "authorization") == "Bearer sk-third"


def models(hal0: Installation, far: RemoteServer) -> None:
    assert code(ask(hal0, "big")) == ""
    set_far(hal0, models=["vendor/*"])
    assert code(ask(hal0, "big")) == "dispatch.no_route"
    assert code(ask(hal0, "vendor/model-a")) == ""


def exclude(hal0: Installation, far: RemoteServer) -> None:
    set_far(hal0, exclude=["vendor/*"])
    assert code(ask(hal0, "vendor/model-a")) == "dispatch.no_route"
    assert code(ask(hal0, "big")) == ""


def aliases(hal0: Installation, far: RemoteServer) -> None:
    for model in ("big", "vendor/model-a"):
        set_far(hal0, aliases={"clever": model})
        assert ask(hal0, "clever").headers["x-hal0-model"] == model


def headers(hal0: Installation, far: RemoteServer) -> None:
    assert sent(hal0, far, "x-title") is None
    set_far(hal0, headers={"X-Title": "hal0"})
    assert sent(hal0, far, "x-title") == "hal0"


def connect_timeout(hal0: Installation, far: RemoteServer) -> None:
    with socket.socket() as deaf, socket.socket() as first, socket.socket() as second:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        for each in (first, second):  # the line is full, so that the next connection gets no answer
            each.setblocking(False)
            each.connect_ex(deaf.getsockname())
        place = f"http://127.0.0.1:{deaf.getsockname()[1]}/v1"
        set_far(hal0, url=place, models=["big"], connect_timeout=0.2)
        began = time.monotonic()
        assert code(ask(hal0, "big")) == "dispatch.upstream_unavailable"
        assert time.monotonic() - began < 5  # the default is 10


def first_byte_timeout(hal0: Installation, far: RemoteServer) -> None:
    set_far(hal0, first_byte_timeout=0.2)
    far.silent.set()
    assert code(ask(hal0, "big")) == "dispatch.upstream_timeout"


def fallback(hal0: Installation, far: RemoteServer) -> None:
    far.status = 500
    assert code(ask(hal0, "big")) == "dispatch.upstream_failed"
    set_far(hal0, fallback=["primary"])
    assert ask(hal0, "big").headers["x-hal0-slot"] == "primary"


LOOKS: dict[str, Callable[[Installation, RemoteServer], None]] = {
    f"remotes.NAME.{look.__name__}": look
    for look in (
        kind, url, key_env, key_file, models, exclude, aliases, headers, connect_timeout, first_byte_timeout, fallback,
    )
}  # fmt: skip


@pytest.mark.parametrize("key", LOOKS)
def test_a_changed_key_has_its_effect_at_once(hal0: Installation, far: RemoteServer, key: str) -> None:
    LOOKS[key](hal0, far)
