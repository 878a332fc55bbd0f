"""Text from models, logs and files, made harmless for a terminal and fitted into cells.

Whatever reaches the screen goes through `harmless`: no control or escape sequence, no direction override and no
character whose width terminals disagree about survives it.
"""

import re
import unicodedata
from collections.abc import Iterator

from rich.cells import cell_len, split_graphemes

# Controls (C0, C1, DEL), soft hyphen, zero-width and direction marks, line separators, joiners, variation selectors,
# tags, interlinear marks and lone surrogates. Tab and line feed are handled before.
_HARMFUL = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U000e0000-\U000e0fff]"
)
# Colours and cursor moves that programs print for a terminal: noise in a log.
_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_MARK = "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
_MARKS = re.compile(f"({_MARK}{{3}}){_MARK}+")  # a letter has three at most
TAB = "    "


def harmless(text: str) -> str:
    """One line of text with every control made visible as a symbol, and what has no certain width removed."""
    if text.isascii() and text.isprintable():
        return text
    if "\t" in text:
        text = text.replace("\t", TAB)
    return _MARKS.sub(r"\1", _HARMFUL.sub(_symbol, text))


def _symbol(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x20:
        return "" if code == 0x0D else chr(0x2400 + code)
    if code == 0x7F:
        return "␡"
    return "�" if 0x80 <= code < 0xA0 or 0xD800 <= code < 0xE000 else ""


def uncoloured(text: str) -> str:
    """A line of a program's output without the sequences it would have sent to a terminal."""
    return _SEQUENCE.sub("", text) if "\x1b" in text else text


def to_ascii(text: str) -> str:
    """Text in ASCII and of the same width: accents are dropped, what has no ASCII form becomes `?`."""
    if text.isascii():
        return text
    text = text.translate(_LOOKS_LIKE)
    return "".join(_ascii_of(char) for char in text)


_LOOKS_LIKE = str.maketrans("×…–—‘’“”•→←·", "x~--''\"\"*><.")


def _ascii_of(char: str) -> str:
    if char.isascii():
        return char
    width = cell_len(char)
    folded = unicodedata.normalize("NFKD", char).encode("ascii", "ignore").decode()
    return folded if len(folded) == width else "?" * width


def cells(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)


def cut(text: str, width: int, ellipsis: str = "…") -> str:
    """The text in at most `width` cells, its end replaced by an ellipsis if it does not fit."""
    if cells(text) <= width:
        return text
    if width <= len(ellipsis):
        return ellipsis[:width]
    return head(text, width - len(ellipsis)) + ellipsis


def cut_left(text: str, width: int, ellipsis: str = "…") -> str:
    """The text in at most `width` cells, its beginning replaced: for paths, whose end tells more."""
    if cells(text) <= width:
        return text
    if width <= len(ellipsis):
        return ellipsis[:width]
    spans, total = split_graphemes(text)
    for _, end, size in spans:
        total -= size
        if total <= width - len(ellipsis):
            return ellipsis + text[end:]
    return ellipsis


def fit(text: str, width: int, *, right: bool = False, ellipsis: str = "…") -> str:
    """The text in exactly `width` cells."""
    text = cut(text, width, ellipsis)
    padding = " " * (width - cells(text))
    return padding + text if right else text + padding


def head(text: str, width: int) -> str:
    """The longest beginning of a text in at most `width` cells."""
    if text.isascii():
        return text[:width]
    used = 0
    for start, _, size in split_graphemes(text)[0]:
        used += size
        if used > width:
            return text[:start]
    return text


def wrap(text: str, width: int) -> list[str]:
    """Break one line of harmless text at spaces into pieces of at most `width` cells; long words are broken too.

    What is appended to the text later changes only the last piece: `wrap(a + b) == wrap(a)[:-1] + wrap(last + b)`.
    """
    pieces: list[str] = []
    at = 0
    while window := _more_than(text, at, width):
        begin = head(window, width) or window[0]  # a wide character in a one-cell pane still takes its place
        after = at + len(begin)
        space = begin.rfind(" ")
        if text[after : after + 1] == " ":
            at = after + 1
        elif space > 0 and begin[:space].strip(" "):
            begin, at = begin[:space], at + space + 1
        else:
            at = after
        pieces.append(begin)
    pieces.append(text[at:])
    return pieces


def wrap_joined(text: str, width: int, joint: str = "\n") -> Iterator[tuple[str, str]]:
    """As `wrap`, each piece behind what stood before it: the space that was taken out, or nothing; `joint` is first."""
    at = 0
    for piece in wrap(text, width):
        yield joint, piece
        at += len(piece)
        joint = " " if text[at : at + 1] == " " else ""
        at += len(joint)


def _more_than(text: str, at: int, width: int) -> str:
    """As much of the text from there on as has more than `width` cells; empty if the rest has no more.

    Of a long text only so much is measured, again and again for each piece of it.
    """
    size = 2 * width + 2
    while cells(window := text[at : at + size]) <= width:
        if at + size >= len(text):
            return ""
        size *= 2
    return window
