"""What the daemon knows of requests, and what it tells those who watch."""

import asyncio
import itertools
import re
from typing import Any

from hal0.daemon.events import Event
from tests.fakes import chat_chunks
from tests.fakes.backend import STREAM_HEAD, Asked, backend, delta
from tests.fakes.door import relaying, until
from tests.fakes.http_client import ask, connect, post

CHAT = "/v1/chat/completions"
STREAM = {"messages": [{"role": "user", "content": "a secret question"}], "stream": True}


async def words(asked: Asked) -> None:
    await asked.stream([f"w{number} " for number in range(40)], pause=0.01)


async def wordy_answer(asked: Asked) -> None:
    await asked.json_answer({"choices": [{"message": {"content": "a secret answer"}}]})


async def test_those_who_watch_get_each_phase_and_all_of_the_text_in_batches() -> None:
    events: list[Event] = []

    async with backend(words) as upstream, relaying(upstream.endpoint) as relay:

        async def watch() -> None:
            with relay.bus.subscribe() as subscription:
                async for event in subscription:
                    events.append(event)

        watcher = asyncio.ensure_future(watch())
        await asyncio.sleep(0)
        await ask(relay.port, post(CHAT, STREAM, "x-request-id: me"))
        await until(lambda: sum(len(e.json_data()["text"].split()) for e in events if e.kind == "request.tokens") == 40)
        watcher.cancel()
    kinds = [event.kind for event in events]
    phases = [event.json_data()["phase"] for event in events if event.kind != "request.tokens"]
    assert kinds[0] == "request.started"
    assert phases == ["prefill", "decoding", "finished"]
    batches = [event.json_data() for event in events if event.kind == "request.tokens"]
    assert "".join(batch["text"] for batch in batches) == "".join(f"w{number} " for number in range(40))
    assert 3 <= len(batches) <= 15
    assert kinds.count("request.finished") == 1
    finished = next(event for event in events if event.kind == "request.finished").json_data()
    assert (finished["id"], finished["outcome"], finished["tokens"], finished["text"]) == ("me", "ok", 40, "")


async def test_a_request_that_waits_for_its_slot_is_told_as_such_and_then_goes_on() -> None:
    async with backend(wordy_answer) as upstream, relaying(upstream.endpoint) as relay:
        relay.slot.ready.clear()
        relay.slot.state = "starting"
        phases: list[str] = []
        with relay.bus.subscribe() as subscription:
            asking = asyncio.ensure_future(ask(relay.port, post(CHAT, {**STREAM, "stream": False})))
            phases += [event.json_data()["phase"] for event in await subscription.next_batch()]
            relay.slot.ready.set()
            await asking
            phases += [event.json_data()["phase"] for event in await subscription.next_batch()]
        assert phases == ["loading", "prefill", "finished"]


async def test_nothing_is_decoded_or_told_while_nobody_watches_and_the_text_is_there_for_who_asks_later() -> None:
    async with backend(words) as upstream, relaying(upstream.endpoint) as relay:
        before = relay.bus.last_id
        await ask(relay.port, post(CHAT, STREAM))
        assert relay.bus.last_id - before == 3  # started, decoding, finished: no batches
        assert relay.requests.views()[0].text.startswith("w0 w1 ")


async def test_without_capture_no_text_is_kept_anywhere() -> None:
    async def both(asked: Asked) -> None:
        await (words(asked) if asked.json().get("stream") else wordy_answer(asked))

    async with backend(both) as upstream, relaying(upstream.endpoint, capture=False) as relay:
        told: list[Any] = []
        with relay.bus.subscribe() as subscription:
            for body in (STREAM, {**STREAM, "stream": False}):
                await ask(relay.port, post(CHAT, body))
            await asyncio.sleep(0.2)
            told += await subscription.next_batch()
        for view in relay.requests.views():
            assert (view.prompt, view.text) == ("", "")
        assert relay.requests.views()[1].tokens == 40
        everything = repr([event.json_data() for event in told])
        assert "secret" not in everything
        assert "w1 " not in everything


async def calls(asked: Asked) -> None:
    """Two tools are called, with a pause after the first; then there are words without end."""
    await asked.send(STREAM_HEAD)
    await asked.chunk(chat_chunks.chunk(reasoning_content="secret thoughts"))
    await asked.chunk(chat_chunks.call(0, '{"place":', id="a", name="weather"))
    await asked.chunk(chat_chunks.call(0, '"secret"}'))
    await asyncio.sleep(0.15)
    await asked.chunk(chat_chunks.call(1, "{}", id="b", name="time"))
    for number in range(40):
        await asked.event(delta(f"w{number} "))
        await asyncio.sleep(0.01)
    await asked.event("[DONE]")
    await asked.send(b"0\r\n\r\n")


async def test_calls_of_tools_are_told_apart_to_those_who_watch_and_those_who_ask_later() -> None:
    async with backend(calls) as upstream, relaying(upstream.endpoint) as relay:
        told: list[Any] = []
        with relay.bus.subscribe() as subscription:
            await ask(relay.port, post(CHAT, STREAM))
            while not any("w39" in each.get("text", "") for each in told):
                told += [event.json_data() for event in await subscription.next_batch()]
        assert "".join(each.get("reasoning", "") for each in told) == "secret thoughts"
        pieces = [tuple(piece) for each in told for piece in each.get("calls", ())]
        voices = [voice for voice, _ in itertools.groupby(pieces, key=lambda piece: piece[0])]
        assert voices == ["call", "arguments", "call", "arguments"]
        assert "".join(text for _, text in pieces) == '\n[calls weather]\n{"place":"secret"}\n[calls time]\n{}'
        (view,) = relay.requests.views()
        assert [voice for voice, _ in view.voices] == ["reasoning", *voices, "text"]
        assert sum(count for _, count in view.voices) == len(view.text)


