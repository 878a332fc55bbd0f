"""Changes single keys and tables in a person's TOML text; what is not touched stays as it is, to the byte.

Pure. Places come from `positions.py`, values are written by tomlkit; tomlkit alone would put a new key below the
comment of the next table. Every result is read again and compared with what was asked for, so an edit does what it
says or is refused.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hal0.daemon.config.document import dotted
from hal0.daemon.config.positions import Positions, Statement
from hal0.errors import Hal0Error

BOM = "\ufeff"

_BLANK_LINE = re.compile(r"\r?\n")
_BLANK_LINE_BEFORE = re.compile(r"(?<=\n)\r?\n\Z")

Name = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Edit:
    """One key or table: its new value, or None to take it out."""

    key: Name
    value: Any = None


def edited(text: str, edits: Iterable[Edit], *, path: Path) -> str:
    """The text with the edits made, one after the other; raises `config.not_editable`."""
    import tomllib

    edits = list(edits)
    bom, body = (BOM, text[1:]) if text.startswith(BOM) else ("", text)
    wanted = tomllib.loads(body)
    for edit in edits:
        is_right = _change(wanted, edit)
        if is_right:
            try:
                body = _edited(body, edit)
                is_right = _pruned(tomllib.loads(body)) == _pruned(wanted)
            except ValueError:  # a value that TOML does not have, or a text that it no longer is
                is_right = False
        if not is_right:
            raise Hal0Error("config.not_editable", path=str(path), key=dotted(edit.key))
    return bom + body


def table_edits(key: Name, now: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> Iterator[Edit]:
    """What makes the table at `key` be `wanted`."""
    if now is None:
        yield Edit(key, dict(wanted))
        return
    for name in now:
        if name not in wanted:
            yield Edit((*key, name))
    for name, value in wanted.items():
        if now.get(name) != value:
            yield Edit((*key, name), value)


def _edited(text: str, edit: Edit) -> str:
    found = Positions(text)
    at = next((each for each in found.statements if each.path == edit.key and not each.is_header), None)
    below = [each for each in found.statements if each.path[: len(edit.key)] == edit.key]
    inline = _inline_table_above(text, found, edit.key)
    if inline is not None:
        return _within_inline_table(text, inline, edit)
    if edit.value is None:
        return _without(text, found, [at] if at else below)
    if at is not None:
        start = found.values[at.path]
        return text[:start] + _written(edit.value) + text[at.end :]
    if below:  # a table, and its new value is one
        for one in table_edits(edit.key, _table_at(text, edit.key), edit.value):
            text = _edited(text, one)
        return text
    return _with_table(text, found, edit) if isinstance(edit.value, dict) else _with_key(text, found, edit)


# Adding ----------------------------------------------------------------------------------------------------------


def _with_key(text: str, found: Positions, edit: Edit) -> str:
    """A new line after the last one of its table, written as that one is."""
    table, newline = edit.key[:-1], _newline(text)
    beside = [each for each in found.statements if each.path[:-1] == table and not each.is_header]
    if beside:
        last = beside[-1]
        lead = _indentation(text, last.start)
        name = dotted(edit.key[len(last.table) :])
        return _insert_after(text, last.end, f"{lead}{name} = {_written(edit.value)}")
    header = next((each for each in found.statements if each.is_header and each.path == table), None)
    if header is not None:
        return _insert_after(text, header.end, f"{_indentation(text, header.start)}{_pair(edit.key[-1], edit.value)}")
    if table:
        return _with_table(text, found, Edit(table, {edit.key[-1]: edit.value}))
    return f"{_pair(edit.key[-1], edit.value)}{newline}{text}"  # keys without a table come first


def _with_table(text: str, found: Positions, edit: Edit) -> str:
    """A new `[table]` after the last of its kin, else at the end."""
    newline = _newline(text)
    kin = [each for each in found.statements if each.path[:1] == edit.key[:1]]
    lines = [f"[{dotted(edit.key)}]", *(_pair(name, value) for name, value in edit.value.items())]
    if kin and kin[-1].table:
        return _insert_after(text, kin[-1].end, newline.join(["", *lines]))
    block = newline.join(lines) + newline
    if not text.strip():
        return text + block
    return text + (newline if text.endswith("\n") else newline * 2) + block


def _insert_after(text: str, offset: int, line: str) -> str:
    """After the line in which `offset` stands, so that its comment stays with it."""
    newline = _newline(text)
    end = text.find("\n", offset)
    if end < 0:
        return f"{text}{newline}{line}{newline}"
    return f"{text[: end + 1]}{line}{newline}{text[end + 1 :]}"


# Taking out ------------------------------------------------------------------------------------------------------


def _without(text: str, found: Positions, gone: list[Statement]) -> str:
    """The text without these statements: whole lines, a table with its comments."""
    for together in reversed(_tables(found, gone)):
        first, last = together[0], together[-1]
        start, end = text.rfind("\n", 0, first.start) + 1, text.find("\n", last.end)
        end = len(text) if end < 0 else end + 1
        if first.is_header:
            start, end = _above_its_comment(text, start), _below_its_comment(text, end)
            start, end = _with_one_blank_line(text, start, end)
        text = text[:start] + text[end:]
    return text


def _tables(found: Positions, gone: list[Statement]) -> list[list[Statement]]:
    """A header and what follows it without a gap is one; any other statement is one by itself."""
    order = {each.start: index for index, each in enumerate(found.statements)}
    tables: list[list[Statement]] = []
    for each in gone:
        if tables and tables[-1][0].is_header and order[each.start] == order[tables[-1][-1].start] + 1:
            tables[-1].append(each)
        else:
            tables.append([each])
    return tables


def _with_one_blank_line(text: str, start: int, end: int) -> tuple[int, int]:
    """Of the blank lines before and after what goes, one goes too, as does one before the end of the text."""
    before, after = _BLANK_LINE_BEFORE.search(text, 0, start), _BLANK_LINE.match(text, end)
    if before and after:
        return start, after.end()
    return (before.start() if before and end == len(text) else start), end


def _above_its_comment(text: str, start: int) -> int:
    """Where the comment begins that stands right above; a comment at the top of the file is about the file."""
    at = start
    while at:
        line_start = text.rfind("\n", 0, at - 1) + 1
        line = text[line_start:at].strip()
        if not line:
            return at
        if not line.startswith("#"):
            break
        at = line_start
    return start


def _below_its_comment(text: str, end: int) -> int:
    """Where the comment ends that stands right below a table; one that a header follows is about that header."""
    at = end
    while at < len(text):
        line_end = text.find("\n", at) + 1 or len(text)
        line = text[at:line_end].strip()
        if not line:
            break
        if not line.startswith("#"):
            return end
        at = line_end
    return at


# Inline tables ---------------------------------------------------------------------------------------------------


def _inline_table_above(text: str, found: Positions, key: Name) -> Statement | None:
    """The `name = { … }` within which the key stands, or would stand."""
    for each in found.statements:
        above = len(each.path) < len(key) and each.path == key[: len(each.path)]
        if above and not each.is_header and text.startswith("{", found.values[each.path]):
            return each
    return None


def _within_inline_table(text: str, statement: Statement, edit: Edit) -> str:
    import tomlkit

    start = Positions(text).values[statement.path]
    holder = tomlkit.parse(f"it = {text[start : statement.end]}\n")
    table: Any = holder["it"]
    *way, last = edit.key[len(statement.path) :]
    for name in way:
        if name not in table:
            table[name] = tomlkit.inline_table()
        table = table[name]
    if edit.value is None:
        table.pop(last, None)
    else:
        table[last] = _item(edit.value)
    written: str = holder["it"].as_string()
    return text[:start] + written + text[statement.end :]


# Writing ---------------------------------------------------------------------------------------------------------


def _pair(name: str, value: Any) -> str:
    return f"{dotted((name,))} = {_written(value)}"


def _written(value: Any) -> str:
    text: str = _item(value).as_string()
    return text


def _item(value: Any) -> Any:
    import tomlkit  # 40 ms that only a write pays

    if isinstance(value, Mapping):
        table = tomlkit.inline_table()
        table.update({name: _item(each) for name, each in value.items()})
        return table
    if isinstance(value, list | tuple):
        array = tomlkit.array()
        array.extend(_item(each) for each in value)
        return array
    return tomlkit.item(value)


def _newline(text: str) -> str:
    first = text.find("\n")
    return "\r\n" if first > 0 and text[first - 1] == "\r" else "\n"


def _indentation(text: str, offset: int) -> str:
    start = text.rfind("\n", 0, offset) + 1
    lead = text[start:offset]
    return lead if not lead.strip() else ""


# What is wanted --------------------------------------------------------------------------------------------------


def _change(tree: dict[str, Any], edit: Edit) -> bool:
    """Make the edit in the tree; whether that is possible."""
    *way, last = edit.key
    table: Any = tree
    for name in way:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            return False
    if edit.value is None:
        table.pop(last, None)
        return True
    if isinstance(table.get(last), dict) and not isinstance(edit.value, dict):
        return False
    table[last] = edit.value
    return True


def _table_at(text: str, key: Name) -> Mapping[str, Any]:
    import tomllib

    tree: Any = tomllib.loads(text)
    for name in key:
        tree = tree[name]
    return tree if isinstance(tree, dict) else {}


def _pruned(value: Any) -> Any:
    """Without tables that have nothing in them: whether one is written makes no difference that was asked for."""
    if isinstance(value, Mapping):
        kept = {name: _pruned(each) for name, each in value.items()}
        return {name: each for name, each in kept.items() if each != {}}
    if isinstance(value, list | tuple):
        return [_pruned(each) for each in value]
    return value
