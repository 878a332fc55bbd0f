"""Where each value that is in force was said: file and line, the environment, or nowhere, that is the default.

Pure, over the files of a snapshot. What may be a secret is not shown.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from hal0.daemon.config.document import Document, dotted
from hal0.daemon.config.expectation import as_toml, shape_of_field
from hal0.daemon.config.merge import Merged
from hal0.daemon.config.positions import Key
from hal0.daemon.config.schema import Settings
from hal0.daemon.config.snapshot import UNSHOWN
from hal0.daemon.config.sources import Sources
from hal0.wire import ConfigValue

FROM_ENVIRONMENT: Mapping[Key, str] = {("server", "host"): "HAL0_HOST", ("server", "port"): "HAL0_PORT"}
HIDDEN = "(not shown)"


def values(settings: Settings, sources: Sources, env: Mapping[str, str]) -> list[ConfigValue]:
    """Every key in the order of the schema, with its value as it would be written."""
    merged = Merged([Document(source) for source in sources.files], env)
    return [
        ConfigValue(key=dotted(key), value=value, origin=_origin(key, merged, env))
        for key, value in _values((), settings)
        if value
    ]


def _values(path: Key, table: BaseModel) -> Iterator[tuple[Key, str]]:
    for name, info in type(table).model_fields.items():
        value, key = getattr(table, name), (*path, name)
        if isinstance(value, BaseModel):
            yield from _values(key, value)
        elif name in UNSHOWN:
            yield key, HIDDEN if value else ""
        elif isinstance(value, Mapping):
            yield from _named(key, value)
        else:
            yield key, as_toml(value, shape_of_field(info).unit)
    yield from _named(path, table.__pydantic_extra__ or {})


def _named(path: Key, tables: Mapping[str, Any]) -> Iterator[tuple[Key, str]]:
    for name, table in tables.items():
        yield from _values((*path, name), table)


def _origin(key: Key, merged: Merged, env: Mapping[str, str]) -> str:
    variable = FROM_ENVIRONMENT.get(key)
    if variable and env.get(variable):
        return variable
    if _is_written(key, merged.raw):
        document = merged.document_of(key)
        assert document is not None, "it is written"
        return f"{document.path}:{document.positions.of_key(key).line}"
    return "embedded default" if key[0] == "slots" and not merged.raw.get("slots") else "default"


def _is_written(key: Key, tree: Any) -> bool:
    for part in key:
        if not isinstance(tree, dict) or part not in tree:
            return False
        tree = tree[part]
    return True
