"""Every pull there is: owner of which are under way, which stopped, and which go on after a restart of the daemon."""

import asyncio
import logging
import os
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from hal0.daemon.config.schema import Models
from hal0.daemon.events import EventBus
from hal0.daemon.models.record import Pinned, Record, Wanted
from hal0.daemon.models.store import Store, folder_of
from hal0.daemon.pulls.configured import check_way, configured_pull
from hal0.daemon.pulls.pace import Pace
from hal0.daemon.pulls.pull import UNFINISHED, Means, Pull
from hal0.daemon.pulls.remote import HUB
from hal0.daemon.pulls.sources import NAME, checked_name, default_name, parse_source
from hal0.daemon.pulls.token import Token, find_token
from hal0.errors import Hal0Error, did_you_mean
from hal0.models.catalogue import Entry, entries, find_entry
from hal0.wire import Kind, PullView

AT_A_TIME = 2  # pulls; more wait for their turn
SHA256 = re.compile(r"[0-9a-f]{64}")

log = logging.getLogger("hal0.models")


class Pulls:
    """The pulls by the name that their model gets.

    `taken` tells what already has a name; `refresh` makes known what has landed, before anyone is told; `on_begun`
    hears of each pull, `on_failure` of each that failed, `on_changed` of each model that came or went.
    """

    def __init__(
        self,
        bus: EventBus,
        *,
        models: Callable[[], Models],
        state: Path,
        env: Mapping[str, str] = os.environ,
        taken: Callable[[str], str | None],
        refresh: Callable[[], None] = lambda: None,
        pace: Pace | None = None,
    ) -> None:
        self.on_begun: Callable[[str], None] | None = None
        self.on_changed: Callable[[str], None] | None = None
        self.on_failure: Callable[[Hal0Error], None] | None = None
        self._bus = bus
        self._models = models
        self._state = state
        self._env = env
        self._taken = taken
        self._pulls: dict[str, Pull] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._loaded = asyncio.Event()  # what an earlier run of the daemon left is known
        self._deciding = asyncio.Lock()  # what has a name is looked up in files, and must not change meanwhile
        self._means = Means(
            hub=env.get("HF_ENDPOINT") or HUB,
            token=self._token,
            connections=lambda: models().connections,
            others_bytes=self._others_bytes,
            turn=asyncio.Semaphore(AT_A_TIME),
            pace=pace or Pace(),
            refresh=refresh,
            on_change=self._changed,
        )

    @property
    def store(self) -> Store:
        """Where models are pulled to now."""
        return Store(folder_of(self._models(), self._state))

    async def run(self) -> None:
        """Go on with what was under way when the daemon ended; then until cancelled, which stops all of it."""
        try:
            for record in await asyncio.to_thread(self.store.unfinished):
                pull = Pull(record, self.store, self._means)
                self._pulls[record.name] = pull
                if record.state in UNFINISHED:
                    log.info("%s: the pull goes on", record.name)
                    self._begin(pull)
                else:
                    pull.finished.set_result(_error_of(record))
            self._loaded.set()
            await asyncio.get_running_loop().create_future()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    # What people ask ------------------------------------------------------------------------------------------------

    async def start(
        self, source: str, *, name: str | None = None, sha256: str | None = None, kind: Kind | None = None
    ) -> PullView:
        """Begin a pull, go on with one that stopped, or tell of the one that is under way or done. Raises `model.*`."""
        await self._loaded.wait()
        async with self._deciding:
            return await self._start(source, name, sha256, kind)

    async def _start(self, source: str, name: str | None, sha256: str | None, kind: Kind | None) -> PullView:
        same, table = self._pulls.get(source), self._models().files.get(source)
        there = await asyncio.to_thread(self._there, source) if same is None and name is None else None
        if there is not None:
            return view_of(there, self.store)
        is_configured = table is not None and table.url is not None and name is None and sha256 is None
        if table is not None and is_configured:
            record = configured_pull(source, table)
        elif same is not None and name is None and sha256 is None:
            record = same.record  # `hal0 model pull NAME` of one that began with another source
        else:
            record = self._record(source, name=name, sha256=sha256, kind=kind)
        known = self._pulls.get(record.name)
        if known is not None and known.record.wanted == record.wanted:
            if not known.is_going:
                self._begin(Pull(known.record, known.store, self._means))
            return self._pulls[record.name].view()
        if known is not None and not known.is_going and (is_configured or not known.record.done):
            # An address with a slip, say: nothing came of it that could be lost, or the configuration has another now.
            del self._pulls[record.name]
            await asyncio.to_thread(known.store.forget, record.name)
        elif known is not None:
            how = "it is being pulled" if known.is_going else f"{known.record.done} bytes of it have come"
            reason = f"{how} from {known.record.source}"
            raise Hal0Error("model.already_exists", model=record.name, reason=reason)
        there = await asyncio.to_thread(self._there, record.name)
        if there is not None and there.wanted == record.wanted:
            return view_of(there, self.store)
        if (place := self._taken(record.name)) is not None:
            raise Hal0Error("model.already_exists", model=record.name, reason=place)
        self._begin(Pull(record, self.store, self._means))
        return self._pulls[record.name].view()

    async def cancel(self, name: str, *, by: str) -> PullView:
        """Stop a pull and keep what has come; raises `model.no_such_pull`."""
        await self._loaded.wait()
        pull = self._pulls.get(name)
        if pull is None:
            raise Hal0Error("model.no_such_pull", model=name)
        pull.cancel(by)
        await asyncio.wait({pull.finished})
        return pull.view()

    async def forget(self, name: str, *, by: str) -> int:
        """Stop a pull and delete what has come of it; how many bytes that were."""
        async with self._deciding:
            await self.cancel(name, by=by)
            pull = self._pulls.pop(name, None)
            freed = await asyncio.to_thread(pull.store.forget, name) if pull is not None else 0
        self._bus.publish("model.changed", {"name": name})
        return freed

    async def remove(self, name: str) -> int:
        """Delete a model that was pulled; how many bytes that were. Raises `model.not_found`."""
        async with self._deciding:
            record = await asyncio.to_thread(self.store.record, name)
            if record is None:
                raise Hal0Error("model.not_found", model=name, nearest="")
            freed = await asyncio.to_thread(self.store.remove, record)
            await asyncio.to_thread(self._means.refresh)
        self._tell_of(name)
        return freed

    async def has(self, name: str) -> bool:
        """Whether hal0 has pulled a model of this name."""
        return await asyncio.to_thread(self.store.record, name) is not None

    def views(self) -> list[PullView]:
        return [pull.view() for pull in self._pulls.values()]

    async def view(self, name: str) -> PullView:
        """Of a pull, also of one that is done; raises `model.no_such_pull`."""
        if pull := self._pulls.get(name):
            return pull.view()
        record = await asyncio.to_thread(self.store.record, name)
        if record is None:
            raise Hal0Error("model.no_such_pull", model=name)
        return view_of(record, self.store)

    def is_pull(self, name: str) -> bool:
        return name in self._pulls

    # What slots ask -------------------------------------------------------------------------------------------------

    def progress_of(self, name: str) -> str | None:
        """How far a model is that is on its way, in words; None if it is not."""
        pull = self._pulls.get(name)
        if pull is None or not pull.is_going:
            return None
        total = pull.record.total
        return f"{pull.record.done / total:.0%}" if total else f"{pull.record.done} bytes"

    async def order(self, name: str) -> None:
        """Begin the pull of a model that the configuration gives an address; raises `model.*`."""
        await self.start(name)

    async def arrival(self, name: str, on_progress: Callable[[int, int | None], None]) -> None:
        """Wait until a model is there; raises why it does not come."""
        pull = self._pulls.get(name)
        if pull is None:
            return
        pull.tell(on_progress)
        pull.followers.append(on_progress)
        try:
            await asyncio.wait({pull.finished})
        finally:
            pull.followers.remove(on_progress)
        if (error := pull.finished.result()) is not None:
            raise error

    # ----------------------------------------------------------------------------------------------------------------

    def _there(self, name: str) -> Record | None:
        """Of a model that was pulled under this name and has its files."""
        record = self.store.record(name) if NAME.fullmatch(name) else None
        return record if record is not None and self.store.place(record).exists() else None

    def _record(self, text: str, *, name: str | None, sha256: str | None, kind: Kind | None) -> Record:
        if sha256 is not None and SHA256.fullmatch(sha256) is None:
            reason = "a SHA-256 has 64 hexadecimal digits in small letters"
            raise Hal0Error("dispatch.invalid_request", param="sha256", field="sha256", reason=reason)
        source = parse_source(text)
        if source is None:
            return _of_catalogue(_entry(text), name=name, sha256=sha256)
        check_way(source, sha256=sha256)
        return Record(
            name=checked_name(name or default_name([source])),
            wanted=[Wanted(source=str(source), sha256=sha256)],
            kind=kind,
            pinned="asked" if sha256 else "",
            started_at=time.time(),
        )

    def _begin(self, pull: Pull) -> None:
        self._pulls[pull.name] = pull
        pull.record.state = "queued"
        task = asyncio.get_running_loop().create_task(self._drive(pull))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._changed(pull)
        if self.on_begun is not None:
            self.on_begun(pull.name)

    async def _drive(self, pull: Pull) -> None:
        await pull.run()
        error = pull.finished.result()
        if error is not None and pull.record.state == "failed" and self.on_failure is not None:
            self.on_failure(error)
        if error is None:
            if self._pulls.get(pull.name) is pull:
                del self._pulls[pull.name]
            self._tell_of(pull.name)

    def _tell_of(self, name: str) -> None:
        if self.on_changed is not None:
            self.on_changed(name)
        self._bus.publish("model.changed", {"name": name})

    def _changed(self, pull: Pull) -> None:
        going = pull.record.state in ("fetching", "verifying")
        if not going or self._bus.watched:
            self._bus.publish("model.progress", pull.view())

    def _others_bytes(self, one: Pull) -> int:
        return sum(pull.needs_bytes for pull in self._pulls.values() if pull is not one)

    def _token(self) -> Token | None:
        file = self._models().hf_token_file
        return find_token(Path(file) if file else None, self._env)


