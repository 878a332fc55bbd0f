"""What hal0's own programs tell while they work, and how their answers and failures reach the client."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hal0.daemon.http.endpoint import Endpoint
from hal0.errors import Hal0Error
from tests.fakes.backend import Asked, Script, backend
from tests.fakes.door import Relay, relaying, until
from tests.fakes.http_client import Seen, ask, post

PATH = "/v1/images/generations"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/vnd.hal0.progress\r\ntransfer-encoding: chunked\r\n\r\n"
BODY = b'{"created":1,"data":[]}'
CAT = {"model": "primary", "prompt": "a cat"}


def line(**told: Any) -> bytes:
    return json.dumps(told).encode() + b"\n"


@asynccontextmanager
async def drawing(script: Script, *, own: bool = True) -> AsyncIterator[Relay]:
    async with (
        backend(script) as there,
        relaying(Endpoint(there.port, key="k", speaks_hal0=own), kind="image") as relay,
    ):
        yield relay


async def answered(*pieces: bytes, cut: bool = False) -> Seen:
    async def script(asked: Asked) -> None:
        await asked.send(HEAD)
        for piece in pieces:
            await asked.chunk(piece)
        if cut:
            asked.cut()
        else:
            await asked.send(b"0\r\n\r\n")

    async with drawing(script) as relay:
        return await ask(relay.port, post(PATH, CAT))


async def test_each_line_is_told_of_the_request_and_then_the_answer_comes() -> None:
    go = asyncio.Event()

    async def script(asked: Asked) -> None:
        await asked.send(HEAD)
        await asked.chunk(line(doing="step 3/20", done=0.18))
        await go.wait()
        await asked.chunk(line(answer_bytes=len(BODY)) + BODY)
        await asked.send(b"0\r\n\r\n")

    async with drawing(script) as relay:
        answer = asyncio.ensure_future(ask(relay.port, post(PATH, CAT)))
        await until(lambda: any(view.doing for view in relay.requests.views()))
        [view] = relay.requests.views()
        assert (view.phase, view.doing, view.progress) == ("decoding", "step 3/20", 0.18)
        go.set()
        seen = await answer
        assert (seen.status, seen.body, seen.headers["content-type"]) == (200, BODY, "application/json")
        [view] = relay.requests.views()
        assert (view.phase, view.doing, view.progress, view.prompt) == ("finished", "", None, "a cat")


async def test_it_is_told_where_pictures_go_and_others_are_not() -> None:
    asked_with: list[dict[str, str]] = []

    async def script(asked: Asked) -> None:
        asked_with.append(asked.headers)
        await asked.json_answer(BODY)

    for own in (True, False):
        async with drawing(script, own=own) as relay:
            assert (await ask(relay.port, post(PATH, CAT))).body == BODY
    assert asked_with[0]["x-hal0-pictures"] == "/nowhere"
    assert asked_with[0]["x-hal0-pictures-url"].endswith("/v1/images/files/")
    assert not [name for name in asked_with[1] if name.startswith("x-hal0")]


@pytest.mark.parametrize("size", [10, 3 * 2**20])
async def test_answers_of_any_length_come_whole_however_they_are_cut(size: int) -> None:
    body = json.dumps({"data": "x" * size}).encode()
    head = line(doing="a") + line(answer_bytes=len(body))
    assert (await answered(head + body)).body == body
    middle = len(body) // 2
    assert (await answered(head[:3], head[3:-1], head[-1:], body[:middle], body[middle:])).body == body


async def test_an_error_is_told_by_its_code_whether_it_is_the_answer_or_a_line() -> None:
    error = Hal0Error("dispatch.workflow_invalid", reason="node 3: no", node_errors={"3": {}})
    seen = await answered(line(doing="a"), json.dumps(error.envelope()).encode() + b"\n")

    async def script(asked: Asked) -> None:
        await asked.json_answer(error.envelope(), 422)

    async with drawing(script) as relay:
        plain = await ask(relay.port, post(PATH, CAT))
    for each in (seen, plain):
        assert (each.status, each.code) == (422, "dispatch.workflow_invalid")
        assert each.json()["error"]["details"]["slot"] == "primary"
        assert each.json()["error"]["message"] == "ComfyUI cannot run the workflow of primary: node 3: no"


async def test_others_do_not_choose_our_codes() -> None:
    async def script(asked: Asked) -> None:
        await asked.json_answer(Hal0Error("system.shutting_down").envelope(), 422)

    async with drawing(script, own=False) as relay:
        assert (await ask(relay.port, post(PATH, CAT))).code == "dispatch.upstream_rejected"


@pytest.mark.parametrize(
    "pieces",
    [
        [line(doing="a")],
        [line(answer_bytes=100) + BODY],
        [b"rubbish\n"],
        [b"[]\n"],
        [b"x" * 2**21],
        [line(answer_bytes="many")],
        [line(answer_bytes=2) + BODY],
    ],
)
@pytest.mark.parametrize("cut", [True, False])
async def test_what_ends_before_its_answer_is_a_failure(pieces: list[bytes], cut: bool) -> None:
    seen = await answered(*pieces, cut=cut)
    assert (seen.status, seen.code) == (502, "dispatch.upstream_unavailable")


async def test_a_long_answer_that_breaks_off_is_cut_short() -> None:
    seen = await answered(line(answer_bytes=4 * 2**20), b"x" * 2**20, cut=True)
    assert (seen.status, seen.is_whole) == (200, False)
