"""Owner of the current snapshot: loads it, takes a new one over in one step, or refuses it and keeps the old.

Nobody else changes the configuration of a running daemon, or writes its files. A request keeps the snapshot it began
with.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from hal0.daemon.config.disk import Disk
from hal0.daemon.config.environment import overruled
from hal0.daemon.config.file import Appraise, ConfigProblems, Judgement, line_for
from hal0.daemon.config.history import History, sources_of, texts_of
from hal0.daemon.config.journal import Journal
from hal0.daemon.config.live import Live, Refusal
from hal0.daemon.config.plausibility import implausible, is_half_written
from hal0.daemon.config.proposals import Proposal, as_in
from hal0.daemon.config.schema import Settings
from hal0.daemon.config.snapshot import Diff, Snapshot, compare, keys_awaiting_restart
from hal0.daemon.config.sources import Sources
from hal0.daemon.config.watch import LOOK_ANYWAY_SECONDS, follow
from hal0.daemon.config.writes import changes_between
from hal0.daemon.events import EventBus
from hal0.errors import Hal0Error
from hal0.wire import ConfigTexts, ConfigView, Problem, SlotEffect

log = logging.getLogger("hal0.config")

HALF_WRITTEN_SECONDS = 0.15  # how long a file that shrank may take to be written to its end
ONLY_COMMENTS = "nothing but comments and formatting"
BY_FILE = "file"
AT_START = "read at the start of the daemon"
ON_DISK = "edited on disk"


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
        self.running: Callable[[], Collection[str]] = tuple  # the slots that are in memory
        self.path = path
        self.history = history
        self.env = os.environ if env is None else env
        self._bus = bus
        journal = Journal(history.folder) if history else None
        self._disk = Disk(path, required, self.env, appraise, journal)
        self._clock = clock
        self._taking_over = asyncio.Lock()
        self._writing: set[asyncio.Task[ConfigView]] = set()
        self._live: Live | None = None
        self._started: Snapshot | None = None
        self._refusal: Refusal | None = None
        self._judged_at = 0.0  # by the monotonic clock

    @property
    def current(self) -> Snapshot:
        return self._running.snapshot

    @property
    def by(self) -> str:
        """Who made the current revision."""
        return self._running.by

    @property
    def sources(self) -> Sources:
        """The files of the current snapshot."""
        return self._running.judgement.sources

    def load(self) -> Snapshot:
        """Read the configuration for the first time; raises `ConfigProblems` when it cannot be used."""
        judgement = self._disk.judge(self._disk.read())
        if judgement.settings is None:
            raise ConfigProblems(self.path, judgement.problems)
        return self._begin_with(judgement, why=AT_START)

    def load_to_write(self) -> Snapshot:
        """As `load`, for a writer where no daemon runs: files that cannot be used are there to be mended.

        They count as refused then, and the last good revision as the one that runs.
        """
        judgement = self._disk.judge(self._disk.read())
        if judgement.settings is not None:
            return self._begin_with(judgement, why=ON_DISK)
        last = self.history.last() if self.history else None
        good = self._disk.judge(sources_of(last.files if last else (), self.path))
        if good.settings is None:  # by the environment of now, or a file of an older hal0
            good = Judgement(Sources((), (), False), Settings(), (), names_slots=False)
        self._live = Live.of(good, self.path, revision=last.revision if last else 0, at=0, by=BY_FILE, why=ON_DISK)
        self._started = self.current
        self._refuse(judgement.sources.hash, judgement.problems)
        return self.current

    def view(self) -> ConfigView:
        """What the admin API tells of the configuration."""
        live, refusal = self._running, self._refusal
        return ConfigView(
            revision=self.current.revision,
            path=str(self.path),
            exists=self.current.exists,
            applied_at=live.at,
            rejected_at=refusal.at if refusal else None,
            problems=list(refusal.problems) if refusal else [],
            changes=list(live.changes),
            needs_restart=self.awaiting_restart(self.current),
            effects=list(live.effects),
            by=live.by,
            why=live.why,
            tag=live.tag(refusal.hash if refusal else self.current.hash),
            failed=live.failed,
        )

    def awaiting_restart(self, snapshot: Snapshot) -> list[str]:
        """The keys that a snapshot has otherwise than the daemon was started with, and which it reads only then."""
        assert self._started is not None, "load() comes first"
        started = self._started
        return list(
            keys_awaiting_restart(
                started.settings, snapshot.settings, was=started.raw, now=snapshot.raw, overruled=overruled(self.env)
            )
        )

    def changes_by(self, judgement: Judgement) -> Diff:
        """What files would change of what runs."""
        assert judgement.settings is not None, "only what can be used changes anything"
        now = self.current
        return compare(now.settings, judgement.settings, was=now.raw, now=judgement.raw, overruled=overruled(self.env))

    async def texts(self) -> ConfigTexts:
        """The files on disk, with the tag that a write based on them sends back."""
        sources = await asyncio.to_thread(self._disk.look)
        tag = self._running.tag(sources.hash)
        return ConfigTexts(revision=self.current.revision, tag=tag, files=texts_of(sources))

    async def judge(self, proposal: Proposal | None = None) -> Judgement:
        """What the files on disk, or a proposal for them, would amount to. Changes nothing."""
        return await asyncio.to_thread(self._disk.judge_proposal, proposal)

    async def reload(self, *, force: bool = False) -> ConfigView:
        """Take over what is on disk now, or refuse it; `force` takes also what looks cut short.

        What is refused already is judged anew, for a refusal may be due to more than the files: to a model.
        """
        async with self._taking_over:
            await self._look(force=force, anew=True)
        return self.view()

    async def write(
        self,
        proposal: Proposal,
        *,
        by: str,
        why: str = "",
        based_on: str | None = None,
        is_whole: bool = False,
        force: bool = False,
    ) -> ConfigView:
        """Write what is proposed and take it over; judged as a whole before any file is touched.

        `based_on` is the revision or the tag that the writer looked at. `is_whole`: the proposal is the text of a file,
        and not a change to what lies there. Raises `config.*`; then nothing has changed.
        """
        # Whoever asked may leave: a write that has begun is brought to its end and into the history.
        task = asyncio.get_running_loop().create_task(self._write(proposal, by, why, based_on, is_whole, force))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return await asyncio.shield(task)

    async def rollback(self, number: int, *, by: str, why: str = "", based_on: str | None = None) -> ConfigView:
        """Write the files of an earlier revision; that makes a new one. Raises `config.no_revision`."""
        if self.history is None:
            raise Hal0Error("config.no_revision", revision=number)
        earlier = await asyncio.to_thread(self.history.get, number)
        said = f"as revision {number}" + (f": {why}" if why else "")
        proposal = as_in(earlier.files)
        return await self.write(proposal, by=by, why=said, based_on=based_on, is_whole=True, force=True)

    def doubt(self, judgement: Judgement, *, written: Collection[Path] = ()) -> Problem | None:
        """Why files that can be used are probably not meant; those that are `written` by their writer are whole."""
        return implausible(self._running.judgement, judgement, self.path, running=self.running(), written=written)

    def note_failure(self, words: str) -> None:
        """Show that an edit did not work as it was meant; forgotten with the next revision."""
        self._live = replace(self._running, failed=words)
        self._bus.publish("config.applied", self.view())

    async def watch(self, *, look_anyway_seconds: float = LOOK_ANYWAY_SECONDS) -> None:
        """Follow the files until cancelled; an edit is live within 300 ms of its last write."""

        async def look() -> None:
            try:
                async with self._taking_over:
                    refusal = self._refusal
                    is_due = time.monotonic() - self._judged_at > look_anyway_seconds
                    await self._look(force=False, anew=refusal is not None and refusal.may_pass and is_due)
            except Exception:  # a defect met on one edit must not make hal0 blind for the next
                log.exception("the configuration could not be looked at; the next change is another try")

        await follow(self.path, look, look_anyway_seconds=look_anyway_seconds)

    @property
    def _running(self) -> Live:
        assert self._live is not None, "load() comes first"
        return self._live

    def _begin_with(self, judgement: Judgement, *, why: str) -> Snapshot:
        """Take a first revision: the last one of the history if the files are its, else a new one."""
        last = self.history.last() if self.history else None
        if last and last.hash == judgement.sources.hash:
            self._live = self._made(judgement, revision=last.revision, by=last.by, why=last.why)
        else:
            number = max(self.history.numbers(), default=0) + 1 if self.history else 1
            self._live = self._made(judgement, revision=number, by=BY_FILE, why=why)
            self._remember()
        self._started = self.current
        return self.current

    def _made(self, judgement: Judgement, *, revision: int, by: str, why: str) -> Live:
        return Live.of(judgement, self.path, revision=revision, at=self._clock(), by=by, why=why)

    async def _write(
        self, proposal: Proposal, by: str, why: str, based_on: str | None, is_whole: bool, force: bool
    ) -> ConfigView:
        async with self._taking_over:
            old = await self._settled()
            self._running.check_base(based_on, old)
            await self._consider(old, force=False, anew=False)  # an edit on disk that nobody took over comes first
            if not is_whole:
                self._check_ground(based_on)
            new = await asyncio.to_thread(proposal, old, self.path)
            judgement = await asyncio.to_thread(self._disk.judge, new)
            if judgement.settings is None:
                raise ConfigProblems(self.path, judgement.problems)
            written = {change.path for change in changes_between(old, new)}
            if not force and (problem := self.doubt(judgement, written=written)):
                raise ConfigProblems(self.path, [problem])
            if self._refusal is not None and self.history is not None:
                await asyncio.to_thread(self.history.set_aside, old)
            await asyncio.to_thread(self._disk.write, old, new)
            if new.hash != self.current.hash:
                await self._apply(judgement, by=by, why=why)
            elif self._refusal is not None:
                self._accept_as_running()
        return self.view()

    def _check_ground(self, based_on: str | None) -> None:
        """Raises what a refused file is refused for: a change to it would take over all of it, unseen.

        Who has seen it may mend a mistake. One that is cut short only its text, or an earlier one, can mend: once
        something is added to it, it is not known for what it is any more.
        """
        refusal = self._refusal
        if refusal is not None and (based_on is None or refusal.is_doubt):
            raise ConfigProblems(self.path, refusal.problems)

    async def _look(self, *, force: bool, anew: bool) -> None:
        sources = await asyncio.to_thread(self._disk.read) if force else await self._settled()
        await self._consider(sources, force=force, anew=anew)

    async def _settled(self) -> Sources:
        """The files on disk; one that is perhaps still being written is given a moment."""
        sources = await asyncio.to_thread(self._disk.read)
        if is_half_written(self.sources, sources):
            await asyncio.sleep(HALF_WRITTEN_SECONDS)
            sources = await asyncio.to_thread(self._disk.read)
        return sources

    async def _consider(self, sources: Sources, *, force: bool, anew: bool) -> None:
        """Take the files over or refuse them, if they are others than those known, or are to be judged `anew`."""
        if sources.hash == self.current.hash:
            if self._refusal is not None:
                self._accept_as_running()
            return
        if self._refusal is not None and sources.hash == self._refusal.hash and not (force or anew):
            return
        # In a thread: a large file takes long to parse, and streams must not stutter meanwhile.
        judgement = await asyncio.to_thread(self._disk.judge, sources)
        self._judged_at = time.monotonic()
        if judgement.settings is None:
            self._refuse(sources.hash, judgement.problems, may_pass=judgement.is_appraised)
        elif not force and (problem := self.doubt(judgement)):
            self._refuse(sources.hash, (problem,))
        else:
            await self._apply(judgement, by=BY_FILE, why=ON_DISK)

    async def _apply(self, judgement: Judgement, *, by: str, why: str) -> None:
        before = self.current
        diff = self.changes_by(judgement)
        live = self._made(judgement, revision=before.revision + 1, by=by, why=why)
        self._live, self._refusal = replace(live, changes=diff.lines or (ONLY_COMMENTS,)), None
        log.info("revision %d is live: %s", self.current.revision, "; ".join(self._running.changes))
        self._hand_over(diff)
        self._bus.publish("config.applied", self.view())
        await asyncio.to_thread(self._remember)

    def _hand_over(self, diff: Diff) -> None:
        if self.on_applied is None:
            return
        try:
            effects = tuple(self.on_applied(self.current, diff) or ())
            self._live = replace(self._running, effects=effects)
        except Exception as error:  # a defect of ours: requests are served by the new revision all the same
            log.exception("revision %d is live, but not everything took it over", self.current.revision)
            self._live = replace(self._running, failed=f"hal0 itself failed to act on all of it: {error!r}")
            if self.on_defect is not None:
                self.on_defect(Hal0Error("system.internal", reason=f"revision {self.current.revision}: {error!r}"))

    def _remember(self) -> None:
        if self.history is not None:
            self.history.record(self._running.record)

    def _refuse(self, disk_hash: str, problems: tuple[Problem, ...], *, may_pass: bool = False) -> None:
        """Keep what runs; told once, however often the same is refused."""
        known = self._refusal
        if known is not None and (known.hash, known.problems) == (disk_hash, problems):
            return
        self._refusal = Refusal(self._clock(), disk_hash, problems, may_pass)
        log.warning("the configuration is refused, revision %d goes on", self.current.revision)
        for problem in problems:
            log.warning("%s", line_for(problem))
        self._bus.publish("config.rejected", self.view())

    def _accept_as_running(self) -> None:
        self._refusal = None
        log.info("the files are again those of revision %d", self.current.revision)
        self._bus.publish("config.applied", self.view())
