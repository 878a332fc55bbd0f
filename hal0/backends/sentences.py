"""A text in the pieces in which it is spoken: sentences, and parts of those that are long. Pure.

Pieces keep their words and marks; only white space between them goes. A sentence ends at its mark if white space
follows, so `3.14` and `hal0.toml` hold together; a title such as `Dr.` or an initial does not end one.
"""

import re
from collections.abc import Iterator

LONGEST_CHARACTERS = 300  # about twenty seconds of speech, which is how long nobody would hear that the client left

# Any mark with the quotes and brackets that close after it, then white space; the wide marks need none.
_END = re.compile(r"(?:[.!?…]+[\"'”’»)\]]*(?=\s)|[。！？]+[」』”’）]*)\s*|\s*\n\s*")
_CLAUSE = re.compile(r"[,;:–—、，；：]\s*|\s[-–—]\s")
_NO_END = re.compile(
    r"(?:^|[\s(\"'“‘«])(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|etc|e\.g|i\.e|cf|approx|No|Nr|bzw|ca|z\.B|d\.h|M|Mme|Sra?)\.$"
)
_NUMBERED = re.compile(r"(?:^|\n)\s*\d{1,3}\.$")  # of a list


def sentences(text: str) -> list[str]:
    """The pieces in order; none of a text that is white space alone."""
    return [piece for sentence in _sentences(text) for piece in _short_enough(sentence)]


def _sentences(text: str) -> Iterator[str]:
    start = 0
    for mark in _END.finditer(text):
        so_far = text[start : mark.end()].strip()
        breaks_line = "\n" in mark[0]
        if not so_far or (not breaks_line and (_NO_END.search(so_far) or _NUMBERED.search(so_far))):
            continue
        yield so_far
        start = mark.end()
    if rest := text[start:].strip():
        yield rest


def _short_enough(sentence: str) -> Iterator[str]:
    """Cut at the last clause that fits, else between words, else anywhere."""
    while len(sentence) > LONGEST_CHARACTERS:
        head = sentence[:LONGEST_CHARACTERS]
        clauses = [mark.end() for mark in _CLAUSE.finditer(head) if mark.end() >= LONGEST_CHARACTERS // 3]
        at = clauses[-1] if clauses else (head.rfind(" ") if " " in head.strip() else LONGEST_CHARACTERS)
        yield sentence[:at].strip()
        sentence = sentence[at:].strip()
    if sentence:
        yield sentence