def view_of(record: Record, store: Store) -> PullView:
    """Of a model that was pulled earlier."""
    return PullView(
        name=record.name,
        source=record.source,
        state=record.state,
        kind=record.kind,
        licence=record.licence,
        done_bytes=record.done,
        total_bytes=record.total,
        pinned=record.pinned,
        started_at=record.started_at,
        path=str(store.place(record)),
        projector=record.projector or "",
    )


def _entry(name: str) -> Entry:
    entry = find_entry(name)
    if entry is None:
        nearest = did_you_mean(name, [entry.name for entry in entries()])
        raise Hal0Error("model.not_curated", model=name, nearest=nearest)
    return entry


def _of_catalogue(entry: Entry, *, name: str | None, sha256: str | None) -> Record:
    if sha256 is not None and len(entry.files) > 1:
        reason = "the model has several files"
        raise Hal0Error("dispatch.invalid_request", param="sha256", field="sha256", reason=reason)
    wanted = [Wanted(source=file.source, sha256=sha256 or file.sha256, size=file.size) for file in entry.files]
    pinned: Pinned = "asked" if sha256 else "catalogue" if all(each.sha256 for each in wanted) else ""
    return Record(
        name=checked_name(name or entry.name),
        wanted=wanted,
        kind=entry.kind,
        licence=entry.licence,
        context=entry.context,
        pinned=pinned,
        started_at=time.time(),
    )


def _error_of(record: Record) -> Hal0Error:
    if record.error is not None:
        known = Hal0Error.from_envelope({"error": record.error.model_dump()})
        if known is not None:
            return known
    return Hal0Error("model.pull_cancelled", model=record.name, by="an earlier run of hal0")
