"""Which models there are: names and aliases, and the files behind them.

Four sources, in this order when names collide: `[models.NAME]`, the models of the package, those that were pulled, the
model folders. The stores of other programs are looked into only for a name that begins with one of theirs.
Listing is from memory. Finding one looks at its file again, so a file that came back, or changed, is seen.
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from hal0.daemon.config.schema import Model, Models
from hal0.daemon.models.checksums import Checksums, Progress
from hal0.daemon.models.file import ModelFile
from hal0.daemon.models.foreign import ForeignStores, Found
from hal0.daemon.models.headers import Headers
from hal0.daemon.models.parts import PART, parts
from hal0.daemon.models.record import Record
from hal0.daemon.models.store import Store, folder_of
from hal0.errors import Hal0Error, did_you_mean
from hal0.models import CARDS, Card
from hal0.models.catalogue import entries, find_entry

FOLDER_DEPTH = 3  # model folders are often laid out as owner/repository/file
GGUF = ".gguf"
NOT_MODELS = {
    "mmproj": "it holds an image projector, not a language model",
    "adapter": "it holds a LoRA adapter, not a whole model",
    "imatrix": "it holds an importance matrix, not a model",
}

log = logging.getLogger("hal0.models")

Stamp = tuple[int, int]  # size and time of change


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model comes from, before anyone has looked at its file."""

    id: str
    path: Path
    aliases: tuple[str, ...] = ()
    sha256: str | None = None
    licence: str = ""  # as configured
    card: Card | None = None
    record: Record | None = None  # of a model that was pulled
    is_foreign: bool = False
    projector: Path | None = None  # of images, that came with it


@dataclass(slots=True)
class Known:
    """What one look at every source brought; replaced as a whole by the next."""

    sources: dict[str, Source] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)  # id or alias → id
    folder_times: dict[Path, int] = field(default_factory=dict)
    problems: list[Hal0Error] = field(default_factory=list)


class Coming(Protocol):
    """The models that are on their way here."""

    def progress_of(self, name: str) -> str | None:
        """How far it is, in words; None if it is not on its way."""
        ...

    async def order(self, name: str) -> None:
        """Begin its pull, as the configuration says; raises why that cannot be."""
        ...

    async def arrival(self, name: str, on_progress: Callable[[int, int | None], None]) -> None:
        """Wait until it is there; raises why it does not come."""
        ...


