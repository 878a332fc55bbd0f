"""A transcript in the shapes of OpenAI's API, written piece by piece as segments come. No I/O.

Each writer gives the text before the first segment, of each, and after the last, so that a long answer need not be
held: JSON is written in pieces too.
"""

import json
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from hal0.backends.transcription.asked import Asked
from hal0.backends.transcription.engine import NO_SPACES, Segment

PLAIN, JSON, EVENTS = "text/plain; charset=utf-8", "application/json", "text/event-stream"
SEEKS_A_SECOND = 100  # `seek` counts frames of 10 ms
NAMES: Mapping[str, str] = {
    "ar": "arabic", "de": "german", "en": "english", "es": "spanish", "ja": "japanese", "ko": "korean",
    "tl": "tagalog", "uk": "ukrainian", "vi": "vietnamese", "zh": "chinese",
}  # fmt: skip


class Writer(Protocol):
    """Writes one transcript."""

    @property
    def media_type(self) -> str: ...
    def begin(self) -> str: ...
    def segment(self, segment: Segment) -> str: ...
    def end(self, seconds: float) -> str:
        """`seconds`: how long the sound is."""
        ...


def make_writer(asked: Asked) -> Writer:
    if asked.stream:
        return Stream(asked)
    return WRITERS[asked.format](asked)


@dataclass
class _Joined:
    """Segments as one text."""

    media_type: ClassVar[str] = PLAIN
    asked: Asked
    _texts: list[str] = field(default_factory=list)

    def join(self, segment: Segment) -> str:
        """The segment's text with what parts it from the one before."""
        between = "" if not self._texts or self.asked.language in NO_SPACES else " "
        self._texts.append(between + segment.text)
        return self._texts[-1]

    @property
    def text(self) -> str:
        return "".join(self._texts)


class Text(_Joined):
    def begin(self) -> str:
        return ""

    def segment(self, segment: Segment) -> str:
        return self.join(segment)

    def end(self, seconds: float) -> str:
        return "\n"


class Json(_Joined):
    media_type = JSON

    def begin(self) -> str:
        return '{"text":"'

    def segment(self, segment: Segment) -> str:
        return json.dumps(self.join(segment))[1:-1]

    def end(self, seconds: float) -> str:
        return f'","usage":{json.dumps(_usage(seconds))}}}'


class Verbose(_Joined):
    media_type = JSON

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked)
        self._count = 0
        self._words: list[dict[str, Any]] = []

    def begin(self) -> str:
        language = NAMES.get(self.asked.language, self.asked.language)
        begun = f'{{"task":"transcribe","language":{json.dumps(language)}'
        return begun + ',"segments":[' if self.asked.segments else begun

    def segment(self, segment: Segment) -> str:
        self.join(segment)
        if self.asked.words:
            self._words += [
                {"word": word.text, "start": round(word.start, 2), "end": round(word.end, 2)} for word in segment.words
            ]
        if not self.asked.segments:
            return ""
        self._count += 1
        return ("," if self._count > 1 else "") + json.dumps(_segment(self._count - 1, segment))

    def end(self, seconds: float) -> str:
        rest: dict[str, Any] = {"words": self._words} if self.asked.words else {}
        rest |= {"text": self.text, "duration": round(seconds, 2), "usage": _usage(seconds)}
        return ("]," if self.asked.segments else ",") + json.dumps(rest)[1:]


class Srt:
    media_type = PLAIN

    def __init__(self, asked: Asked) -> None:
        self._count = 0

    def begin(self) -> str:
        return ""

    def segment(self, segment: Segment) -> str:
        self._count += 1
        times = f"{_clock(segment.start, ',')} --> {_clock(segment.end, ',')}"
        return f"{self._count}\n{times}\n{_line(segment.text)}\n\n"

    def end(self, seconds: float) -> str:
        return ""


class Vtt:
    media_type = "text/vtt; charset=utf-8"

    def __init__(self, asked: Asked) -> None:
        pass

    def begin(self) -> str:
        return "WEBVTT\n\n"

    def segment(self, segment: Segment) -> str:
        text = _line(segment.text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return f"{_clock(segment.start, '.')} --> {_clock(segment.end, '.')}\n{text}\n\n"

    def end(self, seconds: float) -> str:
        return ""


class Stream(_Joined):
    """Server-sent events: a delta for each segment, then the whole."""

    media_type = EVENTS

    def begin(self) -> str:
        return ""

    def segment(self, segment: Segment) -> str:
        return _event(type="transcript.text.delta", delta=self.join(segment))

    def end(self, seconds: float) -> str:
        # Without `usage`: in this event OpenAI has only that of tokens, which nobody counts here.
        return _event(type="transcript.text.done", text=self.text)


WRITERS: Mapping[str, Callable[[Asked], Writer]] = {
    "json": Json,
    "text": Text,
    "verbose_json": Verbose,
    "srt": Srt,
    "vtt": Vtt,
}


def _event(**fields: Any) -> str:
    return f"data: {json.dumps(fields)}\n\n"


def _segment(number: int, segment: Segment) -> dict[str, Any]:
    """As whisper has it. What these engines do not know of is 0: `no_speech_prob`, and the log probability of some."""
    raw = segment.text.encode()
    return {
        "id": number,
        "seek": int(segment.start * SEEKS_A_SECOND),
        "start": round(segment.start, 2),
        "end": round(segment.end, 2),
        "text": segment.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": round(segment.log_probability or 0.0, 4),
        "compression_ratio": round(len(raw) / len(zlib.compress(raw)), 4),
        "no_speech_prob": 0.0,
    }


def _usage(seconds: float) -> dict[str, Any]:
    return {"type": "duration", "seconds": round(seconds, 2)}


def _clock(seconds: float, mark: str) -> str:
    whole = round(seconds * 1000)
    return f"{whole // 3_600_000:02}:{whole // 60_000 % 60:02}:{whole // 1000 % 60:02}{mark}{whole % 1000:03}"


def _line(text: str) -> str:
    """One line: an empty one would end the cue."""
    return " ".join(text.split())
