"""The dashboard's own settings, `tui.toml` beside hal0.toml in a person's configuration: what its options would say."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hal0.errors import Hal0Error, did_you_mean
from hal0.tui.client import Address
from hal0.tui.hosts import HostEntry
from hal0.tui.look import THEME_NAMES
from hal0.tui.rebinding import DEFAULT, BadKeyError, Keymap, rebound

LEAST_FPS, MOST_FPS = 1, 30
HOST_KEYS = ("url", "key_file", "key_env", "ca_file")


@dataclass(frozen=True, slots=True)
class Settings:
    """What is not set is None; the options of the command line come before all of it."""

    theme: str | None = None
    ascii: bool | None = None
    read_only: bool | None = None
    fps: float | None = None
    mouse: bool | None = None
    keymap: Keymap = DEFAULT
    hosts: tuple[HostEntry, ...] = ()


def read_settings(path: Path) -> Settings:
    """The settings of a file that need not exist; raises `Hal0Error` naming the file and what is wrong in it."""
    try:
        table = tomllib.loads(path.read_text())
    except FileNotFoundError:
        return Settings()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise Hal0Error("config.unreadable", path=path, reason=reason) from error
    except tomllib.TOMLDecodeError as error:
        raise _bad(path, f"not valid TOML: {error}") from error
    known = [*(name for name in Settings.__dataclass_fields__ if name != "keymap"), "keys"]
    for name in table.keys() - {*known}:
        raise _bad(path, f"there is no setting {name!r}{did_you_mean(name, known)}")
    values = {name: _checked(path, name, value) for name, value in table.items() if name not in ("keys", "hosts")}
    return Settings(**values, keymap=_keymap(path, table.get("keys", {})), hosts=_hosts(path, table.get("hosts", {})))


def _checked(path: Path, name: str, value: Any) -> Any:
    if name == "theme":
        if value not in THEME_NAMES:
            near = did_you_mean(str(value), THEME_NAMES)
            raise _bad(path, f"there is no theme {value!r}{near or '; there are ' + ', '.join(THEME_NAMES)}")
    elif name == "fps":
        if isinstance(value, bool) or not isinstance(value, int | float) or not LEAST_FPS <= value <= MOST_FPS:
            raise _bad(path, f"fps must be a number from {LEAST_FPS} to {MOST_FPS}")
    elif not isinstance(value, bool):
        raise _bad(path, f"{name} must be true or false")
    return value


def _keymap(path: Path, table: Any) -> Keymap:
    if not isinstance(table, dict):
        raise _bad(path, '[keys] must be a table of `id = "key"`')
    wanted: dict[str, list[str]] = {}
    for id, value in table.items():
        names = value if isinstance(value, list) else [value]
        if not all(isinstance(name, str) for name in names):
            raise _bad(path, f"[keys] {id} must be a key, or a list of keys")
        wanted[id] = names
    try:
        return rebound(wanted) if wanted else DEFAULT
    except BadKeyError as error:
        raise _bad(path, f"[keys] {error}") from error


def _hosts(path: Path, table: Any) -> tuple[HostEntry, ...]:
    if not isinstance(table, dict):
        raise _bad(path, '[hosts] must be a table of `name = "url"`, or of tables with a url')
    return tuple(_host(path, name, value) for name, value in table.items())


def _host(path: Path, name: str, value: Any) -> HostEntry:
    """Paths begin at the folder of the settings, unless they are absolute or of somebody's home."""
    table = {"url": value} if isinstance(value, str) else value
    if not isinstance(table, dict):
        raise _bad(path, f"[hosts] {name} must be a url, or a table with one")
    for key, text in table.items():
        if key not in HOST_KEYS:
            hint = "; a key is never written here: key_file or key_env names where it is" if key == "key" else ""
            raise _bad(path, f"[hosts] {name} has no {key!r}{hint or did_you_mean(key, HOST_KEYS)}")
        if not isinstance(text, str) or not text:
            raise _bad(path, f"[hosts] {name}: {key} must be a text")
    if "url" not in table:
        raise _bad(path, f"[hosts] {name} needs a url")
    if "key_file" in table and "key_env" in table:
        raise _bad(path, f"[hosts] {name} has a key_file and a key_env: choose one")

    def file(key: str) -> Path | None:
        return path.parent / Path(table[key]).expanduser() if key in table else None

    try:
        return HostEntry(
            Address.read(table["url"]),
            "settings",
            name=name,
            key_file=file("key_file"),
            key_env=table.get("key_env", ""),
            ca_file=file("ca_file"),
        )
    except (Hal0Error, RuntimeError) as error:  # no address, or "~nobody-here"
        raise _bad(path, f"[hosts] {name}: {error.message if isinstance(error, Hal0Error) else error}") from error


def _bad(path: Path, reason: str) -> Hal0Error:
    return Hal0Error("config.dashboard", path=path, reason=reason)
