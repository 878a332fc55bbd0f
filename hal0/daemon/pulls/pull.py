"""One pull, from its sources to a model that lies in the store: asks, fetches, verifies, lands. Owner of its record."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hal0.daemon.models import projectors
from hal0.daemon.models.checksums import digest_of
from hal0.daemon.models.layout import read_layout
from hal0.daemon.models.record import FileRecord, Record, Wanted
from hal0.daemon.models.store import Store
from hal0.daemon.pulls import hub
from hal0.daemon.pulls.download import Download
from hal0.daemon.pulls.pace import Pace
from hal0.daemon.pulls.patience import Patience
from hal0.daemon.pulls.remote import Interruption, Remote, host_of
from hal0.daemon.pulls.sources import GGUF, HubSource, UrlSource, parse_source
from hal0.daemon.pulls.speed import Speed
from hal0.daemon.pulls.token import Token
from hal0.errors import Hal0Error
from hal0.wire import ErrorView, PullState, PullView

log = logging.getLogger("hal0.models")

UNFINISHED: frozenset[PullState] = frozenset({"queued", "fetching", "waiting", "verifying"})


@dataclass(frozen=True, slots=True)
class Means:
    """What every pull is made with. `others_bytes` is what the other pulls still need of the same disk."""

    hub: str
    token: Callable[[], Token | None]
    connections: Callable[[], int]
    others_bytes: Callable[["Pull"], int]
    turn: asyncio.Semaphore
    pace: Pace
    refresh: Callable[[], None]  # makes a model that has landed known; called in a thread
    on_change: Callable[["Pull"], None]


class Pull:
    """One attempt. `finished` yields None once the model is there, else why it is not."""

    def __init__(self, record: Record, store: Store, means: Means) -> None:
        self.record = record
        self.store = store
        self.finished: asyncio.Future[Hal0Error | None] = asyncio.get_running_loop().create_future()
        self.followers: list[Callable[[int, int | None], None]] = []  # hear of bytes done and in all
        self._means = means
        self._note = ""
        self._verified = 0
        self._speed = Speed()
        self._reported_at = 0.0
        self._report_due: asyncio.TimerHandle | None = None
        self._cancelled_by = ""
        self._task: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def is_going(self) -> bool:
        return not self.finished.done()

    @property
    def needs_bytes(self) -> int:
        """What it still wants of the disk."""
        total = self.record.total
        return max(0, total - self.record.done) if total is not None and self.is_going else 0

    def view(self) -> PullView:
        record = self.record
        verifying = record.state == "verifying"
        return PullView(
            name=record.name,
            source=record.source,
            state=record.state,
            kind=record.kind,
            licence=record.licence,
            done_bytes=self._verified if verifying else record.done,
            total_bytes=record.total,
            bytes_per_second=self._speed.per_second() if record.state == "fetching" else None,
            pinned=record.pinned,
            resumable=all(file.ranges for file in record.files),
            note=self._note,
            error=record.error,
            started_at=record.started_at,
            path=str(self.store.place(record) if record.files else self.store.folder / record.name),
            projector=record.projector or "",
        )

    def cancel(self, by: str) -> None:
        """Stop; what has come is kept."""
        self._cancelled_by = by
        if self._task is not None and self.is_going:
            self._task.cancel()

    async def run(self) -> None:
        """Pull. Never raises, but for the daemon's end, after which it goes on where it was."""
        self._task = asyncio.current_task()
        outcome: Hal0Error | None
        try:
            if self._cancelled_by:
                raise asyncio.CancelledError
            await self._pull()
            outcome = None
        except Hal0Error as error:
            outcome = error
        except OSError as error:
            outcome = self.store.failure(error, self.name)
        except asyncio.CancelledError:
            if not self._cancelled_by:
                self._save_quietly()
                raise
            if (task := asyncio.current_task()) is not None:
                task.uncancel()
            outcome = Hal0Error("model.pull_cancelled", model=self.name, by=self._cancelled_by)
        except Exception as error:  # a defect of ours costs this pull, not the daemon
            log.exception("the pull of %s failed", self.name)
            outcome = Hal0Error("system.internal", reason=repr(error))
        finally:
            if self._report_due is not None:
                self._report_due.cancel()
                self._report_due = None
        self._finish(outcome)

    def _finish(self, outcome: Hal0Error | None) -> None:
        record = self.record
        record.finished_at = time.time()
        self._note = ""
        if outcome is None:
            log.info("%s is here: %s", self.name, self.store.place(record))
        else:
            record.state = "cancelled" if self._cancelled_by else "failed"
            record.error = ErrorView(code=outcome.code, message=outcome.message, details=outcome.details)
            log.warning("%s", outcome)
            self._save_quietly()
        self.finished.set_result(outcome)
        self._means.on_change(self)

    async def _pull(self) -> None:
        record = self.record
        record.error, record.finished_at = None, None
        await asyncio.to_thread(self.store.prepare, self.name)
        self._enter("queued")
        async with self._means.turn:
            self._enter("fetching")
            token = await asyncio.to_thread(self._means.token)
            async with Remote(model=self.name, hub=self._means.hub, token=token, pace=self._means.pace) as remote:
                patience = Patience(remote, self._host(remote), self._means.pace, self._waits)
                await self._resolve(remote, patience)
                downloads = [self._download(file, remote, patience) for file in record.files]
                await self._ask(remote, downloads)
                await asyncio.to_thread(self._check_room, self.needs_bytes)
                for file, download in zip(record.files, downloads, strict=True):
                    if not file.whole:
                        await download.run()
                        await self._verify(file)
            await self._land()

    # What it is made of ---------------------------------------------------------------------------------------------

    async def _resolve(self, remote: Remote, patience: Patience) -> None:
        """Learn which files the sources mean."""
        if self.record.files:
            return
        files: list[FileRecord] = []
        for wanted in self.record.wanted:
            source = parse_source(wanted.source)
            if isinstance(source, UrlSource):
                files.append(FileRecord(path=source.file, url=source.url, sha256=wanted.sha256, size=wanted.size))
                continue
            assert source is not None, "what is written down was parsed before"
            while True:
                try:
                    found = await hub.wanted_files(remote, source)
                    break
                except Interruption as error:
                    await patience.after(error)
            models = [each for each in found if not each.is_projector]
            if len(models) > 1 and wanted.sha256 is not None:
                reason = "a checksum was given, but it means several files"
                raise Hal0Error("model.bad_source", source=wanted.source, reason=reason)
            for each in found:
                expected = wanted if found == [each] or not each.is_projector else Wanted(source=wanted.source)
                files.append(self._hub_file(remote, source, each, found, expected.sha256, expected.size))
        self.record.files = files
        if (projector := self.record.projector) is not None:
            log.info("%s: its projector %s is fetched, too", self.name, projector)
        await asyncio.to_thread(self.store.save, self.record)

    def _hub_file(
        self,
        remote: Remote,
        source: HubSource,
        file: hub.HubFile,
        all_: list[hub.HubFile],
        sha256: str | None,
        size: int | None,
    ) -> FileRecord:
        is_tree = not all(each.path.lower().endswith(GGUF) for each in all_)
        return FileRecord(
            path=file.path if is_tree and len(all_) > 1 else PurePosixPath(file.path).name,
            url=hub.address(remote, source, file.path),
            sha256=sha256 or file.sha256,
            size=size if size is not None else file.size,
        )

    async def _ask(self, remote: Remote, downloads: list[Download]) -> None:
        """Learn sizes and checksums; a repository is pinned to the commit it is at now."""
        record = self.record
        for file, download in zip(record.files, downloads, strict=True):
            if file.whole:
                continue
            commit = await download.ask()
            if commit:
                record.commit = record.commit or commit
                repository = file.url.partition("/resolve/")[0]
                for each in record.files:
                    each.url = _at_commit(each.url, repository, commit)
        if not record.pinned and record.files and all(file.sha256 for file in record.files):
            record.pinned = "server"
        await asyncio.to_thread(self.store.save, record)
        self._report(at_once=True)

    def _download(self, file: FileRecord, remote: Remote, patience: Patience) -> Download:
        return Download(
            file,
            self._path(file),
            remote=remote,
            pace=self._means.pace,
            connections=self._means.connections(),
            patience=patience,
            save=lambda: self.store.save(self.record),
            check_room=self._check_room,
            on_progress=self._progressed,
        )

    def _path(self, file: FileRecord) -> Path:
        return self.store.part(self.name) / file.path

    def _host(self, remote: Remote) -> str:
        source = parse_source(self.record.wanted[0].source)
        return host_of(source.url if isinstance(source, UrlSource) else remote.hub)

    # Whether it is whole --------------------------------------------------------------------------------------------

    async def _verify(self, file: FileRecord) -> None:
        """Compare the checksum; a file that has another one is begun anew by the next pull."""
        path = self._path(file)
        if file.sha256 is not None:
            self._enter("verifying")
            before = sum(each.done for each in self.record.files if each.whole)
            digest = await digest_of(path, lambda done, _: self._hashed(before + done))
            if digest != file.sha256:
                file.spans = []
                await asyncio.to_thread(path.unlink)
                raise Hal0Error("model.checksum_mismatch", path=file.path, expected=file.sha256, found=digest)
            self._enter("fetching")
        file.whole = True
        await asyncio.to_thread(self.store.save, self.record)

    async def _land(self) -> None:
        record = self.record
        await self._check([file for file in record.files if file.path != record.projector])
        await self._check([file for file in record.files if file.path == record.projector])
        landed = record.model_copy(update={"state": "done", "finished_at": time.time()})
        landing = asyncio.ensure_future(asyncio.to_thread(self.store.land, landed))
        try:
            await asyncio.shield(landing)
        except asyncio.CancelledError:  # half of it would be worse than too late
            await asyncio.wait({landing})
            landing.result()
        await asyncio.to_thread(self._means.refresh)
        record.state = "done"

    async def _check(self, files: list[FileRecord]) -> None:
        """What calls itself GGUF must be it, with all of its tensors; if not, the next pull begins it anew."""
        if not files or not files[0].path.lower().endswith(GGUF):
            return
        try:
            layout = await asyncio.to_thread(read_layout, self._path(files[0]))
            if files[0].path == self.record.projector and layout.architecture != projectors.ARCHITECTURE:
                raise Hal0Error("model.file_invalid", path=files[0].path, reason="it is no image projector")
        except Hal0Error as error:
            for file in files:
                file.spans, file.whole = [], False
            reason = f"{files[0].path}: {error.details.get('reason', error.message)}"
            host = host_of(files[0].url)
            raise Hal0Error("model.not_a_model", model=self.name, host=host, reason=reason) from error

    def _check_room(self, needed: int) -> None:
        free = self.store.free_bytes() - self._means.pace.reserve_bytes - self._means.others_bytes(self)
        if needed > free:
            short = (needed - max(0, free)) / 2**20
            reason = f"{needed / 2**20:.0f} MiB are needed, {short:.0f} MiB more than there is room for"
            raise Hal0Error("model.no_space", model=self.name, path=str(self.store.folder), reason=reason)

    # What others hear -----------------------------------------------------------------------------------------------

    def _enter(self, state: PullState) -> None:
        self.record.state = state
        self._note = "waits for other pulls" if state == "queued" and self._means.turn.locked() else ""
        self._verified = 0
        self._report(at_once=True)

    def _waits(self, seconds: float, reason: str) -> None:
        self._note = f"next try in {seconds:.0f} s: {reason}"
        self.record.state = "waiting"
        self._speed.reset()
        log.info("%s: %s", self.name, self._note)
        self._report(at_once=True)

    def _progressed(self) -> None:
        if self.record.state == "waiting":
            self.record.state, self._note = "fetching", ""
        self._speed.note(self.record.done)
        self._report()

    def _hashed(self, done: int) -> None:
        self._verified = done
        self._report()

    def _report(self, *, at_once: bool = False) -> None:
        wait = self._reported_at + self._means.pace.report_seconds - time.monotonic()
        if wait > 0 and not at_once:
            if self._report_due is None:  # what came last is told too, also if nothing more comes
                self._report_due = asyncio.get_running_loop().call_later(wait, self._tell)
            return
        self._tell()

    def _tell(self) -> None:
        if self._report_due is not None:
            self._report_due.cancel()
            self._report_due = None
        self._reported_at = time.monotonic()
        for follower in list(self.followers):
            self.tell(follower)
        self._means.on_change(self)

    def tell(self, follower: Callable[[int, int | None], None]) -> None:
        """How many bytes are done, and in all."""
        follower(self._verified if self.record.state == "verifying" else self.record.done, self.record.total)

    def _save_quietly(self) -> None:
        """Its failure is already being told, or the daemon ends."""
        try:
            self.store.save(self.record)
        except Hal0Error as error:
            log.warning("%s", error)


def _at_commit(url: str, repository: str, commit: str) -> str:
    """The same file of the repository, whatever becomes of its branch."""
    before, mark, after = url.partition("/resolve/")
    return f"{before}{mark}{commit}/{after.partition('/')[2]}" if mark and before == repository else url
