"""A text in the pieces in which it is spoken: sentences, and parts of those that are long. Pure.

Pieces keep their words and marks; only white space between them goes. A sentence ends at its mark if white space
follows, so `3.14` and `hal0.toml` hold together; a title such as `Dr.` or an initial does not end one. Each character
is looked at a bounded number of times, whatever the text.
"""

import re
from collections.abc import Iterator

LONGEST_CHARACTERS = 300  # about twenty seconds of speech, which is how long nobody would hear that the client left
TAIL_CHARACTERS = 16  # of what comes before a mark, to tell whether it is an end

# Any mark with the quotes and brackets that close after it, then white space; the wide marks need none.
_END = re.compile(r"[.!?…]{1,9}[\"'”’»)\]]{0,4}(?=\s)|[。！？]{1,9}[」』”’）]{0,4}|\n")
_CLAUSE = re.compile(r"[,;:–—、，；：]|\s[-–—](?=\s)")
_NO_END = re.compile(
    r"(?:^|[\s(\"'“‘«])(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|etc|e\.g|i\.e|cf|approx|No|Nr|bzw|ca|z\.B|d\.h|M|Mme|Sra?)\.$"
)
_NUMBERED = re.compile(r"(?:^|\n)\s*\d{1,3}\.$")  # of a list


def sentences(text: str) -> list[str]:
    """The pieces in order; none of a text that is white space alone."""
    return [piece for start, end in _sentences(text) for piece in _short_enough(text, start, end)]


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for mark in _END.finditer(text):
        end = mark.end()
        tail = text[max(start, end - TAIL_CHARACTERS) : end]
        if mark[0] != "\n" and (_NO_END.search(tail) or (end - start <= TAIL_CHARACTERS and _NUMBERED.search(tail))):
            continue
        yield start, end
        start = end
    yield start, len(text)


def _short_enough(text: str, start: int, end: int) -> Iterator[str]:
    """Cut after the last clause that fits, else between words, else anywhere."""
    while end - start > LONGEST_CHARACTERS:
        head = text[start : start + LONGEST_CHARACTERS]
        clauses = [mark.end() for mark in _CLAUSE.finditer(head, LONGEST_CHARACTERS // 3)]
        at = clauses[-1] if clauses else head.rfind(" ") + 1 or LONGEST_CHARACTERS
        if piece := head[:at].strip():
            yield piece
        start += at
    if piece := text[start:end].strip():
        yield piece
