"""The tap of an answer in another API than chat completions, passed from a remote as it comes. No I/O here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hal0.daemon.proxy.tap import HELD_BYTES, Tap, Usage, number_of

EVENT_DATA = re.compile(rb"^data:\s*(\{.*)$", re.M)


@dataclass(frozen=True, slots=True)
class Marks:
    """What to look for in a stream. In a JSON string every quote is escaped, so none of these is ever text."""

    token: bytes  # in each event that brings a piece of the answer, once
    words: "re.Pattern[bytes]"  # where the text stands
    end: bytes
    failure: bytes


MESSAGES = Marks(
    token=b'"content_block_delta"',
    words=re.compile(rb'"(text|thinking|partial_json)"\s*:\s*("(?:[^"\\]|\\.)*")'),
    end=b'"message_stop"',
    failure=b'"type":"error"',
)
RESPONSES = Marks(
    token=b'.delta"',
    words=re.compile(rb'"(delta)"\s*:\s*("(?:[^"\\]|\\.)*")'),
    end=b'"response.completed"',
    failure=b'"response.failed"',
)
WHOLE = re.compile(rb'"(text|thinking|arguments)"\s*:\s*("(?:[^"\\]|\\.)*")')  # in an answer that is no stream
NATIVE: Mapping[str, Marks] = {
    "/v1/messages": MESSAGES,
    "/v1/messages/count_tokens": MESSAGES,
    "/v1/responses": RESPONSES,
    "/v1/responses/input_tokens": RESPONSES,
}
# Beside what a request has read anew, Anthropic counts what came from a cache and what went into one.
READ, WRITTEN = b'"cache_read_input_tokens"', b'"cache_creation_input_tokens"'


class NativeTap(Tap):
    """Looks at one answer; the counts of a prompt come in the first event, so the start of a stream is kept."""

    __slots__ = ("_marks", "_told")

    def __init__(self, marks: Marks, *, keeps_text: bool) -> None:
        super().__init__(keeps_text=keeps_text)
        self._marks = marks
        self._told: bytes | None = None
        self.words = marks.words

    def look(self, data: bytes, now: float) -> bool:
        if not self._start:
            self._start = data[:4096]
        if self._told is None and self._marks.failure in data.replace(b'": "', b'":"'):
            self._told = data[-HELD_BYTES:]
        return self._count(data.count(self._marks.token), data, now)

    def keep(self, data: bytes) -> None:
        self.words = WHOLE
        super().keep(data)

    @property
    def has_all(self) -> bool:
        return self._marks.end in (self._before_last + self._last)[-HELD_BYTES:]

    def failure(self) -> bytes | None:
        """What the remote told of in the middle of its stream; the client has heard it already."""
        events = EVENT_DATA.findall(self._told or b"")
        return events[-1] if events else None

    def usage(self) -> Usage:
        all = self._start + (self._before_last + self._last)[-HELD_BYTES:]

        def count(key: bytes) -> int | None:
            number = number_of(all, key)
            return None if number is None else int(number)

        prompt, read, written = count(b'"input_tokens"'), count(READ) or 0, count(WRITTEN) or 0
        cached = count(b'"cached_tokens"') or 0  # OpenAI's, which is among the others
        return Usage(
            count(b'"output_tokens"'),
            None if prompt is None else prompt + read + written,
            cached=read or cached,
            cache_written=written,
        )
