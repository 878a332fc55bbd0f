"""The configuration and the keys where no daemon runs: written by the daemon's own stores, with their judgement.

A daemon that starts meanwhile waits for the end, and finds what was written as the revision that runs. Imported when it
is needed: what it takes of the daemon is slow to load.
"""

import asyncio
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from hal0.daemon.config.file import ConfigProblems, judge
from hal0.daemon.config.history import History, difference, texts_of
from hal0.daemon.config.place import placed
from hal0.daemon.config.proposals import Proposal
from hal0.daemon.config.sources import read_sources
from hal0.daemon.config.store import ConfigStore
from hal0.daemon.events import EventBus
from hal0.daemon.instance import vacancy
from hal0.daemon.keys.key import Scope
from hal0.daemon.keys.store import KeyStore
from hal0.daemon.models.registry import Registry
from hal0.daemon.providers import make_providers
from hal0.daemon.providers.base import spec_of
from hal0.daemon.providers.rehearsal import Rehearsal
from hal0.hardware.facts import read_facts
from hal0.paths import SYSTEM_CONFIG, SYSTEM_STATE, locate
from hal0.wire import ConfigFile, ConfigTexts, ConfigView, KeysView, NewKey, Revision


class Vacant:
    """The files of the installation whose daemon would start here. Nothing is kept between two calls."""

    def __init__(self) -> None:
        paths = locate()
        # With the system's file goes the service's state.
        is_service = paths.config == SYSTEM_CONFIG and "HAL0_STATE_DIR" not in os.environ and SYSTEM_STATE.is_dir()
        self._paths = placed(replace(paths, state=SYSTEM_STATE) if is_service else paths)
        self._history = History(self._paths.state / "config")

    def view(self) -> ConfigView:
        with self._store() as store:
            return _for_later(store.view())

    def texts(self) -> ConfigTexts:
        with self._store() as store:
            return asyncio.run(store.texts())

    def write(
        self,
        proposal: Proposal,
        *,
        by: str,
        why: str = "",
        based_on: str | None = None,
        is_whole: bool = False,
        force: bool = False,
    ) -> ConfigView:
        """Judge, write and put into the history; raises as a daemon's answer would."""
        with self._store() as store:
            writing = store.write(proposal, by=by, why=why, based_on=based_on, is_whole=is_whole, force=force)
            return _for_later(asyncio.run(writing))

    def roll_back(self, number: int, *, by: str, why: str = "") -> ConfigView:
        with self._store() as store:
            return _for_later(asyncio.run(store.rollback(number, by=by, why=why)))

    def revisions(self) -> list[Revision]:
        return self._history.all()

    def lines_between(self, first: int | None, second: int | None) -> list[str]:
        """From a revision, the last one if none is named, to another or to the files on disk."""
        old = self._texts_of(first or max(self._history.numbers(), default=1))
        new = self._texts_of(second)
        return difference(old[1], new[1], names=(old[0], new[0]))

    def _texts_of(self, number: int | None) -> tuple[str, list[ConfigFile]]:
        if number is None:
            return "on disk", texts_of(read_sources(self._paths.config))
        return f"revision {number}", self._history.get(number).files

    def keys(self) -> KeysView:
        keys = self._keys()
        keys.load()
        return keys.view()

    def add_key(self, name: str, scope: Scope, slots: tuple[str, ...]) -> NewKey:
        with self._turn():
            return asyncio.run(self._keys().add(name, scope, slots))

    def revoke_key(self, name: str) -> KeysView:
        with self._turn():
            return asyncio.run(self._keys().revoke(name))

    def remove_keys(self) -> KeysView:
        with self._turn():
            return asyncio.run(self._keys().remove_all())

    def _keys(self) -> KeyStore:
        """Raises `ConfigProblems`, for the configuration says where they are."""
        judgement = judge(self._paths.config, required=self._paths.config_required)
        if judgement.settings is None:
            raise ConfigProblems(self._paths.config, judgement.problems)
        settings = judgement.settings
        return KeyStore(lambda: settings, self._paths.state)

    def check_slot(self, name: str) -> dict[str, Any]:
        """Raises what would keep the slot from starting."""
        judgement = judge(self._paths.config, required=self._paths.config_required)
        if judgement.settings is None:
            raise ConfigProblems(self._paths.config, judgement.problems)
        config = judgement.settings.slots[name]
        provider = make_providers(read_facts())[config.provider]
        find = Registry(judgement.settings.models, state=self._paths.state).find
        provider.launch(spec_of(name, config, provider=provider, find=find))
        return {}

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """No daemon can start meanwhile; raises `system.already_running` if one runs after all."""
        logging.getLogger("hal0").addHandler(logging.NullHandler())  # what is logged is shown or raised as well
        with vacancy(self._paths):
            yield

    @contextmanager
    def _store(self) -> Iterator[ConfigStore]:
        state = self._paths.state
        with self._turn():
            providers = make_providers(read_facts())
            store = ConfigStore(
                EventBus(),
                self._paths.config,
                required=self._paths.config_required,
                history=self._history,
                appraise=Rehearsal(providers, make_registry=lambda models: Registry(models, state=state)),
            )
            store.load_to_write()
            yield store


def _for_later(view: ConfigView) -> ConfigView:
    """Nothing runs by it yet, so nothing waits for a restart either."""
    return view.model_copy(update={"live": False, "needs_restart": []})
