"""Where each key and value of a TOML text stands, for messages with line and column.

tomllib has judged the text before, so this only finds places and forgives what it does not understand. It is asked
only when there is a problem to show, when two files must be told apart, or when a text is to be edited in place.
"""

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import NoReturn

Key = tuple[str | int, ...]

MAX_DEPTH = 100  # tables and lists inside each other

_BLANK = re.compile(r"(?:[ \t\r\n]++|#[^\n]*+)*+")
_INLINE_BLANK = re.compile(r"[ \t]*+")
_NAME = re.compile(r"""[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+'""")
_TEXT = re.compile(
    r'"""(?:\\[\s\S]|"{1,2}(?!")|[^"\\])*+"{3,5}'
    r"|'''(?:'{1,2}(?!')|[^'])*+'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*+"'
    r"|'[^'\n]*+'"
)
_SCALAR = re.compile(r"\d{4}-\d\d-\d\d \d\d:[^\s,\]}#]++|[^\s,\]}#]++")


class _LostError(Exception):
    """Not where a valid text would lead; what was found until then is kept."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a text, counted from 1 in characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Statement:
    """A `[header]` or a `key = value`, from its first character to the end of its value."""

    table: Key  # under whose header it stands; of a header: its own
    path: Key
    start: int
    end: int

    @property
    def is_header(self) -> bool:
        return self.table == self.path


class Lines:
    """Turns offsets into lines and columns."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def place(self, offset: int) -> Place:
        line = bisect_right(self._starts, offset)
        return Place(line, offset - self._starts[line - 1] + 1)

    def source(self, line: int) -> str:
        """The line itself, without its end."""
        end = self._starts[line] - 1 if line < len(self._starts) else len(self._text)
        return self._text[self._starts[line - 1] : end].rstrip("\r")


class Positions:
    """The offsets of one text: of each key where it is first named, of its value, of the header of each table."""

    def __init__(self, text: str) -> None:
        self.lines = Lines(text)
        self.keys: dict[Key, int] = {}
        self.values: dict[Key, int] = {}
        self.headers: dict[Key, int] = {}
        self.statements: list[Statement] = []
        self.too_deep: int | None = None  # where the text nests deeper than `MAX_DEPTH`; nothing after it is known
        _Reader(text, self).read()

    def of_key(self, path: Key) -> Place:
        """The key itself, or the nearest table above it that is written down."""
        return self._first(path, (self.keys,))

    def of_value(self, path: Key) -> Place:
        return self._first(path, (self.values, self.keys))

    def of_table(self, path: Key) -> Place:
        """Where a missing key would belong: the `[header]` of its table, or the key the table is written under."""
        return self._first(path, (self.headers, self.keys, self.values))

    def _first(self, path: Key, tables: tuple[dict[Key, int], ...]) -> Place:
        for length in range(len(path), 0, -1):
            for table in tables if length == len(path) else (self.headers, self.keys, self.values):
                if (offset := table.get(path[:length])) is not None:
                    return self.lines.place(offset)
        return Place(1, 1)


class _Reader:
    """One pass over a text."""

    def __init__(self, text: str, found: Positions) -> None:
        self._text = text
        self._found = found
        self._at = 0
        self._depth = 0
        self._list_lengths: dict[Key, int] = {}  # of the lists written as [[name]]

    def read(self) -> None:
        table: Key = ()
        try:
            while self._peek(_BLANK):
                start = self._at
                if self._text[start] == "[":
                    table = path = self._header()
                else:
                    path = self._pair(table)
                self._found.statements.append(Statement(table, path, start, self._at))
        except _LostError:
            return

    def _peek(self, blank: re.Pattern[str] = _INLINE_BLANK) -> str:
        """Step over what is blank; the character that follows, or "" at the end."""
        if match := blank.match(self._text, self._at):
            self._at = match.end()
        return self._text[self._at : self._at + 1]

    def _give_up(self, offset: int) -> NoReturn:
        self._found.too_deep = offset
        raise _LostError

    def _expect(self, mark: str) -> None:
        if not self._text.startswith(mark, self._at):
            raise _LostError
        self._at += len(mark)

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            raise _LostError
        self._at = match.end()
        return match[0]

    def _header(self) -> Key:
        start = self._at
        is_list = self._text.startswith("[[", start)
        self._expect("[[" if is_list else "[")
        path = self._dotted((), through_lists=True, last_is_list=is_list)
        self._expect("]]" if is_list else "]")
        self._found.headers.setdefault(path, start)
        return path

    def _dotted(self, table: Key, *, through_lists: bool = False, last_is_list: bool = False) -> Key:
        """A key such as `a."b c".d`: notes each part where it is first named."""
        path = table
        while True:
            self._peek()
            start = self._at
            name = self._take(_NAME)
            path = (*path, _unquoted(name))
            if len(path) > MAX_DEPTH:
                self._give_up(start)
            self._found.keys.setdefault(path, start)
            is_last = self._peek() != "."
            if through_lists:
                if is_last and last_is_list:
                    self._list_lengths[path] = self._list_lengths.get(path, 0) + 1
                if length := self._list_lengths.get(path):
                    path = (*path, length - 1)
                    self._found.keys.setdefault(path, start)
            if is_last:
                return path
            self._at += 1

    def _pair(self, table: Key) -> Key:
        path = self._dotted(table)
        self._expect("=")
        self._peek()
        self._value(path)
        return path

    def _value(self, path: Key) -> None:
        self._found.values.setdefault(path, self._at)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._give_up(self._at)
        match self._text[self._at : self._at + 1]:
            case "[":
                self._list(path)
            case "{":
                self._inline_table(path)
            case '"' | "'":
                self._take(_TEXT)
            case _:
                self._take(_SCALAR)
        self._depth -= 1

    def _list(self, path: Key) -> None:
        self._at += 1
        index = 0
        while self._peek(_BLANK) != "]":
            self._value((*path, index))
            index += 1
            if self._peek(_BLANK) == ",":
                self._at += 1
        self._at += 1

    def _inline_table(self, path: Key) -> None:
        self._at += 1
        while self._peek(_BLANK) != "}":
            self._pair(path)
            if self._peek(_BLANK) == ",":
                self._at += 1
        self._at += 1


def _unquoted(name: str) -> str:
    if name[0] == "'":
        return name[1:-1]
    if name[0] != '"':
        return name
    import tomllib

    try:
        return str(tomllib.loads(f"name = {name}")["name"])
    except ValueError as error:
        raise _LostError from error
