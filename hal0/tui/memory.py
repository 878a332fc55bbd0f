"""What a person set in the dashboard and where they have been, for the next time: `tui.json` in the state folder.

It is never in the way: a file that cannot be read or written is as none, and `problem` tells so. No key is in it.
"""

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from hal0.errors import Hal0Error
from hal0.tui.client import Address
from hal0.tui.hosts import HostEntry
from hal0.tui.look import THEME_NAMES

MOST_VISITS = 20


@dataclass(frozen=True, slots=True)
class Habits:
    """What was set; empty: nothing."""

    theme: str = ""
    sort: str = ""  # the title of a column
    is_reversed: bool = False
    view: str = ""
    recording: str = ""  # the file of the last recording


class Memory:
    """One file; several dashboards may write it, each only what was changed in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.problem = ""  # why it could not be read or written
        found = self._read()
        self.habits = Habits(**{each.name: found[each.name] for each in fields(Habits) if _fits(found, each.name)})

    @property
    def theme(self) -> str:
        """The one chosen last; empty: none, or one of another version."""
        return self.habits.theme if self.habits.theme in THEME_NAMES else ""

    def keep(self, habits: Habits) -> None:
        """Write down what is different from before."""
        before, after = asdict(self.habits), asdict(habits)
        changes = {name: value for name, value in after.items() if value != before[name]}
        self.habits = habits
        if changes:
            self._change(lambda kept: kept | changes)

    def visits(self) -> list[HostEntry]:
        """The hosts gone to before."""
        found = []
        for address, visit in _visits(self._read()).items():
            with suppress(Hal0Error):  # somebody has written into the file
                entry = HostEntry(Address.read(address), "before", str(visit.get("host", "")), seen_at=_time_of(visit))
                found.append(entry)
        return found

    def visited(self, address: Address, host: str, at: float) -> None:
        """Keep that a daemon answered there, on a machine of this name."""

        def note(kept: dict[str, Any]) -> dict[str, Any]:
            visits = {**_visits(kept), address.without_secrets: {"host": host, "at": at}}
            newest = sorted(visits, key=lambda each: _time_of(visits[each]), reverse=True)[:MOST_VISITS]
            return kept | {"hosts": {each: visits[each] for each in newest}}

        self._change(note)

    def forget(self, address: Address) -> None:
        def drop(kept: dict[str, Any]) -> dict[str, Any]:
            return kept | {
                "hosts": {each: visit for each, visit in _visits(kept).items() if each != address.without_secrets}
            }

        self._change(drop)

    def _read(self) -> dict[str, Any]:
        try:
            kept = json.loads(self._path.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            self.problem = f"{_reason(error)}: {self._path}"
            return {}
        return kept if isinstance(kept, dict) else {}

    def _change(self, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        new = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            new.write_text(json.dumps(change(self._read()), indent=1) + "\n")
            new.chmod(0o600)
            new.replace(self._path)
        except (OSError, ValueError) as error:
            self.problem = f"{_reason(error)}: {self._path}"
            with suppress(OSError):
                new.unlink(missing_ok=True)


def _fits(kept: dict[str, Any], name: str) -> bool:
    return type(kept.get(name)) is type(getattr(Habits(), name))


def _visits(kept: dict[str, Any]) -> dict[str, dict[str, Any]]:
    hosts = kept.get("hosts")
    return {each: visit for each, visit in hosts.items() if isinstance(visit, dict)} if isinstance(hosts, dict) else {}


def _time_of(visit: dict[str, Any]) -> float:
    at = visit.get("at")
    return float(at) if isinstance(at, int | float) else 0.0


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "it is not what the dashboard writes"
