"""The observer of a token stream: counts, and keeps the last of it for people. No I/O, no waiting, no JSON on the way.

The relay shows it every byte that goes to the client. What it counts it finds by scanning bytes; text is decoded later,
by `decode`, off the path of the stream.
"""

import json
import math
import re
from collections import deque
from dataclasses import dataclass

from hal0.daemon.proxy.meter import Histogram
from hal0.voices import Hearing, Said, Voice

RAW_BYTES = 64 * 2**10  # not yet decoded; the oldest goes first
TEXT_CHARACTERS = 64 * 2**10
HELD_BYTES = 64 * 2**10  # of an event that has not come to its end

# The first event of a chat tells the role, the last ones the reason of the end and the usage.
NO_TOKEN = (b'"content":null', b'"delta":{}', b'"choices":[]')
# The last event of a transcript repeats the whole of it. It is written so that `re` skips to the quotes.
TEXT = re.compile(
    rb'"(?:transcript\.text\.done"[^\n]*|'
    rb'(content|text|arguments|reasoning_content|delta)"\s*:\s*("[^"\\]*(?:\\.[^"\\]*)*"))'
)
# What the last event of a stream has in it.
ENDS = (b"[DONE]", b'"speech.audio.done"', b'"transcript.text.done"')
REASONING = (b"reasoning_content", b"thinking")
ARGUMENTS = (b"arguments", b"partial_json")
CALLS = b'"tool_calls"'
NUMBER = re.compile(rb"\s*:\s*([0-9.eE+-]+)")


