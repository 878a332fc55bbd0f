"""What pydantic refused, told as a person would: the key, what it must be, what it is, and the nearest right name.

Pure. A finding knows its key path; `file.py` knows the text and gives it line and column.
"""

import datetime
import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from hal0.daemon.config.document import dotted
from hal0.daemon.config.expectation import Shape, as_toml, shape_of, shape_of_field, words_for
from hal0.daemon.config.positions import Key
from hal0.daemon.config.schema import Model, ModelName, Models, Settings

MAX_FINDINGS = 1_000  # of one kind of check; a file with more of them is no configuration, and each costs time
SHOWN_CHARACTERS = 60  # of a value that is quoted in a message
# What stands there or below may be a secret, such as a key in the place of its variable; messages go to logs.
SECRET = frozenset({"key_env", "headers", "env"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong, at a key path."""

    code: str
    message: str
    key: Key
    hint: str = ""
    at: Literal["key", "value", "table"] = "value"
    meant: Key = ()  # of an unknown key, the one that was probably meant
    right: str = ""  # what is to stand at the place instead, as the file has it; empty: that is not certain


def findings_of(error: ValidationError, tree: Mapping[str, Any]) -> list[Finding]:
    """What is wrong; `tree` holds the values as they stand in the file."""
    errors = error.errors(include_url=False)[:MAX_FINDINGS]
    return [_finding(each["type"], each["loc"], each["msg"], tree) for each in errors]


def _finding(kind: str, loc: Key, message: str, tree: Mapping[str, Any]) -> Finding:
    if loc[-1] == "[key]":
        return _bad_name(loc[:-1])
    value = _value_at(tree, loc)
    if kind == "extra_forbidden":
        return _unknown(loc, value)
    if loc[0] == "models" and len(loc) == 2 and loc[1] not in Models.model_fields:
        if kind == "string_pattern_mismatch":
            return _bad_name(loc)
        if not isinstance(value, dict):
            return _unknown(loc, value)
    if kind == "missing" and isinstance(loc[-1], int):
        loc = loc[:-1]  # a list of the wrong length is wrong as a whole
        value = _value_at(tree, loc)
    elif kind == "missing":
        return _missing(loc)
    if message.startswith("Value error, no "):
        return Finding("config.invalid", f"`{dotted(loc)}`: {message.removeprefix('Value error, ')}", loc)
    wanted = words_for(shape_at(loc))
    given = "what stands there" if isinstance(value, str) and not SECRET.isdisjoint(loc) else shown(value)
    return Finding("config.invalid", f"`{dotted(loc)}` must be {wanted}, not {given}", loc, _example(loc))


def without_echoes(findings: Sequence[Finding]) -> list[Finding]:
    """A key that is written with a slip is not missing as well."""
    meant = {finding.meant for finding in findings if finding.meant}
    return [finding for finding in findings if finding.at != "table" or finding.key not in meant]


def shape_at(loc: Key) -> Shape:
    """The shape of what stands at a key path; of a bare object where the schema has nothing."""
    shape = Shape(Settings)
    for part in loc:
        if shape.is_table:
            info = shape.type.model_fields.get(part)
            if info is not None:
                shape = shape_of_field(info)
            else:
                shape = Shape(Model) if shape.type is Models else Shape(object)
        elif shape.type is tuple and isinstance(part, int) and shape.parts:
            shape = shape.parts[min(part, len(shape.parts) - 1)]
        elif len(shape.parts) == 2:
            shape = shape.parts[1]
        else:
            return Shape(object)
    return shape


def shown(value: object) -> str:
    """A value of the file, short enough for a message."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            cut = value if len(value) <= SHOWN_CHARACTERS else value[: SHOWN_CHARACTERS - 1] + "…"
            return as_toml(cut.replace("\n", "↵"))
        case int():
            return f"{value}" if value.bit_length() < 128 else "a number of very many digits"
        case float():
            return f"{value}"
        case dict():
            return "a table"
        case list() | tuple():
            return "a list" + (" without values" if not value else f" of {len(value)}")
        case datetime.datetime() | datetime.date() | datetime.time():
            return "a date or time"
        case _:
            return "nothing"


def nearest(name: str, known: list[str]) -> str | None:
    """The known name that was probably meant."""
    folded = {each.lower().replace("-", "_"): each for each in known}
    found = difflib.get_close_matches(name.lower().replace("-", "_")[:80], folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def _unknown(loc: Key, value: object) -> Finding:
    name, table = str(loc[-1]), loc[:-1]
    known = list(shape_at(table).type.model_fields)
    if table:
        message = f"unknown key `{dotted((name,))}` in [{dotted(table)}]"
    else:
        message = (
            f"unknown table [{dotted((name,))}]" if isinstance(value, dict) else f"unknown key `{dotted((name,))}`"
        )
    near = nearest(name, known)
    if near:
        hint = f"did you mean `{near}`?" if table else f"did you mean [{near}]?"
    elif homes := _tables_with(name):
        hint = f"`{name}` is a key of {' and '.join(homes)}"
    elif table:
        hint = f"its keys: {', '.join(known)}"
    else:
        hint = "the tables: " + ", ".join(f"[{each}]" for each in known)
    # What stands beside `key` is most likely a key, and no name of a variable that has one.
    right = near if near and near not in SECRET else ""
    return Finding("config.unknown_key", message, loc, hint, "key", (*table, near) if near else (), right)


def _tables_with(name: str) -> list[str]:
    homes = []
    for table, info in Settings.model_fields.items():
        shape = shape_of_field(info)
        if len(shape.parts) == 2 and shape.parts[1].is_table:
            table, shape = f"{table}.NAME", shape.parts[1]
        if shape.is_table and name in shape.type.model_fields:
            homes.append(f"[{table}]")
    return homes


def _bad_name(loc: Key) -> Finding:
    shape = shape_of(ModelName) if loc[0] == "models" else shape_at(loc[:-1]).parts[0]
    return Finding("config.invalid", f"{shown(loc[-1])} must be {words_for(shape)}", loc, "rename it", "key")


def _missing(loc: Key) -> Finding:
    table, name = loc[:-1], str(loc[-1])
    model: type[BaseModel] = shape_at(table).type
    description = model.model_fields[name].description or ""
    hint = f"add `{name} = …`: {description[:1].lower()}{description[1:]}"
    return Finding("config.invalid", f"`{name}` is missing in [{dotted(table)}]", loc, hint, "table")


def _example(loc: Key) -> str:
    """The field's default, as a line to write."""
    shape = shape_at(loc[:-1])
    if not shape.is_table or not isinstance(loc[-1], str) or loc[-1] not in shape.type.model_fields:
        return ""
    info = shape.type.model_fields[loc[-1]]
    if info.is_required():
        return ""
    default = as_toml(info.get_default(call_default_factory=True), shape_of_field(info).unit)
    if default == "{}":
        return ""
    return f"for example `{loc[-1]} = {default}`" if default else f"`{loc[-1]}` may be left out"


def _value_at(tree: Any, loc: Key) -> object:
    for part in loc:
        if isinstance(tree, dict):
            tree = tree.get(part)
        elif isinstance(tree, list | tuple) and isinstance(part, int) and part < len(tree):
            tree = tree[part]
        else:
            return None
    return tree