async def test_when_capture_goes_off_what_was_kept_until_then_is_forgotten_too() -> None:
    async def both(asked: Asked) -> None:
        await (calls(asked) if asked.json().get("stream") else wordy_answer(asked))

    async with backend(both) as upstream, relaying(upstream.endpoint) as relay:
        with relay.bus.subscribe():
            await ask(relay.port, post(CHAT, {**STREAM, "stream": False}))
            running = asyncio.ensure_future(ask(relay.port, post(CHAT, STREAM)))
            await until(lambda: relay.requests.views()[0].tokens > 10)
            assert "secret" in repr(relay.requests.views())
            relay.capture(False)
            views = relay.requests.views()
            assert [(view.phase, view.prompt, view.text) for view in views] == [
                ("decoding", "", ""),
                ("finished", "", ""),
            ]
            await running
            await asyncio.sleep(0.2)
        with relay.bus.subscribe(since=0) as again:
            remembered = repr([event.json_data() for event in await again.next_batch()])
        relay.capture(True)
        assert relay.requests.views()[0].tokens == 44
        everything = remembered + repr(relay.requests.views())
        assert not re.search(r"secret|\bw\d", everything)


async def test_the_prompt_in_an_event_is_short_however_long_it_is() -> None:
    body = {"messages": [{"role": "user", "content": "x" * 5_000}]}
    async with backend(wordy_answer) as upstream, relaying(upstream.endpoint) as relay:
        with relay.bus.subscribe() as subscription:
            await ask(relay.port, post(CHAT, body))
            started = (await subscription.next_batch())[0].json_data()
        assert started["prompt"] == "x" * 500
        assert relay.requests.views()[0].prompt == "x" * 2_000


async def test_a_client_that_leaves_once_it_has_all_of_its_stream_was_answered() -> None:
    async def lingers(asked: Asked) -> None:
        await asked.send(STREAM_HEAD)
        await asked.event(delta("word"))
        await asked.event("[DONE]")
        await asyncio.sleep(30)  # ended by the relay, which closes the connection

    async with backend(lingers) as upstream, relaying(upstream.endpoint) as relay:
        async with connect(relay.port) as client:
            await client.send(post(CHAT, STREAM))
            await client.reader.readuntil(b"[DONE]\n\n")
        await until(lambda: relay.requests.views()[0].phase == "finished")
        view = relay.requests.views()[0]
        assert (view.outcome, view.status, view.error) == ("ok", 200, None)


async def test_the_model_that_a_client_names_cannot_write_on_a_screen_or_fill_it() -> None:
    body = {"messages": [{"role": "user", "content": "a"}]}
    async with backend(wordy_answer) as upstream, relaying(upstream.endpoint) as relay:
        assert (await ask(relay.port, post(CHAT, {**body, "model": "a\x1b[2Jb\n"}))).status == 404
        assert relay.requests.views()[0].asked == "a\ufffd[2Jb\ufffd"
        long = await ask(relay.port, post(CHAT, {**body, "model": "a" * 513}))
        assert (long.status, long.json()["error"]["param"]) == (400, "model")


async def test_only_the_last_requests_are_remembered() -> None:
    async with backend(wordy_answer) as upstream, relaying(upstream.endpoint) as relay:
        for number in range(205):
            await ask(relay.port, post(CHAT, {**STREAM, "stream": False}, f"x-request-id: r{number}"))
        views = relay.requests.views()
        assert [view.id for view in views] == [f"r{number}" for number in range(204, 4, -1)]
        assert relay.requests.totals().requests == 205


async def test_an_id_that_is_not_sane_or_already_known_is_replaced() -> None:
    async with backend(wordy_answer) as upstream, relaying(upstream.endpoint) as relay:
        ids = []
        for given in ("x-request-id: mine", "x-request-id: mine", "x-request-id: a b", "x-request-id: " + "a" * 200):
            seen = await ask(relay.port, post(CHAT, {**STREAM, "stream": False}, given))
            ids.append(seen.headers["x-request-id"])
        assert ids[0] == "mine"
        assert len(set(ids)) == 4
        assert all(relay.requests.view(id).outcome == "ok" for id in ids)


async def test_a_slots_speed_is_the_sum_of_what_decodes_and_else_the_last() -> None:
    async with backend(words) as upstream, relaying(upstream.endpoint) as relay:
        assert relay.requests.speed_of("primary") == (None, None)
        both = [asyncio.ensure_future(ask(relay.port, post(CHAT, STREAM))) for _ in range(2)]
        await until(
            lambda: all(view.tokens > 20 for view in relay.requests.views()) and len(relay.requests.views()) == 2
        )
        speed, ttft = relay.requests.speed_of("primary")
        each = [view.tokens_per_second for view in relay.requests.views()]
        assert speed is not None
        assert speed > max(value for value in each if value is not None)
        assert ttft is not None
        await asyncio.gather(*both)
        assert relay.requests.speed_of("primary")[0] == 50.5
