"""Speech over HTTP with an engine that is told when to speak: what leaves when, and what ends it."""

import asyncio
import base64
import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import pytest

from hal0.backends.serving import App, Exchange, serving_on
from hal0.backends.sound import RATE
from hal0.backends.speech import Speech, Voice
from tests.fakes.programs import free_port
from tests.fakes.sounds import decoded, of_pcm, tone

KEY = "secret"
SPEECH = "/v1/audio/speech"


class ToldEngine:
    """Speaks half a second for each text, but waits for `go` where the text says wait."""

    pause_seconds = 0.0

    def __init__(self) -> None:
        self.said: list[str] = []
        self.speeds: list[float] = []
        self.left = asyncio.Event()  # the client of a request did, and it was noticed
        self.waits = threading.Event()
        self.go = threading.Event()

    def voices(self) -> list[str]:
        return ["one", "two"]

    def voice(self, name: str | None, *, language: str | None) -> Voice:
        return Voice(language or "en-us", name)

    def say(self, text: str, voice: Voice, *, speed: float) -> tuple[bytes, int]:
        self.said.append(text)
        self.speeds.append(speed)
        if "wait" in text:
            self.waits.set()
            assert self.go.wait(30)
        if "fail" in text:
            raise OSError("the device is gone")
        return (b"", 0) if "nothing" in text else (tone(0.5 / speed), RATE)


@asynccontextmanager
async def speaking(
    *, default_format: str = "pcm", loaded: bool = True
) -> AsyncIterator[tuple[ToldEngine, httpx.AsyncClient]]:
    engine = ToldEngine()
    speech = Speech(default_format=default_format, parallel=2)
    speech.engine = engine if loaded else None

    async def watched(exchange: Exchange) -> None:
        try:
            await speech.routes()["POST", SPEECH](exchange)
        except asyncio.CancelledError:
            engine.left.set()
            raise

    routes = {**speech.routes(), ("POST", SPEECH): watched}
    app = App(routes, key=KEY, is_ready=lambda: speech.engine is not None, body_limit_bytes=100_000)
    port = free_port()
    server = asyncio.ensure_future(serving_on(app, port))
    url, headers = f"http://127.0.0.1:{port}", {"authorization": f"Bearer {KEY}"}
    try:
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
            async with asyncio.timeout(30):
                while True:
                    with suppress(httpx.ConnectError):
                        await client.get("/health")
                        break
                    await asyncio.sleep(0.01)
            yield engine, client
    finally:
        engine.go.set()
        server.cancel()
        with suppress(asyncio.CancelledError):
            await server


async def until(claim: Any) -> None:
    async with asyncio.timeout(30):
        while not claim():
            await asyncio.sleep(0.01)


async def test_the_first_sentence_leaves_before_the_second_is_computed() -> None:
    for format in ("pcm", "wav", "mp3", "flac"):
        async with speaking() as (engine, client):
            body = {"input": "First. Then wait. Last.", "response_format": format}
            async with client.stream("POST", SPEECH, json=body) as answer:
                parts = answer.aiter_bytes()
                assert await anext(parts)
                await until(engine.waits.is_set)
                assert engine.said == ["First.", "Then wait."]
                engine.go.set()
                rest = b"".join([part async for part in parts])
            assert rest
            assert engine.said[-1] == "Last."


async def test_a_client_that_leaves_ends_the_computing_with_the_sentence_under_way() -> None:
    async with speaking() as (engine, client):
        body = {"input": "First. Then wait. " + "Never. " * 50}
        async with client.stream("POST", SPEECH, json=body) as answer:
            parts = answer.aiter_bytes()  # held: with the iterator the connection would go
            await anext(parts)
            await until(engine.waits.is_set)
        async with asyncio.timeout(30):
            await engine.left.wait()
        engine.go.set()
        assert (await client.post(SPEECH, json={"input": "Another."})).status_code == 200
        assert engine.said == ["First.", "Then wait.", "Another."]


async def test_a_client_that_leaves_before_the_first_sound_ends_it_too() -> None:
    async with speaking() as (engine, client):
        with pytest.raises(httpx.ReadTimeout):
            await client.post(SPEECH, json={"input": "Please wait. Never."}, timeout=0.5)
        async with asyncio.timeout(30):
            await engine.left.wait()
        engine.go.set()
        assert (await client.post(SPEECH, json={"input": "Another."})).status_code == 200
        assert engine.said == ["Please wait.", "Another."]


async def test_one_sentence_comes_whole_with_its_length() -> None:
    async with speaking() as (_, client):
        answer = await client.post(SPEECH, json={"input": "Just one.", "response_format": "wav"})
        assert answer.headers["content-type"] == "audio/wav"
        assert int(answer.headers["content-length"]) == len(answer.content) == 44 + RATE
        assert int.from_bytes(answer.content[40:44], "little") == RATE


