"""The file of the API keys: TOML of hal0's own, private, without a single key in it. Blocking; call it in a thread."""

import os
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from hal0.daemon.config.keeping import keep, sync_folder
from hal0.daemon.config.replacement import translated
from hal0.daemon.keys.key import NAME, Key, Keys
from hal0.errors import Hal0Error

HEADING = "# The API keys of hal0, hashed. `hal0 key add`, `list` and `revoke` write this file.\n\n"
LARGEST_BYTES = 2**20

Stamp = tuple[int, ...]


def _with_a_zone(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("the time has no zone")
    return moment


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")

    scope: Literal["inference", "admin"]
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    created: Annotated[datetime, AfterValidator(_with_a_zone)]
    slots: list[str] | None = Field(None, min_length=1)

    @model_validator(mode="after")
    def _an_admin_key_has_no_limit(self) -> Self:
        if self.scope == "admin" and self.slots is not None:
            raise ValueError("an admin key opens everything, so it cannot be limited to slots")
        return self


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keys: dict[Annotated[str, Field(pattern=f"^{NAME.pattern}$")], _Row] = {}


def stamp(path: Path) -> Stamp | None:
    """What differs when the file does; None if it is not there, or cannot be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode, found.st_uid


def read_keys(path: Path) -> Keys | None:
    """The keys; None if there is no file. Raises `system.keys_unusable`."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            _check_private(path, os.fstat(file.fileno()))
            raw = file.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    if len(raw) > LARGEST_BYTES:
        raise _unusable(path, f"it is larger than {LARGEST_BYTES // 2**20} MiB")
    return _parsed(path, raw)


def change_keys(path: Path, change: Callable[[Keys], Keys]) -> Keys:
    """Write what `change` makes of the keys that are there now.

    Raises `system.keys_unusable`, `config.read_only` or `config.write_failed`, and what `change` raises.
    """
    keys = change(read_keys(path) or {})
    import tomli_w

    with translated(path):
        keep(path, HEADING + tomli_w.dumps({"keys": {name: _table(key) for name, key in keys.items()}}))
        sync_folder(path.parent)
    return keys


def remove_keys(path: Path) -> None:
    """Take the file away; raises `config.read_only` or `config.write_failed`."""
    with translated(path):
        path.unlink(missing_ok=True)
        sync_folder(path.parent)


def _check_private(path: Path, found: os.stat_result) -> None:
    """Whoever can write here can let himself in. To read it helps nobody: no key can be made out of a digest."""
    if not stat.S_ISREG(found.st_mode):
        raise _unusable(path, "it is not a file")
    if found.st_uid not in (0, os.geteuid()):
        raise _unusable(path, f"it is the user {found.st_uid}'s, and so are the keys that are in it")
    if found.st_mode & 0o022:
        raise _unusable(path, "others can write to it; chmod 600 makes it yours alone")


def _parsed(path: Path, raw: bytes) -> Keys:
    import tomllib

    try:
        rows = _File.model_validate(tomllib.loads(raw.decode())).keys
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise _unusable(path, f"{place}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:  # not UTF-8, not TOML, or nested without end
        raise _unusable(path, str(error)) from error
    return {
        name: Key(
            name,
            row.scope,
            bytes.fromhex(row.sha256),
            row.created.timestamp(),
            None if row.slots is None else frozenset(row.slots),
        )
        for name, row in rows.items()
    }


def _table(key: Key) -> dict[str, object]:
    table: dict[str, object] = {
        "scope": key.scope,
        "sha256": key.digest.hex(),
        "created": datetime.fromtimestamp(key.created_at, UTC),
    }
    return table if key.slots is None else {**table, "slots": sorted(key.slots)}


def _unusable(path: Path, reason: str) -> Hal0Error:
    return Hal0Error("system.keys_unusable", path=str(path), reason=reason)
