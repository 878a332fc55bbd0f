"""Speech over HTTP, whatever engine speaks: a request is read, and sound leaves sentence by sentence as it is made.

The head of an answer is sent with the first sound, so that what cannot be spoken is still an error with a status. A
text of one piece is sent whole, with its length. When the client leaves, the piece that is being computed is the last.
"""

import asyncio
import base64
import json
from collections.abc import AsyncGenerator, AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

from hal0.backends.ignored import ignored_header, without_effect
from hal0.backends.sentences import sentences
from hal0.backends.serving import Exchange, Refusal, Route
from hal0.backends.sound import FORMATS, RATE, SAMPLE_BYTES, Encoder, encoder, stretched

SPEECH = "/v1/audio/speech"
VOICES = "/v1/audio/voices"
SLOWEST, FASTEST = 0.25, 4.0
# What engines are asked for; what lies beyond is made by stretching, as voices break at the ends of the range.
ENGINE_SLOWEST, ENGINE_FASTEST = 0.5, 2.0
LONGEST_NAME = 500
HEEDED = {"model", "input", "voice", "lang", "speed", "response_format", "stream_format"}
EVENT_BYTES = 24 * 1024  # of sound in one event
EVENTS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice as one request wants it. `style` is the engine's own."""

    language: str
    style: Any


class Engine(Protocol):
    """What speaks."""

    pause_seconds: float  # of silence after a sentence, that it does not make itself

    def voices(self) -> list[str]:
        """The names of its voices."""
        ...

    def voice(self, name: str | None, *, language: str | None) -> Voice:
        """The voice of this name (None: its default), or a blend; raises Refusal."""
        ...

    def say(self, text: str, voice: Voice, *, speed: float) -> tuple[bytes, int]:
        """Samples (signed 16 bits, one channel) and their rate; none if the text has nothing to say. In any thread."""
        ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """One request, read and checked."""

    pieces: list[str]
    voice: Voice
    speed: float
    format: str
    as_events: bool
    ignored: tuple[str, ...]  # fields that have no effect