@pytest.mark.parametrize("more", [{}, {"input": "One. Two."}, {"stream_format": "sse"}])
async def test_a_field_without_effect_is_named(more: dict[str, Any]) -> None:
    async with speaking() as (_, client):
        body = {"model": "m", "input": "One.", "voice": "one", "speed": 1, "response_format": "pcm", **more}
        assert "x-hal0-ignored" not in (await client.post(SPEECH, json={**body, "instructions": None})).headers
        answer = await client.post(SPEECH, json={**body, "instructions": "softly", "mood": 1})
        assert answer.headers["x-hal0-ignored"] == "instructions, mood"


async def test_events_carry_the_sound_and_end_with_done() -> None:
    async with speaking() as (_, client):
        body = {"input": "One. Two.", "response_format": "mp3", "stream_format": "sse"}
        answer = await client.post(SPEECH, json=body)
        assert answer.headers["content-type"] == "text/event-stream"
        events = [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n") if line]
        *deltas, done = events
        assert {event["type"] for event in deltas} == {"speech.audio.delta"}
        assert done == {
            "type": "speech.audio.done",
            "usage": {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0},
        }
        sound = b"".join(base64.b64decode(event["audio"]) for event in deltas)
        assert decoded(sound)[0] == "mp3"
        assert decoded(sound)[2] == pytest.approx(1.0, abs=0.1)


async def test_a_failure_in_the_middle_is_no_end() -> None:
    async with speaking() as (_, client):
        with pytest.raises(httpx.RemoteProtocolError):
            await client.post(SPEECH, json={"input": "One. Then fail. Three."})
        answer = await client.post(SPEECH, json={"input": "One. Then fail.", "stream_format": "sse"})
        last = json.loads(answer.text.strip().rpartition("data: ")[2])
        assert last["error"]["message"] == "OSError: the device is gone"
        assert "speech.audio.done" not in answer.text


async def test_a_failure_before_the_first_sound_is_an_error_with_a_status() -> None:
    async with speaking() as (_, client):
        answer = await client.post(SPEECH, json={"input": "Fail: fail."})
        assert (answer.status_code, answer.json()["error"]["message"]) == (500, "OSError: the device is gone")


async def test_what_has_nothing_to_say_is_refused_and_between_sentences_it_is_left_out() -> None:
    async with speaking() as (_, client):
        answer = await client.post(SPEECH, json={"input": "nothing. nothing."})
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, "input")
        answer = await client.post(SPEECH, json={"input": "nothing. One. nothing. Two."})
        assert of_pcm(answer.content)[0] == 1.0


@pytest.mark.parametrize(("speed", "asked"), [(0.25, 0.5), (0.8, 0.8), (1, 1.0), (2, 2.0), (4, 2.0), (None, 1.0)])
async def test_any_speed_is_kept_and_the_engine_asked_for_what_it_can_do(speed: float | None, asked: float) -> None:
    async with speaking() as (engine, client):
        answer = await client.post(SPEECH, json={"input": "One.", "speed": speed})
        assert engine.speeds == [asked]
        seconds, pitch = of_pcm(answer.content)
        assert seconds == pytest.approx(0.5 / (speed or 1), rel=0.1, abs=0.03)
        assert pitch == pytest.approx(440, abs=12)


WRONG: dict[str, tuple[Any, str | None]] = {
    "no object": ([], None),
    "no input": ({}, "input"),
    "white space": ({"input": " \n"}, "input"),
    "voice": ({"input": "a", "voice": 3}, "voice"),
    "long voice": ({"input": "a", "voice": "a" * 501}, "voice"),
    "voice without id": ({"input": "a", "voice": {"id": 3}}, "voice"),
    "lang": ({"input": "a", "lang": 3}, "lang"),
    "too fast": ({"input": "a", "speed": 4.1}, "speed"),
    "too slow": ({"input": "a", "speed": 0.2}, "speed"),
    "speed true": ({"input": "a", "speed": True}, "speed"),
    "format": ({"input": "a", "response_format": "midi"}, "response_format"),
    "stream format": ({"input": "a", "stream_format": "smoke"}, "stream_format"),
}


async def test_wrong_requests_are_refused_by_their_field() -> None:
    async with speaking() as (engine, client):
        for name, (body, param) in WRONG.items():
            answer = await client.post(SPEECH, json=body)
            assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), name
        assert (await client.post(SPEECH, content=b"{")).status_code == 400
        assert (await client.post(SPEECH, json={"input": "a" * 100_000})).status_code == 413
        assert not engine.said


async def test_only_those_with_the_key_are_let_in_and_no_page_of_any_origin() -> None:
    async with speaking() as (engine, client):
        for key in ("", "Bearer other", "Bearer"):
            answer = await client.post(
                SPEECH, json={"input": "a"}, headers={"authorization": key, "origin": "https://evil.example"}
            )
            assert answer.status_code == 401
            assert not [name for name in answer.headers if name.startswith("access-control")]
        assert (await client.get("/v1/audio/nothing")).status_code == 404
        assert (await client.get(SPEECH)).status_code == 404
        assert (await client.get("/v1/audio/voices")).json()["voices"][0] == {"id": "one", "name": "one"}
        assert not engine.said


async def test_until_the_model_is_loaded_everything_answers_503() -> None:
    async with speaking(loaded=False) as (_, client):
        assert (await client.get("/health")).status_code == 503
        assert (await client.post(SPEECH, json={"input": "a"})).status_code == 503
