"""Answers that take minutes, on a virtual clock: silence ends them, never their length."""

import asyncio
import json
from collections.abc import Iterator

import pytest

from hal0.daemon.config.schema import Dispatch
from tests.fakes.backend import STREAM_HEAD, Asked, backend, delta
from tests.fakes.door import relaying
from tests.fakes.http_client import Seen, connect, post
from tests.fakes.virtual_loop import VirtualLoop

CHAT = "/v1/chat/completions"
STREAM = {"messages": [{"role": "user", "content": "Hello!"}], "stream": True}


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    made = VirtualLoop()
    asyncio.set_event_loop(made)
    yield made
    made.run(made.shutdown_default_executor())
    asyncio.set_event_loop(None)
    made.close()


def answered(loop: VirtualLoop, script: object, dispatch: Dispatch | None = None) -> tuple[Seen, float]:
    """The answer, and how many seconds it took."""

    async def ask() -> Seen:
        async with (
            backend(script) as upstream,  # type: ignore[arg-type]
            relaying(upstream.endpoint, dispatch=dispatch or Dispatch()) as relay,
            connect(relay.port, seconds=10_000) as client,
        ):
            await client.send(post(CHAT, STREAM))
            return await client.answer()

    began = loop.now
    seen = loop.run(ask())
    return seen, loop.now - began


def test_a_stream_of_one_token_a_second_goes_on_to_its_end(loop: VirtualLoop) -> None:
    async def script(asked: Asked) -> None:
        await asked.stream(["x"] * 90, pause=1.0)

    seen, seconds = answered(loop, script)
    assert seen.events()[-1] == "[DONE]"
    assert sum('"content": "x"' in event or '"content":"x"' in event for event in seen.events()) == 90
    assert seconds >= 89


def test_a_stream_that_falls_silent_is_given_up_after_the_limit_on_silence(loop: VirtualLoop) -> None:
    async def script(asked: Asked) -> None:
        await asked.send(STREAM_HEAD)
        await asked.event(delta("one"))
        await asked.left.wait()

    limit = 30.0
    seen, seconds = answered(loop, script, Dispatch(stream_idle_timeout=limit))
    assert json.loads(seen.events()[-1])["error"]["code"] == "dispatch.stream_stalled"
    assert limit - 1 <= seconds <= 2 * limit