class Speech:
    """Answers the two routes. `parallel`: pieces computed at the same time."""

    def __init__(self, *, default_format: str, parallel: int) -> None:
        self.engine: Engine | None = None  # once it is loaded
        self._default_format = default_format
        self._workers = ThreadPoolExecutor(max_workers=parallel, thread_name_prefix="voice")

    def routes(self) -> dict[tuple[str, str], Route]:
        return {("POST", SPEECH): self._speak, ("GET", VOICES): self._voices}

    async def _voices(self, exchange: Exchange) -> None:
        await exchange.json(200, {"voices": [{"id": name, "name": name} for name in self._loaded().voices()]})

    async def _speak(self, exchange: Exchange) -> None:
        engine = self._loaded()
        # In a thread: a book may be sent, and others are served meanwhile.
        wanted = await asyncio.get_running_loop().run_in_executor(self._workers, self._read, exchange.body, engine)
        async with aclosing(self._sound(engine, wanted)) as pieces:
            await self._answer(exchange, wanted, pieces)

    async def _answer(self, exchange: Exchange, wanted: Wanted, pieces: AsyncIterator[bytes]) -> None:
        first = await anext(pieces, None)
        if first is None:
            raise Refusal("there is nothing in it that can be spoken", param="input")
        if wanted.as_events:
            await exchange.begin(200, EVENTS + ignored_header(wanted.ignored))
            await _as_events(exchange, first, pieces)
            return
        kind = [(b"content-type", FORMATS[wanted.format].content_type.encode()), *ignored_header(wanted.ignored)]
        if len(wanted.pieces) == 1:
            await exchange.whole(200, first + b"".join([piece async for piece in pieces]), kind)
            return
        await exchange.begin(200, kind)
        await exchange.part(first)
        async for piece in pieces:
            await exchange.part(piece)
        await exchange.end()

    def _loaded(self) -> Engine:
        assert self.engine is not None, "nobody is let in before"
        return self.engine

    def _read(self, raw: bytes, engine: Engine) -> Wanted:
        try:
            body = json.loads(raw)
        except (ValueError, RecursionError) as error:
            raise Refusal(f"the body is not JSON: {error}") from error
        if not isinstance(body, dict):
            raise Refusal("the body is not a JSON object")
        text, voice, language = body.get("input"), body.get("voice"), body.get("lang")
        speed, format = body.get("speed", 1.0), body.get("response_format") or self._default_format
        if not isinstance(text, str) or not text.strip():
            raise Refusal("it is empty, or not a text", param="input")
        if isinstance(voice, dict):
            voice = voice.get("id")
        if not isinstance(voice, str | None) or len(voice or "") > LONGEST_NAME:
            raise Refusal("it is not the name of a voice", param="voice")
        if not isinstance(language, str | None) or len(language or "") > LONGEST_NAME:
            raise Refusal("it is not the code of a language", param="lang")
        if speed is None:
            speed = 1.0
        if isinstance(speed, bool) or not isinstance(speed, int | float) or not SLOWEST <= speed <= FASTEST:
            raise Refusal(f"it is not a number from {SLOWEST:g} to {FASTEST:g}", param="speed")
        if format not in FORMATS:
            raise Refusal(f"it is none of {', '.join(FORMATS)}", param="response_format")
        if body.get("stream_format") not in (None, "audio", "sse"):
            raise Refusal("it is neither audio nor sse", param="stream_format")
        return Wanted(
            pieces=sentences(text),
            voice=engine.voice(voice or None, language=language or None),
            speed=float(speed),
            format=format,
            as_events=body.get("stream_format") == "sse",
            ignored=without_effect(body, heeded=HEEDED),
        )

    async def _sound(self, engine: Engine, wanted: Wanted) -> AsyncGenerator[bytes, None]:
        """Encoded sound of each piece in its turn, as far as there is any; then the encoder's last."""
        loop = asyncio.get_running_loop()
        made: Encoder | None = None
        for index, text in enumerate(wanted.pieces):
            samples = await loop.run_in_executor(self._workers, _say, engine, text, wanted)
            if not samples:
                continue
            if made is None:
                made = encoder(wanted.format, length_bytes=len(samples) if len(wanted.pieces) == 1 else None)
            if index + 1 < len(wanted.pieces):
                samples += bytes(int(engine.pause_seconds / wanted.speed * RATE) * SAMPLE_BYTES)
            if data := await loop.run_in_executor(self._workers, made.feed, samples):
                yield data
        if made is not None and (data := await loop.run_in_executor(self._workers, made.end)):
            yield data


def _say(engine: Engine, text: str, wanted: Wanted) -> bytes:
    near = min(max(wanted.speed, ENGINE_SLOWEST), ENGINE_FASTEST)
    samples, rate = engine.say(text, wanted.voice, speed=near)
    if not samples or (near == wanted.speed and rate == RATE):
        return samples
    return stretched(samples, wanted.speed / near, rate=rate)


async def _as_events(exchange: Exchange, first: bytes, rest: AsyncIterator[bytes]) -> None:
    """Events as OpenAI's API has them; nothing here is counted in tokens. A failure is the last event."""
    try:
        await exchange.part(_deltas(first))
        async for piece in rest:
            await exchange.part(_deltas(piece))
    except Exception as error:  # the stream has begun: whoever listens is told in it
        await exchange.end(_event({"error": {"message": f"{type(error).__name__}: {error}", "type": "server_error"}}))
        raise
    usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    await exchange.end(_event({"type": "speech.audio.done", "usage": usage}))


def _deltas(data: bytes) -> bytes:
    parts = (data[at : at + EVENT_BYTES] for at in range(0, len(data), EVENT_BYTES))
    return b"".join(_event({"type": "speech.audio.delta", "audio": base64.b64encode(part).decode()}) for part in parts)


def _event(value: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % json.dumps(value).encode()
