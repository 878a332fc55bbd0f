"""The way to the daemon: it breaks and comes back, skips events, answers nonsense; the dashboard stays."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hal0.errors import Hal0Error
from hal0.tui.app import Dashboard
from hal0.tui.client import Address, Client
from hal0.tui.look import Look
from hal0.tui.screens.home import Home
from hal0.wire import TokenBatch
from tests.fakes.daemon import FakeDaemon
from tests.tui.live import Live, live
from tests.tui.samples import NOW, busy_state, default_state, request

Answering = Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]


@asynccontextmanager
async def something_else(socket: Path, answer: bytes) -> AsyncIterator[None]:
    """A server that says the same to everyone."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            await writer.drain()
        finally:
            writer.close()

    server = await asyncio.start_unix_server(serve, socket)
    try:
        yield
    finally:
        server.close()


@asynccontextmanager
async def alone(socket: Path) -> AsyncIterator[Live]:
    """A dashboard before there is a daemon."""
    dashboard = Dashboard(Client(Address(socket)), Look.of("hal0-dark"))
    async with dashboard.run_test(size=(80, 24)) as pilot:
        yield Live(pilot, dashboard, FakeDaemon(default_state(), socket))


async def test_without_a_daemon_it_says_what_why_and_which_keys_help(tmp_path: Path) -> None:
    async with alone(tmp_path / "hal0.sock") as both:
        await both.sees("daemon not reachable", "hal0d did not answer on", "no such file or directory")
        await both.sees("system.daemon_down", "retry now", "hal0 up")
        await both.press("question_mark")
        await both.sees("The daemon is not running, or it runs as another user")


async def test_a_daemon_that_comes_later_is_found_without_a_key(tmp_path: Path) -> None:
    async with alone(tmp_path / "hal0.sock") as both:
        await both.sees("daemon not reachable")
        async with both.daemon:
            await both.sees("cfg r1 ok", "primary")


async def test_r_tries_at_once(tmp_path: Path) -> None:
    async with alone(tmp_path / "hal0.sock") as both:
        await both.until(
            lambda: (both.dashboard.store.link.retry_at or 0) - both.dashboard.store.now > 3, "a long pause"
        )
        async with both.daemon:
            begin = asyncio.get_running_loop().time()
            await both.press("r")
            await both.sees("cfg r1 ok")
            assert asyncio.get_running_loop().time() - begin < 2


async def test_a_killed_daemon_leaves_its_last_state_faintly_and_a_new_one_is_taken_up(tmp_path: Path) -> None:
    socket = tmp_path / "hal0.sock"
    async with alone(socket) as both:
        async with both.daemon:
            await both.sees("cfg r1 ok", "primary")
            await both.daemon.wait_for_dashboard()
        await both.sees("daemon not reachable", "primary", "last state")
        await both.press("u")
        assert "asked" not in both.screen, "verbs are not offered now"
        async with FakeDaemon(busy_state(), socket) as successor:
            await both.sees("cfg r41 ok", "chat-l", "#8841")
            successor.publish("request.tokens", TokenBatch(id="8841", text=" SUCCESSOR", tokens=764))
            await both.sees("SUCCESSOR")
            assert not [call for call in successor.calls if call[0] == "POST"]


async def test_after_a_restart_of_the_daemon_keys_act_where_one_was(tmp_path: Path) -> None:
    socket = tmp_path / "hal0.sock"
    async with alone(socket) as both:
        async with FakeDaemon(busy_state(), socket) as daemon:
            await both.sees("cfg r41 ok", "#8841")
            await daemon.wait_for_dashboard()
            await both.press("tab")
            home = both.dashboard.screen
            assert isinstance(home, Home)
            assert home.place == "stream"
        await both.sees("daemon not reachable")
        async with FakeDaemon(busy_state(), socket):
            await both.until(lambda: both.dashboard.store.link.phase == "live", "the daemon that came after it")
            await both.until(lambda: home.place == "stream", "the stream to have the focus again")
            assert home.focused is home.scrolled


async def test_after_a_gap_the_state_is_fetched_again(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state()) as both:
        both.daemon.state = busy_state(requests=[request("8841", "chat-l", text="a fresh state", tokens=800)])
        both.daemon.publish("gap", {"missed_from": 1, "missed_to": 9})
        await both.sees("a fresh state")
        assert both.daemon.calls.count(("GET", "/api/state")) == 2
        assert both.dashboard.store.link.phase == "live"


