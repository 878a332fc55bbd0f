"""Where the daemon's state lies if hal0.toml says so. Asked before anything else: the lock and the history lie there.

What is wrong with the files is not told here; whoever judges them does that.
"""

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hal0.daemon.config.document import REFERENCE_MARK, Document, DocumentError
from hal0.daemon.config.positions import Positions
from hal0.daemon.config.sources import Source, read_sources
from hal0.paths import Paths, named_state

KEY = ("daemon", "state_dir")


def placed(paths: Paths, env: Mapping[str, str] | None = None) -> Paths:
    """The places, with the state where the configuration has it; HAL0_STATE_DIR wins."""
    env = os.environ if env is None else env
    if named_state(env) is not None:
        return paths
    found = [value for source in read_sources(paths.config).files if (value := _stated(source, env)) is not None]
    if len(found) != 1 or not isinstance(found[0], str) or not found[0] or REFERENCE_MARK in found[0]:
        return paths
    try:
        return replace(paths, state=paths.config.parent / Path(found[0]).expanduser())
    except RuntimeError:  # "~nobody-here"
        return paths


def _stated(source: Source, env: Mapping[str, str]) -> object:
    try:
        tree, _ = Document(source).substituted(env)
    except DocumentError:
        return _from_a_broken_file(source)
    table = tree.get("daemon")
    return table.get("state_dir") if isinstance(table, dict) else None


def _from_a_broken_file(source: Source) -> object:
    """A person who mends it wants the history that goes with it."""
    import tomllib

    text = source.raw.decode(errors="replace")
    found = Positions(text)
    statement = next((each for each in found.statements if each.path == KEY), None)
    if statement is None:
        return None
    try:
        tree: dict[str, Any] = tomllib.loads(f"it = {text[found.values[KEY] : statement.end]}")
    except ValueError:
        return None
    return tree["it"]