class Registry:
    """The known models of one configuration."""

    def __init__(
        self,
        models: Models,
        *,
        state: Path,
        cards: Sequence[Card] = CARDS,
        foreign: ForeignStores | None = None,
        coming: Coming | None = None,
        headers: Headers | None = None,
    ) -> None:
        self._models = models
        self._cards = cards
        self._store = Store(folder_of(models, state))
        self._foreign = foreign if models.scan else None
        self._coming = coming
        self._headers = headers or Headers()
        self._checksums = Checksums(state / "checksums.json")
        self._looked_at: dict[str, tuple[tuple[Stamp, ...], ModelFile]] = {}
        self._known = Known()
        self.refresh()

    @property
    def problems(self) -> list[Hal0Error]:
        """Files and folders that are named but cannot be used, as last seen."""
        return self._known.problems

    def all(self) -> list[ModelFile]:
        """Every usable model, without touching a disk."""
        looked_at = dict(self._looked_at)
        return [looked_at[name][1] for name in list(self._known.sources) if name in looked_at]

    def look(self) -> None:
        """Notice what has come to the model folders, or gone. Reads folders."""
        if self._folders_changed():
            self.refresh()

    def find(self, name: str) -> ModelFile:
        """A model by its id or an alias; raises `model.not_found`, `model.file_missing` or `model.file_invalid`.

        Also `model.being_pulled`, `model.not_fetched` and `model.not_pulled` for those that could be here.
        """
        if name not in self._known.names:
            self.look()
        if name not in self._known.names:
            self._learn_foreign(name)
        known = self._known
        if name not in known.names:
            raise self._not_here(name)
        return self._look_at(known.sources[known.names[name]])

    def found(self) -> list[Found]:
        """The models in the stores of other programs; reads folders."""
        return self._foreign.all() if self._foreign is not None else []

    def place_of(self, name: str) -> str | None:
        """Where the model of this name or alias lies; None if there is none."""
        known = self._known
        source = known.sources.get(known.names.get(name, ""))
        return str(source.path) if source is not None else None

    async def order(self, name: str) -> None:
        """Have a model pulled that the configuration gives an address; raises why it cannot be."""
        if self._coming is not None:
            await self._coming.order(name)

    async def arrival(self, name: str, on_progress: Callable[[int, int | None], None]) -> None:
        """Wait for a model that is being pulled; raises why it does not come."""
        if self._coming is not None:
            await self._coming.arrival(name, on_progress)

    def is_verified(self, model: ModelFile) -> bool:
        """Whether its checksum was found right, or none is known to compare with."""
        return model.sha256 is None or self._checksums.is_verified(model.path, model.sha256)

    async def verify(self, model: ModelFile, on_progress: Progress | None = None) -> None:
        """Compare its checksum; `on_progress` hears of bytes done and in all. Raises `model.checksum_mismatch`."""
        if model.sha256 is not None:
            await self._checksums.verify(model.path, model.sha256, model=model.id, on_progress=on_progress)

    # ------------------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Look for models in every source anew. Blocks while headers of new files are read; from any thread."""
        known = Known()
        for source in (*self._configured(), *self._shipped(), *self._pulled(), *self._in_folders(known)):
            kept = known.sources.setdefault(source.id, source)
            if kept is not source and source.card is None:
                log.warning("%s is not used: %r is already %s", source.path, source.id, kept.path)
        for source in list(self._known.sources.values()):
            if source.is_foreign:
                known.sources.setdefault(source.id, source)
        known.names = {name: name for name in known.sources}
        for source in known.sources.values():
            for alias in source.aliases:
                known.names.setdefault(alias, source.id)
        for source in list(known.sources.values()):
            try:
                self._look_at(source)
            except Hal0Error as error:
                known.problems.append(error)
                log.warning("%s", error)
        self._known = known

    def _learn_foreign(self, name: str) -> None:
        """A model of another program's store becomes known when it is first asked for by its name there."""
        if self._foreign is None or not self._foreign.is_name(name):
            return
        if (found := self._foreign.find(name)) is not None:
            self._known.sources[name] = Source(name, found.path, is_foreign=True, projector=found.projector)
            self._known.names[name] = name

    def _not_here(self, name: str) -> Hal0Error:
        own, table = self._to_pull(name)
        name = own or name
        if self._coming is not None and (progress := self._coming.progress_of(name)) is not None:
            return Hal0Error("model.being_pulled", model=name, progress=progress)
        if table is not None:
            source = (table.url or "").partition("?")[0]  # what stands behind it may be a secret
            licence = f", licence {table.licence}" if table.licence else ""
            return Hal0Error("model.not_fetched", model=name, source=source, licence=licence)
        if find_entry(name) is not None:
            return Hal0Error("model.not_pulled", model=name)
        names = [*self._known.names, *(entry.name for entry in entries())]
        return Hal0Error("model.not_found", model=name, nearest=did_you_mean(name, names))

    def _to_pull(self, name: str) -> tuple[str, Model | None]:
        """The name and table of a model that the configuration gives an address, by its name or an alias."""
        for own, table in self._models.files.items():
            if table.url is not None and name in (own, *table.aliases):
                return own, table
        return "", None

    def _configured(self) -> Iterator[Source]:
        for name, table in self._models.files.items():
            if table.path is not None:
                eyes = Path(table.mmproj) if table.mmproj is not None else None
                yield Source(name, Path(table.path), table.aliases, table.sha256, table.licence, projector=eyes)

    def _shipped(self) -> Iterator[Source]:
        for card in self._cards:
            yield Source(card.id, card.path, card.aliases, card.sha256, card=card)

    def _pulled(self) -> Iterator[Source]:
        for record in self._store.records():
            place = self._store.place(record)
            path = place / record.files[0].path if place.suffix != GGUF and _is_gguf(record) else place
            eyes = place / record.projector if record.projector else None
            aliases = (record.name.lower(),) if record.name != record.name.lower() else ()
            table = self._models.files.get(record.name)
            if table is None or table.url is None:
                yield Source(record.name, path, aliases, record=record, projector=eyes)
                continue
            is_proven = record.wanted[0].sha256 == table.sha256  # when it was pulled
            sha256 = None if is_proven else table.sha256
            names = (*table.aliases, *aliases)
            eyes = Path(table.mmproj) if table.mmproj is not None else eyes
            yield Source(record.name, path, names, sha256, table.licence, record=record, projector=eyes)

    def _in_folders(self, known: Known) -> Iterator[Source]:
        if (stored_at := _time_of(self._store.folder)) is not None:
            known.folder_times[self._store.folder] = stored_at
        for folder in map(Path, self._models.folders):
            try:
                known.folder_times[folder] = folder.stat().st_mtime_ns
            except OSError as error:
                log.warning("the model folder %s cannot be read: %s", folder, error.strerror)
                continue
            for file in self._gguf_files(folder, FOLDER_DEPTH, known):
                part = PART.fullmatch(file.name)
                if "mmproj" in file.name.lower() or (part and int(part["number"]) != 1):
                    continue
                stem = part["stem"] if part else file.stem
                yield Source(stem, file, (stem.lower(),) if stem != stem.lower() else ())

    def _gguf_files(self, folder: Path, depth: int, known: Known) -> Iterator[Path]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            log.warning("the model folder %s cannot be read: %s", folder, error.strerror)
            return
        for entry in entries:
            if entry.name.startswith("."):
                continue
            path = folder / entry.name
            if entry.is_file() and path.suffix.lower() == ".gguf":
                yield path
            elif depth > 1 and entry.is_dir(follow_symlinks=False):
                known.folder_times[path] = entry.stat().st_mtime_ns
                yield from self._gguf_files(path, depth - 1, known)

    def _folders_changed(self) -> bool:
        """Whether a file may have come to a model folder; a folder that was not there counts when it comes."""
        times = self._known.folder_times
        folders = {self._store.folder, *map(Path, self._models.folders), *times}
        return any(_time_of(folder) != times.get(folder) for folder in folders)

    def _look_at(self, source: Source) -> ModelFile:
        """The model behind a source; its header is read only if the file is another one than last time."""
        record = source.record
        files = [source.path] if record is not None and not _is_gguf(record) else list(parts(source.path))
        try:
            stamps = tuple(_stamp(source, file) for file in files)
            known = self._looked_at.get(source.id)
            places = source.path, source.projector
            if known is None or known[0] != stamps or (known[1].path, known[1].own_projector) != places:
                known = self._looked_at[source.id] = stamps, _describe(source, stamps, self._headers)
        except Hal0Error:
            self._looked_at.pop(source.id, None)
            raise
        return known[1]


