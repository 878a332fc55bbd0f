"""Where each value that is in force was said: file and line, the environment, or nowhere, that is the default.

Pure, over the files of a snapshot. What may be a secret is not shown.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from hal0.daemon.config.document import Document, dotted
from hal0.daemon.config.environment import Raw, as_written, overruled, value_at
from hal0.daemon.config.expectation import shape_of_field
from hal0.daemon.config.merge import Merged
from hal0.daemon.config.positions import Key, Positions
from hal0.daemon.config.schema import EMBEDDED_SLOTS, Settings
from hal0.daemon.config.snapshot import UNSHOWN
from hal0.daemon.config.sources import Sources
from hal0.wire import ConfigFile, ConfigValue, KeyPlace

HIDDEN = "(not shown)"


def values(settings: Settings, sources: Sources, env: Mapping[str, str]) -> list[ConfigValue]:
    """Every key in the order of the schema, with its value as it would be written."""
    merged = Merged([Document(source) for source in sources.files], env)
    winning = overruled(env)
    in_force = {
        table: {key: each for key, each in keys.items() if (table, key) not in winning}
        for table, keys in merged.raw.items()
        if isinstance(keys, Mapping)
    }
    return [
        ConfigValue(key=dotted(key), value=value, origin=winning.get(key) or _origin(key, merged))
        for key, value in _values((), settings, in_force)
        if value
    ]


def written_at(key: Key, files: Sequence[ConfigFile], *, main: str) -> KeyPlace:
    """Where the files have this key, or the `[header]` of this table; also when they are not valid TOML."""
    for file in files:
        found = Positions(file.text.removeprefix("\ufeff"))
        if key in found.keys:
            return KeyPlace(key=dotted(key), path=file.path, line=found.of_table(key).line)
    return KeyPlace(key=dotted(key), path=main)


def _values(path: Key, table: BaseModel, raw: Raw) -> Iterator[tuple[Key, str]]:
    for name, info in type(table).model_fields.items():
        value, key = getattr(table, name), (*path, name)
        if isinstance(value, BaseModel):
            yield from _values(key, value, raw)
        elif name in UNSHOWN:
            yield key, HIDDEN if value else ""
        elif isinstance(value, Mapping):
            yield from _named(key, value, raw)
        else:
            yield key, as_written(value, shape_of_field(info).unit, key=key, raw=raw)
    yield from _named(path, table.__pydantic_extra__ or {}, raw)


def _named(path: Key, named: Mapping[str, Any], raw: Raw) -> Iterator[tuple[Key, str]]:
    for name, each in named.items():
        if isinstance(each, BaseModel):
            yield from _values((*path, name), each, raw)
        else:
            yield (*path, name), as_written(each, "", key=(*path, name), raw=raw)


def _origin(key: Key, merged: Merged) -> str:
    if value_at(merged.raw, key) is not None:
        document = merged.document_of(key)
        assert document is not None, "it is written"
        return f"{document.path}:{document.positions.of_key(key).line}"
    return "embedded default" if not merged.raw.get("slots") and _is_embedded(key) else "default"


def _is_embedded(key: Key) -> bool:
    """Whether the embedded slots say this, and do not leave it to the default of every slot."""
    if len(key) < 3 or key[0] != "slots" or key[1] not in EMBEDDED_SLOTS:
        return False
    return key[2] in EMBEDDED_SLOTS[str(key[1])].model_fields_set
