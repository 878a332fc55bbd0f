"""Signs of life for streams that wait for their slot, on a virtual clock; only if they are asked for."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from hal0.daemon.config.schema import Dispatch
from tests.fakes.backend import Asked, backend
from tests.fakes.door import relaying
from tests.fakes.http_client import Seen, connect, post
from tests.fakes.virtual_loop import VirtualLoop

CHAT = "/v1/chat/completions"
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello!"}]}
START_SECONDS = 25.0
WAITING = ": waiting"


@pytest.fixture
def loop() -> Iterator[VirtualLoop]:
    made = VirtualLoop()
    asyncio.set_event_loop(made)
    yield made
    made.run(made.shutdown_default_executor())
    asyncio.set_event_loop(None)
    made.close()


def answered(loop: VirtualLoop, script: Any, *, heartbeat: bool = True, path: str = CHAT, **more: Any) -> Seen:
    """What a client gets whose slot needs a while to start."""

    async def ask() -> Seen:
        async with (
            backend(script) as upstream,
            relaying(upstream.endpoint, dispatch=Dispatch(heartbeat=heartbeat)) as relay,
            connect(relay.port, seconds=10_000) as client,
        ):
            relay.slot.ready.clear()
            asyncio.get_running_loop().call_later(START_SECONDS, relay.slot.ready.set)
            await client.send(post(path, {**HELLO, **more}))
            return await client.answer()

    return loop.run(ask())


async def talks(asked: Asked) -> None:
    await asked.stream(["one", "two"])


async def fails(asked: Asked) -> None:
    await asked.json_answer({"error": {"message": "out of memory"}}, 500)


def test_comments_come_while_the_slot_starts_and_then_the_answer(loop: VirtualLoop) -> None:
    seen = answered(loop, talks, stream=True)
    assert (seen.status, seen.headers["content-type"], seen.is_whole) == (200, "text/event-stream", True)
    events = seen.events()
    assert [event for event in events if event == WAITING] == events[:3] == [WAITING] * 3
    assert json.loads(events[3])["choices"][0]["delta"]
    assert events[-1] == "[DONE]"


def test_unless_it_is_asked_for_nothing_is_sent(loop: VirtualLoop) -> None:
    seen = answered(loop, talks, heartbeat=False, stream=True)
    assert WAITING not in seen.events()
    assert seen.headers["x-hal0-slot"] == "primary"
    failed = answered(loop, fails, heartbeat=False, stream=True)
    assert (failed.status, failed.code) == (502, "dispatch.upstream_failed")


def test_what_goes_wrong_afterwards_is_the_last_event(loop: VirtualLoop) -> None:
    seen = answered(loop, fails, stream=True)
    assert (seen.status, seen.is_whole) == (200, True)
    *waiting, last = seen.events()
    assert set(waiting) == {WAITING}
    assert json.loads(last)["error"]["code"] == "dispatch.upstream_failed"


def test_messages_are_told_in_their_own_words(loop: VirtualLoop) -> None:
    seen = answered(loop, fails, path="/v1/messages", stream=True, max_tokens=9)
    *waiting, last = seen.events()
    assert set(waiting) == {WAITING}
    kind, _, data = last.partition("\ndata: ")
    assert kind == "event: error"
    assert json.loads(data)["type"] == "error"


async def answers_whole(asked: Asked) -> None:
    await asked.json_answer({"choices": [{"message": {"role": "assistant", "content": "hi"}}]})


def test_an_answer_that_is_no_stream_is_awaited_in_silence(loop: VirtualLoop) -> None:
    seen = answered(loop, answers_whole)
    assert seen.headers["content-type"] == "application/json"
    assert seen.json()["choices"]


def test_a_backend_that_does_not_stream_after_all_is_told_as_one_event(loop: VirtualLoop) -> None:
    *waiting, only = answered(loop, answers_whole, stream=True).events()
    assert set(waiting) == {WAITING}
    assert json.loads(only)["choices"]


def test_another_may_still_stand_in(loop: VirtualLoop) -> None:
    async def ask() -> Seen:
        async with (
            backend(fails) as first,
            backend(talks) as second,
            relaying(first.endpoint, second.endpoint, dispatch=Dispatch(heartbeat=True), fallback=("slot1",)) as relay,
            connect(relay.port, seconds=10_000) as client,
        ):
            relay.slot.ready.clear()
            asyncio.get_running_loop().call_later(START_SECONDS, relay.slot.ready.set)
            await client.send(post(CHAT, {**HELLO, "stream": True}))
            return await client.answer()

    events = loop.run(ask()).events()
    assert events[0] == WAITING
    assert events[-1] == "[DONE]"
    assert not any("error" in event for event in events)


async def answers_by_and_by(asked: Asked) -> None:
    await asked.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n")
    for part in (b'{"choices":', b"[1]}", b""):
        await asked.chunk(part)


def test_one_whose_length_is_not_told_neither(loop: VirtualLoop) -> None:
    *waiting, only = answered(loop, answers_by_and_by, stream=True).events()
    assert (set(waiting), json.loads(only)) == ({WAITING}, {"choices": [1]})


async def answers_in_lines(asked: Asked) -> None:
    body = b'{\r\n  "choices": [\n\n    1\n  ]\r\n}\n'
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    await asked.send(head + body)


def test_nor_one_in_several_lines(loop: VirtualLoop) -> None:
    *waiting, only = answered(loop, answers_in_lines, stream=True).events()
    assert set(waiting) == {WAITING}
    assert json.loads(only.replace("\ndata: ", "\n")) == {"choices": [1]}


def test_a_client_that_leaves_meanwhile_is_waited_for_no_longer(loop: VirtualLoop) -> None:
    async def leave() -> None:
        async with (
            backend(talks) as upstream,
            relaying(upstream.endpoint, dispatch=Dispatch(heartbeat=True)) as relay,
        ):
            relay.slot.ready.clear()
            async with connect(relay.port, seconds=10_000) as client:
                await client.send(post(CHAT, {**HELLO, "stream": True}))
                assert (await client.head())[0] == 200
                client.abort()
            while not all(view.outcome for view in relay.requests.views()):
                await asyncio.sleep(0.01)
            assert [view.outcome for view in relay.requests.views()] == ["cancelled"]

    loop.run(leave())
