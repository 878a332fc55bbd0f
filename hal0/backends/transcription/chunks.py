"""Sound cut at its pauses into chunks that an engine can take at once, with nothing of the silence between. No I/O.

Where nobody pauses for LONGEST_SECONDS the cut is made at the quietest moment of the last few.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hal0.backends.transcription.engine import RATE, SAMPLE_BYTES

FRAME_SECONDS = 0.03
FRAME_BYTES = int(RATE * FRAME_SECONDS) * SAMPLE_BYTES
LEAD_FRAMES = 10  # kept before speech, as its first sounds are soft
BEGIN_FRAMES = 5  # of these: so many of speech begin a chunk
PAUSE_FRAMES = 16  # without speech end it
TAIL_FRAMES = 8  # of them belong to it
LONGEST_SECONDS = 30.0
SEARCH_SECONDS = 5.0  # at the end of a chunk that is too long, where to cut it


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some seconds of speech; `start` in seconds from the beginning of the sound."""

    start: float
    pcm: bytes


class Chunks:
    """Cuts one recording; `is_speech` judges frames of FRAME_BYTES."""

    def __init__(self, is_speech: Callable[[bytes], bool]) -> None:
        self._is_speech = is_speech
        self._rest = bytearray()
        self._index = 0  # of the next frame
        self._lead: deque[tuple[bytes, bool]] = deque(maxlen=LEAD_FRAMES)
        self._frames: list[bytes] = []  # of the chunk that is under way
        self._quiet = 0  # how many of its last frames are not speech
        self.seconds = 0.0  # of sound so far

    def feed(self, pcm: bytes) -> Iterator[Chunk]:
        self._rest += pcm
        self.seconds += len(pcm) / (RATE * SAMPLE_BYTES)
        at = 0
        while at + FRAME_BYTES <= len(self._rest):
            yield from self._frame(bytes(self._rest[at : at + FRAME_BYTES]))
            at += FRAME_BYTES
        del self._rest[:at]

    def end(self) -> Iterator[Chunk]:
        """What is left at the end of the recording; also a word too short to begin a chunk by itself."""
        if self._rest:
            yield from self._frame(bytes(self._rest).ljust(FRAME_BYTES, b"\0"))
            self._rest.clear()
        if not self._frames and sum(speech for _, speech in self._lead) >= BEGIN_FRAMES // 2:
            self._begin()
        if self._frames:
            yield self._ended(max(0, self._quiet - TAIL_FRAMES))

    def _frame(self, frame: bytes) -> Iterator[Chunk]:
        speech = self._is_speech(frame)
        self._index += 1
        if not self._frames:
            self._lead.append((frame, speech))
            if sum(each for _, each in self._lead) >= BEGIN_FRAMES:
                self._begin()
            return
        self._frames.append(frame)
        self._quiet = 0 if speech else self._quiet + 1
        if self._quiet >= PAUSE_FRAMES:
            surplus = PAUSE_FRAMES - TAIL_FRAMES
            lead = self._frames[-surplus:]
            yield self._ended(surplus)
            self._lead.extend((each, False) for each in lead)
        elif len(self._frames) * FRAME_SECONDS >= LONGEST_SECONDS:
            yield self._cut()

    def _begin(self) -> None:
        self._frames = [frame for frame, _ in self._lead]
        self._quiet = 0
        self._lead.clear()

    def _ended(self, surplus: int) -> Chunk:
        """The chunk under way without its last `surplus` frames."""
        start = self._index - len(self._frames)
        frames, self._frames = self._frames[: len(self._frames) - surplus], []
        return Chunk(start * FRAME_SECONDS, b"".join(frames))

    def _cut(self) -> Chunk:
        start = self._index - len(self._frames)
        first = len(self._frames) - int(SEARCH_SECONDS / FRAME_SECONDS)
        at = min(range(first, len(self._frames)), key=lambda index: _loudness(self._frames[index]))
        frames, self._frames = self._frames[:at], self._frames[at:]
        return Chunk(start * FRAME_SECONDS, b"".join(frames))


def _loudness(frame: bytes) -> int:
    return sum(map(abs, memoryview(frame).cast("h")))
