"""Owner of the current snapshot: loads it, takes a new one over in one step, or refuses it and keeps the old.

Nobody else changes the configuration of a running daemon, or writes its files. A request keeps the snapshot it began
with.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hal0.daemon.config.file import Appraise, ConfigProblems, Judgement, judge_sources, line_for
from hal0.daemon.config.history import History, texts_of
from hal0.daemon.config.plausibility import implausible, is_half_written
from hal0.daemon.config.proposals import Proposal, as_in, write
from hal0.daemon.config.snapshot import Diff, Snapshot, compare, keys_awaiting_restart
from hal0.daemon.config.sources import Sources, read_sources
from hal0.daemon.config.watch import LOOK_ANYWAY_SECONDS, follow
from hal0.daemon.events import EventBus
from hal0.errors import Hal0Error
from hal0.wire import ConfigTexts, ConfigView, Problem, RevisionTexts, SlotEffect

log = logging.getLogger("hal0.config")

HALF_WRITTEN_SECONDS = 0.15  # how long a file that shrank may take to be written to its end
ONLY_COMMENTS = "nothing but comments and formatting"
BY_FILE = "file"
TAG_DIGITS = 12


class ConfigStore:
    """The configuration of one daemon.

    `on_applied` is called in the step that takes a revision over, with what it changed, and tells what became of the
    slots. The revision is live whatever happens there: a defect is logged, shown in the view and told to `on_defect`.
    `appraise` has a say in whether a configuration can be used at all.
    """

    def __init__(
        self,
        bus: EventBus,
        path: Path,
        *,
        required: bool = False,
        env: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
        history: History | None = None,
        appraise: Appraise | None = None,
    ) -> None:
        self.on_applied: Callable[[Snapshot, Diff], Sequence[SlotEffect] | None] | None = None
        self.on_defect: Callable[[Hal0Error], None] | None = None
        self.path = path
        self.history = history
        self._bus = bus
        self.env = os.environ if env is None else env
        self._required = required
        self._appraise = appraise
        self._clock = clock
        self._taking_over = asyncio.Lock()
        self._writing: set[asyncio.Task[ConfigView]] = set()
        self._current: Snapshot | None = None
        self._judgement: Judgement | None = None  # the files of the current snapshot
        self._started: Snapshot | None = None
        self._applied_at = 0.0
        self._by, self._why = BY_FILE, ""
        self._changes: tuple[str, ...] = ()
        self._effects: tuple[SlotEffect, ...] = ()
        self._failed = ""
        self._rejected_at: float | None = None
        self._rejected_hash = ""
        self._problems: tuple[Problem, ...] = ()

    @property
    def current(self) -> Snapshot:
        assert self._current is not None, "load() comes first"
        return self._current

    @property
    def by(self) -> str:
        """Who made the current revision."""
        return self._by

    @property
    def sources(self) -> Sources:
        """The files of the current snapshot."""
        return self._running.sources

    def load(self) -> Snapshot:
        """Read the configuration for the first time; raises `ConfigProblems` when it cannot be used."""
        judgement = self._judged(read_sources(self.path))
        if judgement.settings is None:
            raise ConfigProblems(self.path, judgement.problems)
        last = self.history.last() if self.history else None
        if self.history and last and last.hash == judgement.sources.hash:
            self._swap(judgement, revision=last.revision, by=last.by, why=last.why)
        else:
            number = max(self.history.numbers(), default=0) + 1 if self.history else 1
            self._swap(judgement, revision=number, by=BY_FILE, why="read at the start of the daemon")
            self._remember()
        self._started = self.current
        return self.current

    def view(self) -> ConfigView:
        """What the admin API tells of the configuration."""
        assert self._started is not None, "load() comes first"
        return ConfigView(
            revision=self.current.revision,
            path=str(self.path),
            exists=self.current.exists,
            applied_at=self._applied_at,
            rejected_at=self._rejected_at,
            problems=list(self._problems),
            changes=list(self._changes),
            needs_restart=self.awaiting_restart(self.current),
            effects=list(self._effects),
            by=self._by,
            why=self._why,
            tag=self._tag(self._rejected_hash or self.current.hash),
            failed=self._failed,
        )

    def awaiting_restart(self, snapshot: Snapshot) -> list[str]:
        """The keys that a snapshot has otherwise than the daemon was started with, and which it reads only then."""
        assert self._started is not None, "load() comes first"
        return list(keys_awaiting_restart(self._started.settings, snapshot.settings))

    async def texts(self) -> ConfigTexts:
        """The files on disk, with the tag that a write based on them sends back."""
        sources = await asyncio.to_thread(read_sources, self.path)
        return ConfigTexts(revision=self.current.revision, tag=self._tag(sources.hash), files=texts_of(sources))

    async def judge(self, proposal: Proposal | None = None) -> Judgement:
        """What the files on disk, or a proposal for them, would amount to. Changes nothing."""

        def consider() -> Judgement:
            sources = read_sources(self.path)
            if proposal is not None:
                sources = proposal(sources, self.path)
            return self._judged(sources)

        return await asyncio.to_thread(consider)

    async def reload(self, *, force: bool = False) -> ConfigView:
        """Take over what is on disk now, or refuse it; `force` takes also what looks cut short."""
        async with self._taking_over:
            sources = await asyncio.to_thread(read_sources, self.path)
            if not force and is_half_written(self._running.sources, sources):
                await asyncio.sleep(HALF_WRITTEN_SECONDS)
                sources = await asyncio.to_thread(read_sources, self.path)
            await self._consider(sources, force=force)
        return self.view()

    async def write(
        self, proposal: Proposal, *, by: str, why: str = "", based_on: str | None = None, force: bool = False
    ) -> ConfigView:
        """Write what is proposed and take it over; judged as a whole before any file is touched.

        `based_on` is the revision or the tag that the writer looked at. Raises `config.*`; then nothing has changed.
        """
        # Whoever asked may leave: a write that has begun is brought to its end and into the history.
        task = asyncio.get_running_loop().create_task(self._write(proposal, by, why, based_on, force))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return await asyncio.shield(task)

    async def rollback(self, number: int, *, by: str, why: str = "", based_on: str | None = None) -> ConfigView:
        """Write the files of an earlier revision; that makes a new one. Raises `config.no_revision`."""
        if self.history is None:
            raise Hal0Error("config.no_revision", revision=number)
        earlier = await asyncio.to_thread(self.history.get, number)
        said = f"as revision {number}" + (f": {why}" if why else "")
        return await self.write(as_in(earlier.files), by=by, why=said, based_on=based_on, force=True)

    def note_failure(self, words: str) -> None:
        """Show that an edit did not work as it was meant; forgotten with the next revision."""
        self._failed = words
        self._bus.publish("config.applied", self.view())

    async def watch(self, *, look_anyway_seconds: float = LOOK_ANYWAY_SECONDS) -> None:
        """Follow the files until cancelled; an edit is live within 300 ms of its last write."""

        async def look() -> None:
            try:
                await self.reload()
            except Exception:  # a defect met on one edit must not make hal0 blind for the next
                log.exception("the configuration could not be looked at; the next change is another try")

        await follow(self.path, look, look_anyway_seconds=look_anyway_seconds)

    @property
    def _running(self) -> Judgement:
        assert self._judgement is not None, "load() comes first"
        return self._judgement

    def _judged(self, sources: Sources) -> Judgement:
        return judge_sources(self.path, sources, required=self._required, env=self.env, appraise=self._appraise)

    def _tag(self, disk_hash: str) -> str:
        return f"{self.current.revision}-{disk_hash[:TAG_DIGITS]}"

    def _check_base(self, based_on: str | None, sources: Sources) -> None:
        """Raises `config.conflict` if the writer has not seen what would be overwritten."""
        revision = self.current.revision
        if based_on is None or based_on == self._tag(sources.hash):
            return
        if based_on != str(revision):
            reason = f"it is revision {revision} now, the edit began with {based_on.partition('-')[0]}"
            if based_on.partition("-")[0] == str(revision):
                reason = "the file on disk was written meanwhile"
        elif sources.hash != self.current.hash:
            reason = f"the file on disk is not that of revision {revision}"
        else:
            return
        raise Hal0Error("config.conflict", reason=reason, revision=revision)

    async def _write(self, proposal: Proposal, by: str, why: str, based_on: str | None, force: bool) -> ConfigView:
        async with self._taking_over:
            old = await asyncio.to_thread(read_sources, self.path)
            self._check_base(based_on, old)
            await self._consider(old, force=False)  # an edit on disk that nobody took over yet comes first
            new = await asyncio.to_thread(proposal, old, self.path)
            judgement = await asyncio.to_thread(self._judged, new)
            if judgement.settings is None:
                raise ConfigProblems(self.path, judgement.problems)
            if not force and (problem := implausible(self._running, judgement, str(self.path))):
                raise ConfigProblems(self.path, [problem])
            if self._rejected_at is not None and self.history is not None:
                await asyncio.to_thread(self.history.set_aside, old)
            await asyncio.to_thread(write, old, new)
            if new.hash != self.current.hash:
                await self._apply(judgement, by=by, why=why)
            elif self._rejected_at is not None:
                self._accept_as_running()
        return self.view()

    async def _consider(self, sources: Sources, *, force: bool) -> None:
        if sources.hash == self.current.hash:
            if self._rejected_at is not None:
                self._accept_as_running()
            return
        if sources.hash == self._rejected_hash and not force:
            return
        # In a thread: a large file takes long to parse, and streams must not stutter meanwhile.
        judgement = await asyncio.to_thread(self._judged, sources)
        if judgement.settings is None:
            self._reject(sources, judgement.problems)
        elif not force and (problem := implausible(self._running, judgement, str(self.path))):
            self._reject(sources, (problem,))
        else:
            await self._apply(judgement, by=BY_FILE, why="edited on disk")

    async def _apply(self, judgement: Judgement, *, by: str, why: str) -> None:
        before = self.current
        self._swap(judgement, revision=before.revision + 1, by=by, why=why)
        diff = compare(before.settings, self.current.settings)
        self._changes = diff.lines or (ONLY_COMMENTS,)
        log.info("revision %d is live: %s", self.current.revision, "; ".join(self._changes))
        self._hand_over(diff)
        self._bus.publish("config.applied", self.view())
        await asyncio.to_thread(self._remember)

    def _hand_over(self, diff: Diff) -> None:
        if self.on_applied is None:
            return
        try:
            self._effects = tuple(self.on_applied(self.current, diff) or ())
        except Exception as error:  # a defect of ours: requests are served by the new revision all the same
            log.exception("revision %d is live, but not everything took it over", self.current.revision)
            self._failed = f"hal0 itself failed to act on all of it: {error!r}"
            if self.on_defect is not None:
                self.on_defect(Hal0Error("system.internal", reason=f"revision {self.current.revision}: {error!r}"))

    def _swap(self, judgement: Judgement, *, revision: int, by: str, why: str) -> None:
        assert judgement.settings is not None
        sources = judgement.sources
        self._judgement = judgement
        self._current = Snapshot(revision, sources.hash, judgement.settings, self.path, bool(sources.files))
        self._applied_at = self._clock()
        self._by, self._why = by, why
        self._effects, self._failed = (), ""
        self._forget_rejection()

    def _remember(self) -> None:
        if self.history is not None:
            self.history.record(
                RevisionTexts(
                    revision=self.current.revision,
                    at=self._applied_at,
                    by=self._by,
                    why=self._why,
                    hash=self.current.hash,
                    changes=list(self._changes),
                    files=texts_of(self.sources),
                )
            )

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
