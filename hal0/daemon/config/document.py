"""One TOML file: its bytes become a tree of values whose places in the text can be told.

Whatever the bytes are, the outcome is a `Document` or a problem with its line and column; never another exception.
"""

import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from hal0.daemon.config.positions import MAX_DEPTH, Key, Lines, Place, Positions
from hal0.daemon.config.sources import Source
from hal0.wire import Problem

SHOWN_CHARACTERS = 200  # of a line that is quoted in a problem
MAX_REFUSALS = 1_000  # of texts in one file; each costs time

# A key of very many parts costs tomllib quadratic time; nobody means one.
_PART = r"""(?:[A-Za-z0-9_-]++|"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
_ENDLESS_KEY = re.compile(rf"(?<![A-Za-z0-9_\"'.-])(?:{_PART}[ \t]*+\.[ \t]*+){{{MAX_DEPTH}}}")
_AT = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")
# Python converts no integer of more than 4,300 digits, and tomllib takes 120 bytes for each to find that out.
_LONG_NUMBER = re.compile(r"(?<![0-9_])[+-]?[0-9][0-9_]{4000,}")
REFERENCE_MARK = "${env:"
_REFERENCE = re.compile(re.escape(REFERENCE_MARK) + r"([^}]*)\}")
_ENV_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class DocumentError(Exception):
    """The file is not TOML that hal0 reads."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Document:
    """A file that is valid TOML."""

    def __init__(self, source: Source) -> None:
        self.path: Path = source.path
        self._text = _decoded(source)
        self.tree: dict[str, Any] = _parsed(self.path, self._text)

    @cached_property
    def positions(self) -> Positions:
        return Positions(self._text)

    def problem(self, code: str, message: str, *, at: Place, key: Key = (), hint: str = "") -> Problem:
        return _problem(self.path, self.positions.lines, at, code=code, message=message, key=key, hint=hint)

    def substituted(self, env: Mapping[str, str]) -> tuple[dict[str, Any], list[Problem]]:
        """The tree with `${env:NAME}` filled in and lists as tuples, and what was wrong with its texts."""
        problems: list[Problem] = []

        def refuse(path: Key, message: str, hint: str) -> None:
            if len(problems) >= MAX_REFUSALS:
                return
            at = self.positions.of_value(path)
            problems.append(self.problem("config.invalid", message, at=at, key=path, hint=hint))

        def filled(path: Key, text: str) -> str:
            if "\0" in text:
                refuse(path, "a text must not contain the character NUL", "leave it out")

            def value(match: re.Match[str]) -> str:
                name = match[1]
                if not _ENV_NAME.fullmatch(name):
                    refuse(path, f"`{match[0]}` does not name an environment variable", "write ${env:NAME}")
                elif name not in env:
                    refuse(path, f"the environment variable {name} is not set", "set it for the daemon")
                elif not _is_utf8(env[name]):
                    refuse(path, f"the environment variable {name} is not UTF-8 text", "correct its value")
                else:
                    return env[name]
                return match[0]

            return _REFERENCE.sub(value, text) if REFERENCE_MARK in text else text

        def walk(path: Key, value: Any) -> Any:
            if len(path) > MAX_DEPTH:
                refuse(path, f"nested deeper than {MAX_DEPTH} levels", "no key of hal0 goes that deep")
                return None
            if isinstance(value, str):
                return filled(path, value)
            if isinstance(value, dict):
                return {name: walk((*path, name), each) for name, each in value.items()}
            if isinstance(value, list):
                return tuple(walk((*path, index), each) for index, each in enumerate(value))
            return value

        return walk((), self.tree), problems


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def dotted(key: Key) -> str:
    """A key path as a person writes it: `slots.primary.args[2]`."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if re.fullmatch(r"[A-Za-z0-9_-]+", part) else '"' + part.replace('"', '\\"') + '"'
            text += f".{name}" if text else name
    return text


def _problem(path: Path, lines: Lines, at: Place, *, code: str, message: str, key: Key = (), hint: str = "") -> Problem:
    return Problem(
        code=code,
        message=message,
        file=str(path),
        line=at.line,
        column=at.column,
        key=dotted(key),
        hint=hint,
        source=lines.source(at.line)[:SHOWN_CHARACTERS],
    )


def _decoded(source: Source) -> str:
    try:
        return source.raw.removeprefix(b"\xef\xbb\xbf").decode()
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode()
        lines = Lines(before + "\N{REPLACEMENT CHARACTER}")
        wide = source.raw[:2] in (b"\xff\xfe", b"\xfe\xff")
        problem = _problem(
            source.path,
            lines,
            lines.place(len(before)),
            code="config.syntax",
            message="is not UTF-8 text" + (" but UTF-16" if wide else f": byte 0x{error.object[error.start]:02x}"),
            hint="save the file as UTF-8",
        )
        raise DocumentError(problem) from error


def _parsed(path: Path, text: str) -> dict[str, Any]:
    import tomllib  # 11 ms that a daemon without a file does not pay

    lines = Lines(text)

    def refusal(message: str, at: Place, hint: str = "") -> DocumentError:
        return DocumentError(_problem(path, lines, at, code="config.syntax", message=message, hint=hint))

    if endless := _ENDLESS_KEY.search(text):
        raise refusal(f"a key of more than {MAX_DEPTH} parts", lines.place(endless.start()))
    if number := _LONG_NUMBER.search(text):
        raise refusal("a number of thousands of digits", lines.place(number.start()), "no key of hal0 takes one")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        reason = _AT.sub("", str(error))
        match = _AT.search(str(error))
        if match and match[1]:
            at = Place(int(match[1]), int(match[2]))
        else:
            at = lines.place(len(text.rstrip()))
            reason += ", at the end of the file"
        raise refusal(f"not valid TOML: {reason[:1].lower()}{reason[1:]}", at, _advice(lines, at)) from error
    except RecursionError as error:
        raise refusal(f"nested deeper than {MAX_DEPTH} levels", _deepest(text, lines)) from error


def _deepest(text: str, lines: Lines) -> Place:
    return lines.place(Positions(text).too_deep or 0)


def _advice(lines: Lines, at: Place) -> str:
    """What is most often meant, told from the line."""
    line = lines.source(at.line)
    name, sign, value = (part.strip() for part in line.partition("="))
    if not sign and ":" in line and not line.lstrip().startswith("["):
        return "TOML writes `key = value`"
    if sign and re.match(r"(True|False|yes|no|on|off|None|null)\b", value):
        return f"write `{name} = true` or `{name} = false`"
    if sign and re.match(r"[A-Za-z/~.]", value):
        return f'text stands in quotes: `{name} = "{value}"`'
    if sign and re.match(r"[0-9.]+\s*[A-Za-z]+$", value):
        return f'a number with a unit stands in quotes: `{name} = "{value}"`'
    return ""
