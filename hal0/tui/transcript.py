"""The text of one request as it is generated, bounded; and its lines, wrapped as they grow.

No I/O here. A transcript forgets its beginning beyond `LIMIT` characters. A `Wrapping` reads on from where it was, so
a new token costs the wrapping of one line.
"""

from bisect import bisect_right
from collections.abc import Iterable
from typing import Literal

from hal0.tui.text import harmless, wrap_joined
from hal0.voices import Said, laid_out

LIMIT = 64 * 1024
PIECE = 2048
Voice = Literal["prompt", "reasoning", "text", "call", "arguments"]
ANSWER: frozenset[Voice] = frozenset(("reasoning", "text", "call", "arguments"))


class Transcript:
    """Pieces of text in the order they arrived, each with the voice it is in."""

    def __init__(self) -> None:
        self._pieces: list[tuple[Voice, str]] = []
        self._starts: list[int] = []  # where each piece begins, counted from the very first character
        self.start = 0  # where the first piece kept begins
        self.end = 0
        self.voices: set[Voice] = set()

    def append(self, voice: Voice, text: str) -> None:
        if text:
            self.voices.add(voice)
        for at in range(0, len(text), PIECE):
            piece = text[at : at + PIECE]
            self._pieces.append((voice, piece))
            self._starts.append(self.end)
            self.end += len(piece)
        if self.end - self.start > LIMIT:
            self._forget(self.end - LIMIT * 3 // 4)  # in large steps: each makes every reader begin anew

    def extend(self, pieces: Iterable[Said]) -> None:
        for voice, text in pieces:
            self.append(voice, text)

    def _forget(self, until: int) -> None:
        kept = min(bisect_right(self._starts, until), len(self._starts) - 1)
        del self._pieces[:kept], self._starts[:kept]
        self.start = self._starts[0]

    def since(self, position: int) -> list[tuple[Voice, str]]:
        """The pieces from a position on; it must be one that `end` once had, or 0."""
        first = bisect_right(self._starts, position) - 1
        if first >= 0 and self._starts[first] < position:
            first += 1
        return self._pieces[max(first, 0) :]

    def said(self, voice: Voice) -> str:
        return "".join(text for spoken, text in self._pieces if spoken == voice)


WHOLE_LINES = 1_000_000  # cells: more than a transcript has


class Wrapping:
    """The lines of a transcript at one width: `lines[i]` is a voice and at most `width` cells of harmless text.

    `joints[i]` is what stands between it and the line before: a line feed, or, where a line was broken to fit, the
    space that was taken out, or nothing.
    """

    def __init__(self, transcript: Transcript, width: int, *, folds: bool = False) -> None:
        """`folds`: of reasoning there is only one line, which tells how long it is."""
        self.transcript = transcript
        self.width = width
        self.folds = folds
        self.lines: list[tuple[Voice, str]] = []
        self.joints: list[str] = []
        self._read_to = -1
        self._kept_from = -1
        self._open = False  # whether the last line may still grow
        self._arguments = ""  # of the call that is told last
        self._arguments_from = 0  # the first of their lines
        self._is_laid_out = False
        self._folded = 0  # characters of the reasoning that is told last

    def update(self) -> None:
        """Take in what has been said since the last time."""
        transcript = self.transcript
        if self._kept_from != transcript.start:
            self.lines.clear()
            self.joints.clear()
            self._open = False
            self._kept_from = self._read_to = transcript.start
        if self._read_to == transcript.end:
            return
        spoken: list[tuple[Voice, list[str]]] = []
        for voice, text in transcript.since(self._read_to):
            if spoken and spoken[-1][0] == voice:
                spoken[-1][1].append(text)
            else:
                spoken.append((voice, [text]))
        for voice, texts in spoken:
            self._add(voice, "".join(texts))
        self._read_to = transcript.end

    def _add(self, voice: Voice, text: str) -> None:
        if self.lines and self.lines[-1][0] != voice:
            self._open = False
            text = text.lstrip("\n")
        if voice == "arguments":
            text = self._grown(text)
        elif voice == "reasoning" and self.folds:
            text = self._fold(text)
        self._break(voice, text.strip("\n") if voice == "call" else text)

    def _fold(self, text: str) -> str:
        if self._open:
            del self.lines[-1], self.joints[-1]
        self._folded = len(text) + (self._folded if self._open else 0)
        self._open = False
        return f"(reasoning: {self._folded:,} characters)"

    def _grown(self, text: str) -> str:
        """Arguments as they come; when they are whole all of them, laid out, in place of the lines there were."""
        if not self._open:
            self._arguments, self._arguments_from, self._is_laid_out = "", len(self.lines), False
        self._arguments += text
        whole = laid_out(self._arguments)
        if whole == self._arguments and not self._is_laid_out:
            return text
        del self.lines[self._arguments_from :], self.joints[self._arguments_from :]
        self._open, self._is_laid_out = False, whole != self._arguments
        return whole

    def _break(self, voice: Voice, text: str) -> None:
        for number, part in enumerate(text.split("\n")):
            clean, joint = harmless(part), "\n"
            if number == 0 and self._open:
                clean, joint = self.lines.pop()[1] + clean, self.joints.pop()
            for between, piece in wrap_joined(clean, self.width, joint):
                self.lines.append((voice, piece))
                self.joints.append(between)
            self._open = True
