"""What a field takes, in words: told from its type, for messages and for docs/config.md."""

import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hal0.daemon.config.schema import AtStart, Like, Unit, WordForNone
from hal0.daemon.config.units import show_bytes, show_seconds


@dataclass(slots=True)
class Shape:
    """A type with what its annotations say about it."""

    type: Any
    unit: str = ""
    like: str = ""
    low: float | None = None
    above: float | None = None
    high: float | None = None
    at_start: bool = False
    word_for_none: str = ""
    parts: tuple["Shape", ...] = field(default=())

    @property
    def is_table(self) -> bool:
        return isinstance(self.type, type) and issubclass(self.type, BaseModel)


def shape_of(annotation: Any, metadata: Iterable[Any] = ()) -> Shape:
    """Read a type annotation: what is optional counts as what it is when it is given."""
    marks = list(metadata)
    while True:
        origin, args = get_origin(annotation), get_args(annotation)
        if origin is Annotated:
            marks = [*args[1:], *marks]
            annotation = args[0]
        elif origin in (Union, types.UnionType) and type(None) in args:
            annotation = next(arg for arg in args if arg is not type(None))
        else:
            break
    shape = Shape(origin or annotation)
    if origin in (tuple, Mapping) or (isinstance(origin, type) and issubclass(origin, Mapping)):
        shape.parts = tuple(shape_of(arg) for arg in args if arg is not Ellipsis)
        shape.like = "pair" if origin is tuple and Ellipsis not in args else ""
    elif origin is Literal:
        shape.like = " or ".join(f'"{arg}"' for arg in args)
    for mark in marks:
        _note(shape, mark)
    return shape


def shape_of_field(info: FieldInfo) -> Shape:
    return shape_of(info.annotation, info.metadata)


def _note(shape: Shape, mark: Any) -> None:
    match mark:
        case FieldInfo():
            for each in mark.metadata:
                _note(shape, each)
        case Unit():
            shape.unit = mark.name
        case Like():
            shape.like = mark.words
        case AtStart():
            shape.at_start = True
        case WordForNone():
            shape.word_for_none = mark.word
        case Ge(ge=low):
            shape.low = max(float(low), float("-inf") if shape.low is None else shape.low)  # type: ignore[arg-type]
        case Gt(gt=above):
            shape.above = float(above)  # type: ignore[arg-type]
        case Le(le=high):
            shape.high = min(float(high), shape.high or float("inf"))  # type: ignore[arg-type]


def words_for(shape: Shape) -> str:
    """What a value of this shape must be: "a whole number from 1 to 65535"."""
    if shape.is_table:
        return "a table"
    if shape.type is Literal:
        return shape.like
    if shape.type is bool:
        return "true or false"
    if shape.type is Any:
        return shape.like
    if shape.type is float and shape.unit == "dollars":
        return f"a number {_range(shape)}"
    if shape.type is float:
        bound = " above 0" if shape.above == 0 else ""
        return f'a duration{bound} in seconds or such as "30s", "5m", "1h30m"'
    if shape.type is int and shape.unit == "bytes":
        word = f', or "{shape.word_for_none}"' if shape.word_for_none else ""
        return f'a size in bytes or such as "64MiB", "8GiB", {_range(shape)}{word}'
    if shape.type is int:
        return f"a whole number {_range(shape)}"
    if shape.type is str:
        return shape.like or "text in quotes"
    if shape.type is tuple and shape.like == "pair":
        return f"a list of two whole numbers {_range(shape.parts[0])}"
    if shape.type is tuple and shape.like:
        return shape.like
    if shape.type is tuple:
        return f"a list, each {words_for(shape.parts[0])}"
    return f"a table, each value {words_for(shape.parts[1])}"


def _range(shape: Shape) -> str:
    def number(value: float | None) -> str:
        return show_bytes(int(value or 0)) if shape.unit == "bytes" else f"{int(value or 0)}"

    return f"from {number(shape.low)} to {number(shape.high)}"


def as_toml(value: object, unit: str = "") -> str:
    """A default as it would be written in the file; "" for one that cannot be written (left out)."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float() if unit == "seconds":
            return f'"{show_seconds(value)}"' if value else "0"
        case int() if unit == "bytes":
            return f'"{show_bytes(value)}"'
        case int() | float():
            return f"{value}"
        case str():
            return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
        case tuple() | list():
            return "[" + ", ".join(as_toml(each) for each in value) + "]"
        case Mapping() if value:
            return "{ " + ", ".join(f"{name} = {as_toml(each)}" for name, each in value.items()) + " }"
        case _:
            return "{}"
