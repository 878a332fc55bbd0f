"""From a file to segments: decoded, cut at pauses, transcribed. One step of it at a time, in a thread."""

from collections.abc import Callable, Generator, Iterator
from typing import BinaryIO

import pocketsphinx

from hal0.backends.transcription.audio import samples
from hal0.backends.transcription.chunks import FRAME_SECONDS, Chunk, Chunks
from hal0.backends.transcription.engine import RATE, Engine, Segment


class Listening:
    """One file. `segments` gives what is said in it, in order; `seconds` is how long it is, as far as it was heard."""

    def __init__(self, engine: Engine, *, context: str, is_wanted: Callable[[], bool]) -> None:
        self._engine = engine
        self._context = context
        self._is_wanted = is_wanted
        # WebRTC's judge of speech, which comes with PocketSphinx; `LOOSE` takes what may be speech for speech.
        vad = pocketsphinx.Vad(pocketsphinx.Vad.LOOSE, RATE, FRAME_SECONDS)
        self._chunks = Chunks(vad.is_speech)

    @property
    def seconds(self) -> float:
        return self._chunks.seconds

    def segments(self, file: BinaryIO, *, name: str) -> Generator[Segment]:
        """Raises `dispatch.unsupported_audio` or `dispatch.audio_empty`; ends early once nobody wants it any more."""
        for piece in samples(file, name=name):
            if not self._is_wanted():
                return
            for chunk in self._chunks.feed(piece):
                yield from self._heard(chunk)
        for chunk in self._chunks.end():
            yield from self._heard(chunk)

    def _heard(self, chunk: Chunk) -> Iterator[Segment]:
        found = self._engine.transcribe(chunk.pcm, context=self._context, is_wanted=self._is_wanted)
        yield from (segment.later(chunk.start) for segment in found)