def _stamp(source: Source, file: Path) -> Stamp:
    try:
        status = file.stat()
    except OSError as error:
        raise Hal0Error("model.file_missing", model=source.id, path=str(file)) from error
    if source.record is not None and not _is_gguf(source.record):
        if not file.is_dir():
            raise Hal0Error("model.file_invalid", path=str(file), reason="it is not a folder")
        return source.record.done, status.st_mtime_ns
    if not file.is_file():
        raise Hal0Error("model.file_invalid", path=str(file), reason="it is not a regular file")
    return status.st_size, status.st_mtime_ns


def _time_of(folder: Path) -> int | None:
    """When something in it came or went; None if it is not there."""
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return None


def _is_gguf(record: Record) -> bool:
    return bool(record.files) and record.files[0].path.lower().endswith(GGUF)


def _describe(source: Source, stamps: Sequence[Stamp], headers: Headers) -> ModelFile:
    size_bytes = sum(size for size, _ in stamps)
    if card := source.card:
        return ModelFile(
            id=card.id,
            path=card.path,
            kind=card.kind,
            size_bytes=size_bytes,
            aliases=card.aliases,
            sha256=card.sha256,
            context_limit=card.context_limit,
            embedded=True,
            licence=card.licence,
            owner="hal0",
        )
    record = source.record
    if record is not None and not _is_gguf(record):
        return ModelFile(
            id=source.id,
            path=source.path,
            kind=record.kind or "chat",
            size_bytes=size_bytes,
            aliases=source.aliases,
            context_limit=record.context,
            licence=source.licence or record.licence,
            source=record.source,
            pulled=True,
            format="folder",
        )
    header = headers.of(source.path, stamps[0])
    what = "mmproj" if header.architecture == "clip" else header.type
    if reason := NOT_MODELS.get(what):
        raise Hal0Error("model.file_invalid", path=str(source.path), reason=reason)
    return ModelFile(
        id=source.id,
        path=source.path,
        kind=header.kind,
        size_bytes=size_bytes,
        aliases=source.aliases,
        sha256=source.sha256,
        context_limit=header.context_length,
        licence=source.licence or (record.licence if record else ""),
        source=record.source if record else "",
        pulled=record is not None,
        own_projector=source.projector,
    )
