"""What holds of plain connections holds over TLS: framing, back pressure, the client's leaving, the end. On uvloop."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from hal0.daemon.serving.limits import Limits
from tests.daemon.serving import test_answers, test_crowd, test_drain, test_quart, test_requests_on_the_wire
from tests.daemon.serving.test_sockets import who_asks
from tests.fakes.door import served, until
from tests.fakes.http_client import ask
from tests.fakes.loops import flows
from tests.fakes.tls import over_tls, pair


@pytest.mark.parametrize("flow", flows(test_answers, test_crowd, test_drain, test_quart, test_requests_on_the_wire))
def test_over_tls(flow: Callable[[], Coroutine[Any, Any, None]], tmp_path: Path) -> None:
    with over_tls(pair(tmp_path)):
        uvloop.run(flow())


GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


@pytest.mark.parametrize("said", [b"", GET, b"\x16\x03\x01"])
async def test_who_does_not_come_to_terms_on_tls_is_let_go_and_others_are_served(tmp_path: Path, said: bytes) -> None:
    with over_tls(pair(tmp_path)):
        async with served(who_asks, Limits(handshake_seconds=0.3)) as (server, port):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(said)
            assert (await ask(port, GET)).status == 200
            async with asyncio.timeout(20):
                assert b"HTTP" not in await reader.read()
            writer.close()
            await until(lambda: not server.connections)


async def test_the_app_is_told_that_it_is_https(tmp_path: Path) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["scheme"].encode()})

    with over_tls(pair(tmp_path)):
        async with served(app) as (_, port):
            assert (await ask(port, GET)).body == b"https"
    async with served(app) as (_, port):
        assert (await ask(port, GET)).body == b"http"
