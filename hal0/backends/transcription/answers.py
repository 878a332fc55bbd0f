"""Transcripts over HTTP, whatever engine listens: a form is read piece by piece, and answered in the shape it wants.

An answer that is ready soon is sent whole, so that a failure is told as one. A longer one is begun after HELD_SECONDS
and goes on as it is made: nobody on the way takes the silence for a hang, and nothing of it is held. When the client
leaves, the engine stops at its next step.
"""

import asyncio
import json
import os
import tempfile
import traceback
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hal0.backends.ignored import ignored_header
from hal0.backends.serving import Exchange, Headers, Refusal, Route
from hal0.backends.transcription.asked import Asked, read_asked
from hal0.backends.transcription.engine import Engine
from hal0.backends.transcription.formats import EVENTS, make_writer
from hal0.backends.transcription.listening import Listening
from hal0.errors import Hal0Error
from hal0.forms import Form, read_form

TRANSCRIPTIONS = "/v1/audio/transcriptions"
HELD_SECONDS = 20.0
ON_DISK = Path("/var/tmp")


class Transcripts:
    """Answers the route. The engine has one thread, and does one step of a request at a time."""

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="engine")
        self._folder = _uploads()

    def routes(self) -> dict[tuple[str, str], Route]:
        return {("POST", TRANSCRIPTIONS): self.answer}

    async def read(self, exchange: Exchange, parts: AsyncIterator[bytes]) -> None:
        """The form of a request; raises `dispatch.*` or `system.*`."""
        media = exchange.headers.get(b"content-type", b"").decode("latin-1")
        exchange.form = await read_form(media, parts, folder=self._folder)

    async def answer(self, exchange: Exchange) -> None:
        form, engine = exchange.form, self.engine
        assert form is not None
        assert engine is not None
        try:
            asked = read_asked(form, engine)
        except Hal0Error:
            await form.release()
            raise
        await _Transcript(self._thread, engine, form, asked, exchange).see_through()


class _Transcript:
    """One answer on its way."""

    def __init__(
        self, thread: ThreadPoolExecutor, engine: Engine, form: Form, asked: Asked, exchange: Exchange
    ) -> None:
        self._thread = thread
        self._form = form
        self._asked = asked
        self._exchange = exchange
        self._writer = make_writer(asked)
        self._listening = Listening(engine, context=asked.context, is_wanted=lambda: self._is_wanted)
        self._is_wanted = True
        self._held: list[str] = []
        self._begins_at = asyncio.get_running_loop().time() + (0.0 if asked.stream else HELD_SECONDS)

    async def see_through(self) -> None:
        """Answer; raises what went wrong as long as nothing was sent."""
        try:
            await self._say(self._writer.begin())
            async for text in self._texts():
                await self._say(text)
            await self._end(self._writer.end(self._listening.seconds))
        except Hal0Error as error:
            await self._fail(error, error.body())
        except Exception as error:  # of the engine: the request fails, and the log has the rest
            traceback.print_exc()
            refusal = Refusal(f"the engine failed: {error}", status=500)
            await self._fail(refusal, json.dumps(refusal.body()).encode())

    async def _texts(self) -> AsyncIterator[str]:
        loop, upload = asyncio.get_running_loop(), self._form.upload
        assert upload is not None
        segments = self._listening.segments(upload.content.file(), name=upload.name or "the file")
        try:
            while (segment := await loop.run_in_executor(self._thread, next, segments, None)) is not None:
                yield self._writer.segment(segment)
        finally:
            self._is_wanted = False
            # After the step that may be under way: the thread takes one thing at a time.
            self._thread.submit(segments.close)
            self._thread.submit(self._form.close)

    async def _say(self, text: str) -> None:
        self._held.append(text)
        # The first text that is not empty means that the file could be read: what begins then is a transcript.
        if asyncio.get_running_loop().time() < self._begins_at or not any(self._held):
            return
        if not self._exchange.has_begun:
            await self._exchange.begin(200, self._headers())
        await self._exchange.part(self._take())

    async def _end(self, text: str) -> None:
        self._held.append(text)
        data = self._take()
        if self._exchange.has_begun:
            await self._exchange.end(data)
        else:
            await self._exchange.whole(200, data, self._headers())

    async def _fail(self, error: Exception, body: bytes) -> None:
        if not self._exchange.has_begun or self._writer.media_type != EVENTS:
            raise error  # before the head, an answer of its own; after it, an answer that does not end is not whole
        await self._exchange.end(b"data: %b\n\n" % body)

    def _take(self) -> bytes:
        data = "".join(self._held).encode()
        self._held.clear()
        return data

    def _headers(self) -> Headers:
        kind = [(b"content-type", self._writer.media_type.encode())]
        return kind + ignored_header(self._asked.ignored)


def _uploads() -> Path:
    """A folder for what requests send. /tmp is often memory."""
    if given := os.environ.get("TMPDIR"):
        return Path(given)
    return ON_DISK if ON_DISK.is_dir() else Path(tempfile.gettempdir())
