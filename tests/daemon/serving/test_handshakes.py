"""Clients who are to speak TLS and do not: they are counted, and nobody else is kept out. On both loops."""

import asyncio
import errno
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop

from hal0.daemon.serving.limits import Limits
from tests.daemon.serving.test_crowd import when_told
from tests.daemon.serving.test_sockets import who_asks
from tests.fakes.door import served, until
from tests.fakes.http_client import Client, ask, connect
from tests.fakes.tls import over_tls, pair

GET = b"GET /%d HTTP/1.1\r\nhost: a\r\n\r\n"
PATIENT = 1000.0  # seconds that a handshake may take
SECONDS = 60.0


def on_both_loops(flow: Callable[[], Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
    def test(run: Callable[[Coroutine[Any, Any, None]], None], tmp_path: Path) -> None:
        with over_tls(pair(tmp_path)):
            run(flow())

    return test


@asynccontextmanager
async def silent(port: int, count: int) -> AsyncIterator[list[Client]]:
    """So many clients that connect and never say a word of TLS."""
    async with asyncio.timeout(SECONDS), AsyncExitStack() as stack:
        crowd = []
        for _ in range(count):
            crowd.append(Client(*await asyncio.open_connection("127.0.0.1", port)))
            stack.push_async_callback(crowd[-1].close)
        yield crowd


@asynccontextmanager
async def watched(crowd: list[Client]) -> "AsyncIterator[list[asyncio.Task[bool]]]":
    ended = [asyncio.ensure_future(client.ended()) for client in crowd]
    try:
        yield ended
    finally:
        for each in ended:
            each.cancel()
        await asyncio.gather(*ended, return_exceptions=True)


@on_both_loops
async def test_a_crowd_that_never_comes_to_terms_is_bounded_and_keeps_nobody_out() -> None:
    limits = Limits(connections=10, handshake_seconds=PATIENT)
    async with served(who_asks, limits) as (_, port), silent(port, 60) as crowd:
        assert (await ask(port, GET % 0)).status == 200
        async with watched(crowd) as ended:
            await until(lambda: sum(each.done() for each in ended) >= 50)
        assert (await ask(port, GET % 0)).status == 200


@on_both_loops
async def test_beside_busy_connections_a_crowd_is_sent_away_at_once_after_the_first_few() -> None:
    async with served(when_told, Limits(connections=1, handshake_seconds=PATIENT)) as (server, port):
        async with connect(port) as busy:
            await busy.send(GET % 1)
            await until(lambda: server.in_flight == 1)
            async with silent(port, 1 + 32 + 5) as crowd, watched(crowd) as ended:
                await until(lambda: all(each.done() for each in ended[33:]))
                assert not any(each.done() for each in ended[:32])
            busy.abort()
        await until(lambda: server.in_flight == 0)
        assert (await ask(port, GET % 0)).status == 200


@on_both_loops
async def test_the_end_takes_those_along_who_have_not_come_to_terms() -> None:
    async with served(who_asks, Limits(handshake_seconds=PATIENT)) as (server, port), silent(port, 3) as crowd:
        assert (await ask(port, GET % 0)).status == 200
        server.stop_accepting()
        for client in crowd:
            assert await client.ended()
        with pytest.raises(OSError, match=str(errno.ECONNREFUSED)):
            await asyncio.open_connection("127.0.0.1", port)
