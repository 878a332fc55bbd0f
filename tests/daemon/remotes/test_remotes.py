"""Remotes without a daemon: keys, lists, the breaker, and what is fetched when."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from hal0.daemon.config.schema import Remote as Config
from hal0.daemon.remotes.breaker import FAILURES, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Breaker
from hal0.daemon.remotes.keys import key_of
from hal0.daemon.remotes.offer import Offered, let_in, read_list, recall, remember
from hal0.daemon.remotes.remote import Remote
from hal0.daemon.remotes.remotes import Remotes
from hal0.errors import Hal0Error
from tests.fakes.remote_server import remote_server

URL = "http://127.0.0.1:9/v1"


@asynccontextmanager
async def running(folder: Path, env: dict[str, str] | None = None) -> AsyncIterator[Remotes]:
    remotes = Remotes(env=env or {"KEY": "sk-remote"}, folder=folder, on_failure=lambda remote, error: None)
    task = asyncio.ensure_future(remotes.run())
    try:
        yield remotes
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(look: Callable[[], Any]) -> None:
    async with asyncio.timeout(15):
        while not look():
            await asyncio.sleep(0.01)


def config(**fields: Any) -> Config:
    return Config.model_validate({"url": URL, "key_env": "KEY", **fields})


# Keys


def test_a_key_comes_from_the_environment_of_the_daemon() -> None:
    assert key_of("far", config(), {"KEY": " sk-1 \n"}) == "sk-1"
    assert key_of("far", Config(url=URL), {}) == ""


@pytest.mark.parametrize("env", [{}, {"KEY": ""}, {"KEY": "a\nb"}, {"KEY": "schlüssel"}])
def test_what_is_no_key_is_said_without_telling_it(env: dict[str, str]) -> None:
    with pytest.raises(Hal0Error) as refused:
        key_of("far", config(), env)
    assert refused.value.code == "dispatch.remote_key_missing"
    assert not any(value and value in str(refused.value) for value in env.values())


def test_a_key_file_must_be_a_file_with_something_in_it(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.touch(mode=0o600)
    for path in (tmp_path, empty, tmp_path / "absent"):
        with pytest.raises(Hal0Error) as refused:
            key_of("far", Config(url=URL, key_file=str(path)), {})
        assert str(path) in refused.value.message


def test_the_kinds_that_are_known_have_their_address(tmp_path: Path) -> None:
    for kind, host in (("openai", "api.openai.com"), ("openrouter", "openrouter.ai")):
        assert host in Remote("far", Config.model_validate({"kind": kind}), env={}, folder=tmp_path).url


# Lists


@pytest.mark.parametrize("body", [None, [], 3, {"data": 4}, {"error": {}}, "x"])
def test_what_is_no_list_is_refused_or_empty(body: Any) -> None:
    if body == []:
        assert read_list(body) == ()
    else:
        with pytest.raises(ValueError, match="list"):
            read_list(body)


def test_of_a_list_only_what_makes_sense_is_taken() -> None:
    entries = [{"id": "a", "context_length": 8}, {"id": "a"}, {"id": 3}, {"id": "x\n"}, "b", {"id": "c" * 999}]
    assert read_list({"data": [*entries, {"id": "d", "context_length": True}]}) == (Offered("a"), Offered("d"))


def test_globs_let_in_and_keep_out() -> None:
    offered = tuple(map(Offered, ("a/1", "a/2", "b/1")))
    assert let_in(offered, models=(), exclude=()) == offered
    assert [each.id for each in let_in(offered, models=("a/*",), exclude=("*/2",))] == ["a/1"]


def test_a_remembered_list_is_of_one_address_and_damage_forgets_it(tmp_path: Path) -> None:
    file = tmp_path / "far.json"
    remember(file, URL, (Offered("a", 5),))
    assert recall(file, URL) == (Offered("a", 5),)
    assert recall(file, URL + "/other") == ()
    for damage in (b"", b"{", b"[]", b"\xff", b"[" * 100_000):
        file.write_bytes(damage)
        assert recall(file, URL) == ()


# The breaker


def test_the_breaker_opens_tries_once_and_closes() -> None:
    breaker = Breaker()
    for _ in range(FAILURES - 1):
        breaker.failed(100.0)
    assert breaker.blocked_seconds(100.0) == 0
    breaker.failed(100.0)
    assert breaker.blocked_seconds(100.0) == FIRST_PAUSE_SECONDS
    later = 100.0 + FIRST_PAUSE_SECONDS
    assert breaker.blocked_seconds(later) == 0
    breaker.entered()
    assert breaker.blocked_seconds(later) > 0  # one at a time
    breaker.abandoned()
    assert breaker.blocked_seconds(later) == 0
    breaker.entered()
    breaker.failed(later)
    assert breaker.blocked_seconds(later) == 2 * FIRST_PAUSE_SECONDS
    for _ in range(50):
        later += breaker.blocked_seconds(later)
        breaker.entered()
        breaker.failed(later)
    assert breaker.blocked_seconds(later) == LONGEST_PAUSE_SECONDS
    breaker.succeeded()
    assert breaker.blocked_seconds(later) == 0


def test_many_failures_at_once_are_no_longer_a_pause_than_one() -> None:
    breaker = Breaker()
    for _ in range(FAILURES + 20):  # all of them went there before the first failed
        breaker.failed(100.0)
    assert breaker.blocked_seconds(100.0) == FIRST_PAUSE_SECONDS
    breaker.succeeded()  # one of them was answered after all
    for _ in range(FAILURES):
        breaker.failed(101.0)
    assert breaker.blocked_seconds(101.0) == FIRST_PAUSE_SECONDS


# In the background


async def test_a_list_is_fetched_again_after_refresh(tmp_path: Path) -> None:
    with remote_server() as far:
        async with running(tmp_path) as remotes:
            due = config(url=far.url).model_copy(update={"refresh": 0.05})  # the file takes no less than ten seconds
            remotes.apply({"far": due})
            await until(lambda: "big" in remotes.get("far").offered)
            far.models = ["newer"]
            await until(lambda: list(remotes.get("far").offered) == ["newer"])


async def test_a_failure_keeps_the_list_and_is_told(tmp_path: Path) -> None:
    with remote_server() as far:
        async with running(tmp_path) as remotes:
            remotes.apply({"far": config(url=far.url)})
            await until(lambda: remotes.get("far").offered)
            far.key = "another"
            with pytest.raises(Hal0Error) as refused:
                await remotes.refresh("far")
            assert refused.value.code == "dispatch.upstream_failed"
            assert remotes.get("far").offered
            assert remotes.get("far").view().error is not None


async def test_a_host_that_never_answers_a_connection_is_given_up(tmp_path: Path) -> None:
    with socket.socket() as full:  # its queue takes one connection and no more
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        with socket.socket() as first, socket.socket() as second:
            first.setblocking(False)
            second.setblocking(False)
            first.connect_ex(("127.0.0.1", port))
            second.connect_ex(("127.0.0.1", port))
            remote = Remote(
                "far",
                Config.model_validate({"url": f"http://127.0.0.1:{port}/v1", "connect_timeout": 0.2}),
                env={},
                folder=tmp_path,
            )
            await remote.refresh()
            assert remote.list_error is not None
            assert remote.list_error.code == "dispatch.upstream_unavailable"
            await remote.close()


async def test_why_a_remote_was_not_reached_is_told_in_words(tmp_path: Path) -> None:
    with socket.socket() as closed:  # bound, and nobody listens
        closed.bind(("127.0.0.1", 0))
        url = f"http://localhost:{closed.getsockname()[1]}/v1"
        remote = Remote("far", Config.model_validate({"url": url}), env={}, folder=tmp_path)
        await remote.refresh()
        await remote.close()
    assert remote.list_error is not None
    assert remote.list_error.details["reason"] == "the connection was refused"
    assert remote.list_error.message == "far could not be reached: the connection was refused"


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:9", "gopher://127.0.0.1:9", "http://127.0.0.1:x"])
async def test_a_proxy_that_cannot_be_used_costs_its_remote_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    with remote_server() as far:
        monkeypatch.setenv("ALL_PROXY", proxy)
        async with running(tmp_path) as remotes:
            remotes.apply({"far": config(url=far.url)})
            await until(lambda: remotes.get("far").list_error)
            with pytest.raises(Hal0Error) as refused:
                await remotes.get("far").ask("/chat/completions", model="big", body=b"{}", headers={}, seconds=5)
            assert refused.value.code == "dispatch.upstream_unavailable"
            monkeypatch.delenv("ALL_PROXY")
            remotes.apply({"far": config(url=far.url), "near": config(url=far.url)})
            await until(lambda: remotes.get("near").offered)


async def test_a_header_of_a_client_passes_as_the_bytes_it_is(tmp_path: Path) -> None:
    with remote_server() as far:
        remote = Remote("far", config(url=far.url), env={"KEY": "sk-remote"}, folder=tmp_path)
        answer = await remote.ask(
            "/chat/completions",
            model="big",
            body=b'{"model": "big", "messages": [{"role": "user", "content": "hello"}]}',
            headers={b"content-type": b"application/json", b"user-agent": "café".encode()},
            seconds=5,
        )
        assert (await answer.head()).status == 200
        answer.close()
        await remote.close()
        (_, sent, _) = far.chats[0]
        assert sent["user-agent"].encode("latin-1") == "café".encode()


async def test_an_unknown_remote_is_named_with_the_nearest(tmp_path: Path) -> None:
    async with running(tmp_path) as remotes:
        remotes.apply({"far": config()})
        with pytest.raises(Hal0Error, match="far"):
            remotes.get("fra")
        assert os.listdir(tmp_path) == []
