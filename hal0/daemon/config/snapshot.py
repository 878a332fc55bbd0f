"""One checked configuration, and what two of them have different.

Frozen values and pure functions. Whether a changed slot must restart is for the slots to say, by the command line they
render; here a slot that differs in any key counts as changed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from hal0.daemon.config.document import dotted
from hal0.daemon.config.expectation import as_toml, shape_of_field
from hal0.daemon.config.schema import Settings

# Their values may be secrets, and events, logs and the dashboard show the lines of a diff.
UNSHOWN = frozenset({"env", "args", "command", "headers"})


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A configuration that can be used, numbered by its revision."""

    revision: int
    hash: str  # of the files' contents
    settings: Settings
    path: Path  # of hal0.toml, whether it exists or not
    exists: bool  # whether any file was read; without one this is the embedded default


@dataclass(frozen=True, slots=True)
class Diff:
    """What a new snapshot changes."""

    slots_added: tuple[str, ...] = ()
    slots_removed: tuple[str, ...] = ()
    slots_changed: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()  # every changed key, dotted; of slots and models too
    lines: tuple[str, ...] = ()  # the same for people


def compare(old: Settings, new: Settings) -> Diff:
    """All that differs, in the order of the schema."""
    changes = list(_changes((), old, new))
    slots = [key[1] for key, _ in changes if key[0] == "slots"]
    both = old.slots.keys() & new.slots.keys()
    return Diff(
        slots_added=tuple(name for name in new.slots if name not in old.slots),
        slots_removed=tuple(name for name in old.slots if name not in new.slots),
        slots_changed=tuple(dict.fromkeys(name for name in slots if name in both)),
        keys=tuple(dotted(key) for key, _ in changes),
        lines=tuple(line for _, line in changes),
    )


def keys_awaiting_restart(started: Settings, now: Settings) -> tuple[str, ...]:
    """The keys whose present value is not the one the daemon was started with, and which it reads only then."""
    return tuple(dotted(key) for key, _ in _changes((), started, now) if _is_read_at_start(now, key))


def _is_read_at_start(settings: Settings, key: tuple[str, ...]) -> bool:
    table = getattr(settings, key[0])
    info = type(table).model_fields.get(key[1]) if isinstance(table, BaseModel) else None
    return info is not None and shape_of_field(info).at_start


def _changes(path: tuple[str, ...], old: BaseModel, new: BaseModel) -> Iterator[tuple[tuple[str, ...], str]]:
    for name, info in type(new).model_fields.items():
        before, after = getattr(old, name), getattr(new, name)
        if before == after:
            continue
        key = (*path, name)
        if isinstance(after, BaseModel):
            yield from _changes(key, before, after)
        elif isinstance(after, Mapping) and name not in UNSHOWN:
            yield from _named_changes(key, before, after)
        elif name in UNSHOWN:
            yield key, f"{dotted(key)} changed"
        else:
            unit = shape_of_field(info).unit
            yield key, f"{dotted(key)}: {as_toml(before, unit) or 'unset'} → {as_toml(after, unit) or 'unset'}"
    before, after = old.__pydantic_extra__ or {}, new.__pydantic_extra__ or {}
    yield from _named_changes(path, before, after)


def _named_changes(
    path: tuple[str, ...], old: Mapping[str, Any], new: Mapping[str, Any]
) -> Iterator[tuple[tuple[str, ...], str]]:
    for name in [*old, *(name for name in new if name not in old)]:
        key = (*path, name)
        if name not in new:
            yield key, f"{dotted(key)} removed"
        elif name not in old:
            yield key, f"{dotted(key)} added"
        else:
            yield from _changes(key, old[name], new[name])
