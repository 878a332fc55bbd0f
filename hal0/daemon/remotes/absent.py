"""Remotes whose key is not there now: warnings with their place, for `hal0 config check` and `hal0 plan`.

Warnings only: the command does not have the daemon's environment, and a key may come later. A request fails with the
same words.
"""

from collections.abc import Mapping

from hal0.daemon.config.document import Document
from hal0.daemon.config.merge import Merged
from hal0.daemon.config.schema import Settings
from hal0.daemon.config.sources import Sources
from hal0.daemon.remotes.keys import key_of
from hal0.errors import Hal0Error
from hal0.wire import Problem


def absent_keys(settings: Settings, sources: Sources, *, env: Mapping[str, str]) -> list[Problem]:
    """A warning for each remote whose key cannot be had; `settings` are what `sources` amount to. Reads key files."""
    failures: dict[str, Hal0Error] = {}
    for name, remote in settings.remotes.items():
        try:
            key_of(name, remote, env)
        except Hal0Error as error:
            failures[name] = error
    if not failures:
        return []
    merged = Merged([Document(source) for source in sources.files], env)
    return [_placed(name, error, merged) for name, error in failures.items()]


def _placed(remote: str, error: Hal0Error, merged: Merged) -> Problem:
    table = merged.tree["remotes"][remote]
    key = ("remotes", remote, "key_env" if "key_env" in table else "key_file")
    document = merged.document_of(key)
    assert document is not None, "a remote is written down"
    at = document.positions.of_value(key)
    return document.problem(error.code, error.message, at=at, key=key, hint=error.remedy)
