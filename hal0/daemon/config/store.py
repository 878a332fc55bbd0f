"""Owner of the current snapshot: loads it, takes a new one over in one step, or refuses it and keeps the old.

Nobody else changes the configuration of a running daemon. A request keeps the snapshot it began with.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from hal0.daemon.config.file import ConfigProblems, Judgement, judge, judge_sources, line_for
from hal0.daemon.config.plausibility import implausible, is_half_written
from hal0.daemon.config.snapshot import Diff, Snapshot, compare, keys_awaiting_restart
from hal0.daemon.config.sources import Sources, read_sources
from hal0.daemon.config.watch import LOOK_ANYWAY_SECONDS, follow
from hal0.daemon.events import EventBus
from hal0.wire import ConfigView, Problem

log = logging.getLogger("hal0.config")

HALF_WRITTEN_SECONDS = 0.15  # how long a file that shrank may take to be written to its end
ONLY_COMMENTS = "nothing but comments and formatting"


class ConfigStore:
    """The configuration of one daemon. `on_applied` is called after each take-over, with what it changed."""

    def __init__(
        self,
        bus: EventBus,
        path: Path,
        *,
        required: bool = False,
        env: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.on_applied: Callable[[Snapshot, Diff], None] | None = None
        self._bus = bus
        self._path = path
        self._required = required
        self._env = env
        self._clock = clock
        self._taking_over = asyncio.Lock()
        self._current: Snapshot | None = None
        self._judgement: Judgement | None = None  # the files of the current snapshot
        self._started: Snapshot | None = None
        self._applied_at = 0.0
        self._changes: tuple[str, ...] = ()
        self._rejected_at: float | None = None
        self._rejected_hash = ""
        self._problems: tuple[Problem, ...] = ()

    @property
    def current(self) -> Snapshot:
        assert self._current is not None, "load() comes first"
        return self._current

    def load(self) -> Snapshot:
        """Read the configuration for the first time; raises `ConfigProblems` when it cannot be used."""
        judgement = judge(self._path, required=self._required, env=self._env)
        if judgement.settings is None:
            raise ConfigProblems(self._path, judgement.problems)
        self._swap(judgement, revision=1)
        self._started = self.current
        return self.current

    def view(self) -> ConfigView:
        """What the admin API tells of the configuration."""
        assert self._started is not None, "load() comes first"
        return ConfigView(
            revision=self.current.revision,
            path=str(self._path),
            exists=self.current.exists,
            applied_at=self._applied_at,
            rejected_at=self._rejected_at,
            problems=list(self._problems),
            changes=list(self._changes),
            needs_restart=list(keys_awaiting_restart(self._started.settings, self.current.settings)),
        )

    async def reload(self, *, force: bool = False) -> ConfigView:
        """Take over what is on disk now, or refuse it; `force` takes also what looks cut short."""
        async with self._taking_over:
            sources = await asyncio.to_thread(read_sources, self._path)
            if not force and is_half_written(self._running.sources, sources):
                await asyncio.sleep(HALF_WRITTEN_SECONDS)
                sources = await asyncio.to_thread(read_sources, self._path)
            await self._consider(sources, force=force)
        return self.view()

    async def watch(self, *, look_anyway_seconds: float = LOOK_ANYWAY_SECONDS) -> None:
        """Follow the files until cancelled; an edit is live within 300 ms of its last write."""

        async def look() -> None:
            try:
                await self.reload()
            except Exception:  # a defect met on one edit must not make hal0 blind for the next
                log.exception("the configuration could not be looked at; the next change is another try")

        await follow(self._path, look, look_anyway_seconds=look_anyway_seconds)

    @property
    def _running(self) -> Judgement:
        assert self._judgement is not None, "load() comes first"
        return self._judgement

    async def _consider(self, sources: Sources, *, force: bool) -> None:
        if sources.hash == self.current.hash:
            if self._rejected_at is not None:
                self._accept_as_running()
            return
        if sources.hash == self._rejected_hash and not force:
            return
        # In a thread: a large file takes long to parse, and streams must not stutter meanwhile.
        judgement = await asyncio.to_thread(judge_sources, self._path, sources, required=self._required, env=self._env)
        if judgement.settings is None:
            self._reject(sources, judgement.problems)
        elif not force and (problem := implausible(self._running, judgement, str(self._path))):
            self._reject(sources, (problem,))
        else:
            self._apply(judgement)

    def _apply(self, judgement: Judgement) -> None:
        before = self.current
        self._swap(judgement, revision=before.revision + 1)
        diff = compare(before.settings, self.current.settings)
        self._changes = diff.lines or (ONLY_COMMENTS,)
        log.info("revision %d is live: %s", self.current.revision, "; ".join(self._changes))
        self._bus.publish("config.applied", self.view())
        if self.on_applied is not None:
            self.on_applied(self.current, diff)

    def _swap(self, judgement: Judgement, *, revision: int) -> None:
        assert judgement.settings is not None
        sources = judgement.sources
        self._judgement = judgement
        self._current = Snapshot(revision, sources.hash, judgement.settings, self._path, bool(sources.files))
        self._applied_at = self._clock()
        self._forget_rejection()

    def _reject(self, sources: Sources, problems: tuple[Problem, ...]) -> None:
        self._rejected_at, self._rejected_hash, self._problems = self._clock(), sources.hash, problems
        log.warning("the configuration is refused, revision %d goes on", self.current.revision)
        for problem in problems:
            log.warning("%s", line_for(problem))
        self._bus.publish("config.rejected", self.view())

    def _accept_as_running(self) -> None:
        self._forget_rejection()
        log.info("the files are again those of revision %d", self.current.revision)
        self._bus.publish("config.applied", self.view())

    def _forget_rejection(self) -> None:
        self._rejected_at, self._rejected_hash, self._problems = None, "", ()