class Events:
    """Cuts a stream of server-sent events at their ends, so that a failure never follows half an event."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def whole(self, data: bytes) -> bytes:
        """The events that are whole by now; the start of another is held back until the rest of it comes."""
        if self._held:
            data = self._held + data
            self._held = b""
        if data.endswith((b"\n\n", b"\r\n\r\n")):
            return data
        end = max(data.rfind(b"\n\n") + 2, data.rfind(b"\r\n\r\n") + 4)
        if end < 4 and not data.startswith(b"\n\n"):
            end = 0
        if len(data) - end > HELD_BYTES:
            return data
        self._held = data[end:]
        return data[:end]

    def rest(self) -> bytes:
        """What was held back, at the end of a stream that came to its end."""
        held, self._held = self._held, b""
        return held


@dataclass(frozen=True, slots=True)
class Usage:
    """What the backend itself says at the end."""

    tokens: int | None
    prompt_tokens: int | None
    tokens_per_second: float | None = None
    prefill_ms: float | None = None  # in which it has read the prompt
    cached: int = 0  # of the prompt's, from a cache
    cache_written: int = 0  # of the prompt's, put into a cache
    dollars: float | None = None  # what OpenRouter says it took for it


class Tap:
    """Looks at one answer."""

    __slots__ = (
        "_before_last",
        "_hearing",
        "_keeps_text",
        "_last",
        "_last_at",
        "_raw",
        "_start",
        "first_at",
        "fresh_bytes",
        "gaps",
        "is_sound",
        "text",
        "tokens",
        "voices",
        "words",
    )

    def __init__(self, *, keeps_text: bool) -> None:
        self.tokens = 0  # events with a delta so far
        self.first_at: float | None = None  # when the first of them came
        self.is_sound = False  # set if the answer is no text: then it is only noted when it began
        self.gaps: Histogram | None = None  # where the seconds between tokens are counted
        self.words = TEXT  # where text stands in what comes
        self.text = ""  # the last of the answer that was decoded, reasoning and calls of tools included
        self.voices: list[tuple[Voice, int]] = []  # in which voice so many characters of it are
        self._hearing = Hearing()
        self._keeps_text = keeps_text
        self._last_at = 0.0
        self._raw: deque[bytes] = deque()
        self.fresh_bytes = 0  # not yet decoded
        self._start = b""
        self._before_last = self._last = b""

    def look(self, data: bytes, now: float) -> bool:
        """Take note of whole events, or of a part of another body.

        Tells whether the first token was among them; of sound, whether it is the first of it.
        """
        if self.is_sound:
            self._before_last, self._last = self._last, data
            begins = self.first_at is None
            self.first_at = now if begins else self.first_at
            return begins
        new = data.count(b"data: {")
        for mark in NO_TOKEN:
            new -= data.count(mark)
        return self._count(new, data, now)

    def _count(self, new: int, data: bytes, now: float) -> bool:
        self.tokens += new
        self._keep(data)
        if self.first_at is None:
            if self.tokens <= 0:
                return False
            self.first_at = self._last_at = now
            return True
        if new > 0:
            if self.gaps is not None:
                self.gaps.observe((now - self._last_at) / new, new)
            self._last_at = now
        return False

    def keep(self, data: bytes) -> None:
        """Take note of a body that is not a stream."""
        if self.is_sound:
            return
        if not self._start:
            self._start = data[:4096]
        self._keep(data)

    def _keep(self, data: bytes) -> None:
        self._before_last, self._last = self._last, data
        self.fresh_bytes += len(data)
        if not self._keeps_text:
            return
        raw = self._raw
        raw.append(data)
        while self.fresh_bytes > RAW_BYTES and len(raw) > 1:
            self.fresh_bytes -= len(raw.popleft())

    def usage(self) -> Usage:
        """The backend's own figures; llama.cpp gives them in the last event before the end mark."""
        last = self._start + (self._before_last + self._last)[-RAW_BYTES:]
        return Usage(
            _count(last, b'"completion_tokens"'),
            _count(last, b'"prompt_tokens"'),
            tokens_per_second=number_of(last, b'"predicted_per_second"'),
            prefill_ms=number_of(last, b'"prompt_ms"'),
            cached=_count(last, b'"cached_tokens"') or 0,
            cache_written=_count(last, b'"cache_write_tokens"') or 0,
            dollars=number_of(last, b'"cost"'),
        )

    def end(self) -> None:
        """Nothing more comes, and `usage` was asked: drop what was kept for it. Text may still be decoded."""
        self._start = self._before_last = self._last = b""

    def forget(self) -> None:
        """Drop the text, and keep none from now on."""
        self._keeps_text = False
        self._raw.clear()
        self.text = ""
        self.voices.clear()

    @property
    def has_all(self) -> bool:
        """Whether the last of what came is the end of a stream."""
        last = (self._before_last + self._last)[-4096:]
        return any(end in last for end in ENDS)

    def decode(self) -> list[Said]:
        """Decode what came since the last time, and tell it."""
        raw = b"".join(self._raw)[-RAW_BYTES:]
        self._raw.clear()
        self.fresh_bytes = 0
        if not self._keeps_text:
            return []
        said: list[Said] = []
        if CALLS in raw:
            for line in raw.splitlines():
                said += self._calls(line) if CALLS in line else self._words(line)
        else:
            said = self._words(raw)
        self._remember(said)
        return said

    def _words(self, raw: bytes) -> list[Said]:
        """Pieces by the keys they stand behind, neighbours in one voice joined."""
        joined: list[tuple[Voice, list[str]]] = []
        for name, literal in self.words.findall(raw):
            if not literal:
                continue
            voice: Voice = "reasoning" if name in REASONING else "arguments" if name in ARGUMENTS else "text"
            if not joined or joined[-1][0] != voice:
                joined.append((voice, []))
            joined[-1][1].append(_unquote(literal))
        return [(voice, "".join(pieces)) for voice, pieces in joined]

    def _calls(self, line: bytes) -> list[Said]:
        """A chunk, or a whole answer, in which tools are called: few are, so these are read as JSON."""
        try:
            said: list[Said] = []
            for choice in json.loads(line[max(line.find(b"{"), 0) :])["choices"]:
                said += self._hearing.said(choice.get("delta") or choice.get("message") or {})
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError):  # cut off, or of another shape
            return self._words(line)
        return [(voice, text.encode("utf-8", "replace").decode("utf-8")) for voice, text in said]

    def _remember(self, said: list[Said]) -> None:
        for voice, text in said:
            if self.voices and self.voices[-1][0] == voice:
                self.voices[-1] = (voice, self.voices[-1][1] + len(text))
            elif text:
                self.voices.append((voice, len(text)))
        text = self.text + "".join(text for _, text in said)
        self.text = text[-TEXT_CHARACTERS:]
        lost = len(text) - len(self.text)
        while lost > 0:
            voice, count = self.voices.pop(0)
            if count > lost:
                self.voices.insert(0, (voice, count - lost))
            lost -= count


def _unquote(literal: bytes) -> str:
    if b"\\" not in literal:
        return literal[1:-1].decode("utf-8", "replace")
    try:
        text: str = json.loads(literal)
    except ValueError:
        return ""
    return text.encode("utf-8", "replace").decode("utf-8")


def _count(data: bytes, key: bytes) -> int | None:
    number = number_of(data, key)
    return None if number is None else int(number)


def number_of(data: bytes, key: bytes) -> float | None:
    """The value of the last such key; in a JSON string its quotes would be escaped."""
    at = data.rfind(key)
    found = NUMBER.match(data, at + len(key)) if at >= 0 else None
    try:
        number = float(found[1]) if found else None
    except ValueError:
        return None
    return number if number is None or math.isfinite(number) else None
