"""Which remotes there are, and their lists of models kept fresh in the background. `GET /v1/models` never waits."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from hal0.daemon.config.schema import Remote as RemoteConfig
from hal0.daemon.remotes.idiom import Idiom
from hal0.daemon.remotes.remote import Remote
from hal0.errors import Hal0Error, did_you_mean

FIRST_RETRY_SECONDS = 5.0
LONGEST_RETRY_SECONDS = 600.0

log = logging.getLogger("hal0.remotes")


class Remotes:
    """The remotes by name. `apply` alone changes which there are; `run` fetches lists until it is cancelled."""

    def __init__(
        self,
        *,
        env: Mapping[str, str],
        folder: Path,
        on_failure: Callable[[Remote, Hal0Error], object],
        idioms: Mapping[str, Idiom] = MappingProxyType({}),
    ) -> None:
        self._idioms = idioms
        self._env = env
        self._folder = folder
        self._on_failure = on_failure
        self._remotes: dict[str, Remote] = {}
        self._leaving: set[Remote] = set()
        self._due: dict[str, float] = {}  # when each list is fetched next, on the monotonic clock
        self._failures: dict[str, int] = {}  # of lists, in a row
        self._changed = asyncio.Event()

    def __iter__(self) -> Iterator[Remote]:
        return iter(self._remotes.values())

    def find(self, name: str) -> Remote | None:
        return self._remotes.get(name)

    def get(self, name: str) -> Remote:
        """The remote of this name; raises `dispatch.remote_not_found`."""
        if remote := self._remotes.get(name):
            return remote
        raise Hal0Error("dispatch.remote_not_found", remote=name, nearest=did_you_mean(name, self._remotes))

    def apply(self, configs: Mapping[str, RemoteConfig]) -> None:
        """Make the remotes what the configuration says. Requests under way end with what they began with."""
        for name in [name for name in self._remotes if name not in configs]:
            self._leaving.add(self._remotes.pop(name))
            self._due.pop(name, None)
        for name, config in configs.items():
            remote = self._remotes.get(name)
            if remote is not None and remote.config == config:
                continue
            if remote is not None and remote.same_place(config):
                remote.reconfigured(config)
            else:
                if remote is not None:
                    self._leaving.add(remote)
                self._remotes[name] = Remote(name, config, env=self._env, folder=self._folder, idioms=self._idioms)
            self._due[name] = 0.0  # also for the sake of another key
            self._failures[name] = 0
        self._changed.set()

    async def refresh(self, name: str) -> Remote:
        """Fetch one list now; raises what stands in the way."""
        remote = self.get(name)
        remote.key()
        await self._fetch(remote)
        if remote.list_error is not None:
            raise remote.list_error
        return remote

    async def run(self) -> None:
        """Keep the lists fresh."""
        try:
            while True:
                self._changed.clear()
                now = time.monotonic()
                due = [remote for name, remote in self._remotes.items() if self._due.get(name, 0.0) <= now]
                async with asyncio.TaskGroup() as group:
                    for remote in due:
                        group.create_task(self._fetch(remote))
                await self._close_those_leaving()
                waiting = [when - time.monotonic() for when in self._due.values()]
                try:
                    async with asyncio.timeout(max(0.0, min(waiting, default=3600.0))):
                        await self._changed.wait()
                except TimeoutError:
                    pass
        finally:
            for remote in (*self._remotes.values(), *self._leaving):
                await remote.close()

    async def _fetch(self, remote: Remote) -> None:
        await remote.refresh()
        error = remote.list_error
        failures = self._failures[remote.name] = 0 if error is None else self._failures.get(remote.name, 0) + 1
        if error is None:
            pause = remote.config.refresh
        else:
            pause = min(FIRST_RETRY_SECONDS * 2.0 ** min(failures - 1, 10), LONGEST_RETRY_SECONDS)
            if failures == 1:  # once for each time that it goes wrong; the view tells it all the while
                log.warning("remote %s: %s", remote.name, error)
                self._on_failure(remote, error)
        if self._remotes.get(remote.name) is remote:
            self._due[remote.name] = time.monotonic() + pause

    async def _close_those_leaving(self) -> None:
        for remote in [each for each in self._leaving if not each.in_flight]:
            self._leaving.discard(remote)
            await remote.close()
