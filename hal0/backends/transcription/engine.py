"""What an engine for transcriptions is. Values and a protocol; no I/O."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

RATE = 16_000  # samples a second
SAMPLE_BYTES = 2
NO_SPACES = frozenset({"ja", "zh"})  # languages that are written without any


@dataclass(frozen=True, slots=True)
class Word:
    """One word; seconds from the beginning of what it was found in."""

    text: str
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Segment:
    """What was said without a pause; seconds from the beginning of what it was found in."""

    text: str
    start: float
    end: float
    words: tuple[Word, ...] = ()
    log_probability: float | None = None  # the mean of its words', natural; None: the engine does not tell

    def later(self, seconds: float) -> "Segment":
        """The same, found in something that begins so much later."""
        words = tuple(Word(word.text, word.start + seconds, word.end + seconds) for word in self.words)
        return Segment(self.text, self.start + seconds, self.end + seconds, words, self.log_probability)


class Engine(Protocol):
    """Makes text of sound. Once it is loaded, one thread uses it."""

    @property
    def name(self) -> str:
        """Which program and release it is, for people."""
        ...

    @property
    def language(self) -> str:
        """The one it understands, as ISO 639-1 has it; empty if that is not known."""
        ...

    @property
    def has_words(self) -> bool:
        """Whether it tells when each word was said."""
        ...

    @property
    def takes_context(self) -> bool:
        """Whether a text on what is talked of makes a difference."""
        ...

    def transcribe(self, pcm: bytes, *, context: str, is_wanted: Callable[[], bool]) -> Sequence[Segment]:
        """The text of mono 16-bit samples; may stop, with any result, once it is not wanted any more."""
        ...
