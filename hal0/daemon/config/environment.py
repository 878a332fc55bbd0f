"""The environment's part in the configuration: variables that win over keys, and `${env:NAME}` in texts.

Pure. What came from the environment may be secret, so people are shown what is written, not what was filled in.
"""

from collections.abc import Mapping
from typing import Any

from hal0.daemon.config.document import REFERENCE_MARK
from hal0.daemon.config.expectation import as_toml
from hal0.daemon.config.positions import Key

Raw = Mapping[str, Any]  # the values of a configuration as they stand in its files

WINNING: Mapping[Key, str] = {
    ("server", "host"): "HAL0_HOST",
    ("server", "port"): "HAL0_PORT",
    ("daemon", "state_dir"): "HAL0_STATE_DIR",
}


def overruled(env: Mapping[str, str]) -> dict[Key, str]:
    """The keys that the files say in vain, with the variable that wins; an empty variable counts as unset."""
    return {key: variable for key, variable in WINNING.items() if env.get(variable)}


def as_written(value: object, unit: str, *, key: Key, raw: Raw) -> str:
    """A value in force as it would stand in the file; a text with references as it does stand there."""
    written = value_at(raw, key)
    if isinstance(value, tuple) and isinstance(written, list | tuple) and len(value) == len(written):
        pairs = zip(value, written, strict=True)
        return as_toml(tuple(said if _refers(said) else each for each, said in pairs))
    return as_toml(written if _refers(written) else value, unit)


def value_at(raw: Raw, key: Key) -> object:
    """What stands at a key path; None if nothing does."""
    found: Any = raw
    for part in key:
        if not isinstance(found, Mapping) or part not in found:
            return None
        found = found[part]
    return found


def _refers(written: object) -> bool:
    return isinstance(written, str) and REFERENCE_MARK in written