async def test_events_between_state_and_stream_are_not_lost(tmp_path: Path) -> None:
    """The stream is asked for from the state's event number on."""
    socket = tmp_path / "hal0.sock"
    client = Client(Address(socket))
    async with FakeDaemon(default_state(), socket, clock=lambda: NOW) as daemon:
        daemon.publish("request.started", request("before"))
        state = await client.state()
        daemon.publish("request.started", request("between"))
        async with asyncio.timeout(30):
            async for facts in client.facts(state.event_id):
                assert [fact.data.id for fact in facts] == ["between"]
                break
        await client.aclose()


async def test_an_event_that_arrives_in_crumbs_is_one_event(tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    line_separator = "\u2028".encode()  # no end of line in an event stream, though Python's splitlines thinks so
    body = b': hi\n\nid: 1\nevent: slot.removed\ndata: {"id": 1, "at": 2, "kind": "slot.removed", "data": '
    body += b'{"name": "a' + line_separator + b'b"}}\n\n'

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        for at in range(0, len(body), 7):
            writer.write(body[at : at + 7])
            await writer.drain()
            await asyncio.sleep(0.001)
        writer.close()

    server = await asyncio.start_unix_server(serve, tmp_path / "s")
    client = Client(Address(tmp_path / "s"))
    found = [fact async for facts in client.facts(0) for fact in facts]
    assert [fact.data for fact in found] == ["a\u2028b"]
    server.close()
    await client.aclose()


ANSWERS = {
    "not json": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    "another program": b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnope",
    "an unknown code": b'HTTP/1.1 418 X\r\nContent-Length: 48\r\n\r\n{"error":{"code":"slot.haunted","message":"boo"}}'
    b"\n",
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
async def test_nonsense_is_a_bad_answer_and_it_tries_again(tmp_path: Path, answer: bytes) -> None:
    socket = tmp_path / "hal0.sock"
    async with something_else(socket, answer), alone(socket) as both:
        await both.sees("system.bad_answer")
        assert both.dashboard.is_running


async def test_a_connection_that_is_closed_at_once_is_told_as_such(tmp_path: Path) -> None:
    async with something_else(tmp_path / "hal0.sock", b""), alone(tmp_path / "hal0.sock") as both:
        await both.sees("the connection was closed (system.daemon_down)")


async def test_errors_of_the_daemon_keep_their_code(tmp_path: Path) -> None:
    async with FakeDaemon(default_state(), tmp_path / "s") as daemon:
        daemon.refusals[("GET", "/api/state")] = Hal0Error("system.forbidden", reason="not from this machine")
        client = Client(Address(tmp_path / "s"))
        with pytest.raises(Hal0Error) as caught:
            await client.state()
        assert caught.value.code == "system.forbidden"
        assert caught.value.message == "not allowed: not from this machine"
        await client.aclose()


async def test_slot_names_are_quoted_in_paths(tmp_path: Path) -> None:
    async with FakeDaemon(default_state(), tmp_path / "s") as daemon:
        client = Client(Address(tmp_path / "s"))
        await client.ask("load", "a/../b?c")
        assert daemon.calls == [("POST", "/api/slots/a%2F..%2Fb%3Fc/load")]
        await client.aclose()


async def test_over_tcp_it_is_the_same(tmp_path: Path) -> None:
    async with FakeDaemon(busy_state()) as daemon:
        client = Client(Address.of_host(daemon.url.removeprefix("http://")))
        assert (await client.state()).host == "lab01"
        assert await client.latency_ms() > 0
        assert client.address.curl("/health") == f"curl {daemon.url}/health"
        await client.aclose()


async def test_the_link_is_measured(tmp_path: Path) -> None:
    async with live(tmp_path, default_state()) as both:
        await both.until(lambda: "ms" in both.screen.splitlines()[0], "a figure")
        assert ("GET", "/health") in both.daemon.calls


async def test_an_answer_that_was_not_streamed_is_fetched_when_it_is_shown(tmp_path: Path) -> None:
    async with live(tmp_path, default_state()) as both:
        both.daemon.publish("request.started", request("77", stream=False, phase="prefill", prompt="say it at once"))
        await both.sees("not streamed, the answer comes when it is complete")
        told = request("77", stream=False, phase="finished", outcome="ok", tokens=4, finished_at=NOW)
        whole = told.model_copy(update={"text": "said at once"})
        both.daemon.state = both.daemon.state.model_copy(update={"requests": [whole]})
        both.daemon.publish("request.finished", told)
        await both.sees("said at once")
        assert both.daemon.calls.count(("GET", "/api/requests/77")) == 1
