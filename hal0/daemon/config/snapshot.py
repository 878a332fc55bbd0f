"""One checked configuration, and what two of them have different.

Frozen values and pure functions. Whether a changed slot must restart is for the slots to say, by the command line they
render; here a slot that differs in any key counts as changed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel

from hal0.daemon.config.document import dotted
from hal0.daemon.config.environment import Raw, as_written, value_at
from hal0.daemon.config.expectation import as_toml, shape_of_field
from hal0.daemon.config.positions import Key
from hal0.daemon.config.schema import Settings

# Their values may be secrets, and events, logs and the dashboard show the lines of a diff.
UNSHOWN = frozenset({"env", "args", "command", "headers"})
NOTHING: Raw = MappingProxyType({})
NONE: Mapping[Key, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A configuration that can be used, numbered by its revision."""

    revision: int
    hash: str  # of the files' contents
    settings: Settings
    path: Path  # of hal0.toml, whether it exists or not
    exists: bool  # whether any file was read; without one this is the embedded default
    raw: Raw = field(default_factory=dict)  # the values as they stand in the files


@dataclass(frozen=True, slots=True)
class Diff:
    """What a new snapshot changes."""

    slots_added: tuple[str, ...] = ()
    slots_removed: tuple[str, ...] = ()
    slots_changed: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()  # every changed key, dotted; of slots and models too
    lines: tuple[str, ...] = ()  # the same for people


def compare(
    old: Settings, new: Settings, *, was: Raw = NOTHING, now: Raw = NOTHING, overruled: Mapping[Key, str] = NONE
) -> Diff:
    """All that differs, in the order of the schema.

    `was`, `now`: the values as they stand in the files. `overruled`: keys that the files say in vain, and what wins.
    """
    changes = list(_Comparison(was, now).of((), old, new))
    for key in _said_in_vain(was, now, overruled):
        before, after = (as_toml(value_at(raw, key)) or "unset" for raw in (was, now))
        changes.append((key, f"{dotted(key)}: {before} → {after}, but {overruled[key]} wins"))
    slots = [str(key[1]) for key, _ in changes if key[0] == "slots"]
    both = old.slots.keys() & new.slots.keys()
    return Diff(
        slots_added=tuple(name for name in new.slots if name not in old.slots),
        slots_removed=tuple(name for name in old.slots if name not in new.slots),
        slots_changed=tuple(dict.fromkeys(name for name in slots if name in both)),
        keys=tuple(dotted(key) for key, _ in changes),
        lines=tuple(line for _, line in changes),
    )


def keys_awaiting_restart(
    started: Settings, new: Settings, *, was: Raw = NOTHING, now: Raw = NOTHING, overruled: Iterable[Key] = ()
) -> tuple[str, ...]:
    """The keys whose present value is not the one the daemon was started with, and which it reads only then.

    `was`, `now` and `overruled` as in `compare`: a key that the files say in vain waits too.
    """
    changed = [key for key, _ in _Comparison(was, now).of((), started, new)]
    changed += _said_in_vain(was, now, overruled)
    return tuple(dotted(key) for key in changed if _is_read_at_start(new, key))


def _said_in_vain(was: Raw, now: Raw, overruled: Iterable[Key]) -> list[Key]:
    return [key for key in overruled if value_at(was, key) != value_at(now, key)]


def _is_read_at_start(settings: Settings, key: Key) -> bool:
    assert isinstance(key[0], str)
    assert isinstance(key[1], str)
    table = getattr(settings, key[0])
    info = type(table).model_fields.get(key[1]) if isinstance(table, BaseModel) else None
    return info is not None and shape_of_field(info).at_start


@dataclass(frozen=True, slots=True)
class _Comparison:
    """Two settings, key by key; each change with a line for people."""

    was: Raw
    now: Raw

    def of(self, path: Key, old: BaseModel, new: BaseModel) -> Iterator[tuple[Key, str]]:
        """What differs in a table."""
        for name, info in type(new).model_fields.items():
            before, after = getattr(old, name), getattr(new, name)
            if before == after:
                continue
            key = (*path, name)
            if isinstance(after, BaseModel):
                yield from self.of(key, before, after)
            elif name in UNSHOWN:
                yield key, f"{dotted(key)} changed"
            elif isinstance(after, Mapping):
                yield from self._named(key, before, after)
            else:
                yield self._value(key, before, after, shape_of_field(info).unit)
        yield from self._named(path, old.__pydantic_extra__ or {}, new.__pydantic_extra__ or {})

    def _named(self, path: Key, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[Key, str]]:
        """What differs in tables, or plain values, by their names."""
        for name in [*old, *(name for name in new if name not in old)]:
            key, before, after = (*path, name), old.get(name), new.get(name)
            if isinstance(before, BaseModel) and isinstance(after, BaseModel):
                yield from self.of(key, before, after)
            elif isinstance(before, BaseModel) or isinstance(after, BaseModel):
                yield key, f"{dotted(key)} {'removed' if after is None else 'added'}"
            elif before != after:
                yield self._value(key, before, after, "")

    def _value(self, key: Key, before: object, after: object, unit: str) -> tuple[Key, str]:
        said = as_written(before, unit, key=key, raw=self.was), as_written(after, unit, key=key, raw=self.now)
        if said[0] == said[1]:  # what is filled in differs, and that is not told
            return key, f"{dotted(key)} changed"
        return key, f"{dotted(key)}: {said[0] or 'unset'} → {said[1] or 'unset'}"
