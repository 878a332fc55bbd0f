"""Which models there are: names and aliases, and the files behind them.

Three sources, in this order when names collide: `[models.NAME]`, the models of the package, the model folders.
Listing is from memory. Finding one looks at its file again, so a file that came back, or changed, is seen.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hal0.daemon.config.schema import Models
from hal0.daemon.models.checksums import Checksums, Progress
from hal0.daemon.models.file import ModelFile
from hal0.daemon.models.gguf import read_header
from hal0.daemon.models.parts import PART, parts
from hal0.errors import Hal0Error, did_you_mean
from hal0.models import CARDS, Card

FOLDER_DEPTH = 3  # model folders are often laid out as owner/repository/file
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
    card: Card | None = None


class Registry:
    """The known models of one configuration."""

    def __init__(self, models: Models, *, state: Path, cards: Sequence[Card] = CARDS) -> None:
        self.problems: list[Hal0Error] = []  # files and folders that are named but cannot be used, as last seen
        self._models = models
        self._cards = cards
        self._checksums = Checksums(state / "checksums.json")
        self._folder_times: dict[Path, int] = {}
        self._sources: dict[str, Source] = {}
        self._names: dict[str, str] = {}  # id or alias → id
        self._looked_at: dict[str, tuple[tuple[Stamp, ...], ModelFile]] = {}
        self._collect()

    def all(self) -> list[ModelFile]:
        """Every usable model, without touching a disk."""
        return [self._looked_at[name][1] for name in self._sources if name in self._looked_at]

    def find(self, name: str) -> ModelFile:
        """A model by its id or an alias; raises `model.not_found`, `model.file_missing` or `model.file_invalid`."""
        if name not in self._names and self._folders_changed():
            self._collect()
        if name not in self._names:
            raise Hal0Error("model.not_found", model=name, nearest=did_you_mean(name, self._names))
        return self._look_at(self._sources[self._names[name]])

    def is_verified(self, model: ModelFile) -> bool:
        """Whether its checksum was found right, or none is known to compare with."""
        return model.sha256 is None or self._checksums.is_verified(model.path, model.sha256)

    async def verify(self, model: ModelFile, on_progress: Progress | None = None) -> None:
        """Compare its checksum; `on_progress` hears of bytes done and in all. Raises `model.checksum_mismatch`."""
        if model.sha256 is not None:
            await self._checksums.verify(model.path, model.sha256, model=model.id, on_progress=on_progress)

    # ------------------------------------------------------------------------------------------------------------

    def _collect(self) -> None:
        """Look for models in every source anew."""
        self.problems = []
        self._sources = {}
        for source in (*self._configured(), *self._shipped(), *self._in_folders()):
            kept = self._sources.setdefault(source.id, source)
            if kept is not source and source.card is None:
                log.warning("%s is not used: %r is already %s", source.path, source.id, kept.path)
        self._names = {name: name for name in self._sources}
        for source in self._sources.values():
            for alias in source.aliases:
                self._names.setdefault(alias, source.id)
        for source in list(self._sources.values()):
            try:
                self._look_at(source)
            except Hal0Error as error:
                self.problems.append(error)
                log.warning("%s", error)

    def _configured(self) -> Iterator[Source]:
        for name, table in self._models.files.items():
            yield Source(name, Path(table.path), table.aliases, table.sha256)

    def _shipped(self) -> Iterator[Source]:
        for card in self._cards:
            yield Source(card.id, card.path, card.aliases, card.sha256, card)

    def _in_folders(self) -> Iterator[Source]:
        self._folder_times = {}
        for folder in map(Path, self._models.folders):
            try:
                self._folder_times[folder] = folder.stat().st_mtime_ns
            except OSError as error:
                log.warning("the model folder %s cannot be read: %s", folder, error.strerror)
                continue
            for file in self._gguf_files(folder, FOLDER_DEPTH):
                part = PART.fullmatch(file.name)
                if "mmproj" in file.name.lower() or (part and int(part["number"]) != 1):
                    continue
                stem = part["stem"] if part else file.stem
                yield Source(stem, file, (stem.lower(),) if stem != stem.lower() else ())

    def _gguf_files(self, folder: Path, depth: int) -> Iterator[Path]:
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
                self._folder_times[path] = entry.stat().st_mtime_ns
                yield from self._gguf_files(path, depth - 1)

    def _folders_changed(self) -> bool:
        """Whether a file may have come to a model folder; a folder that was not there counts when it comes."""
        for folder in {*map(Path, self._models.folders), *self._folder_times}:
            try:
                now = folder.stat().st_mtime_ns
            except OSError:
                now = None
            if now != self._folder_times.get(folder):
                return True
        return False

    def _look_at(self, source: Source) -> ModelFile:
        """The model behind a source; its header is read only if the file is another one than last time."""
        files = list(parts(source.path))
        try:
            stamps = tuple(_stamp(source, file) for file in files)
            known = self._looked_at.get(source.id)
            if known is None or known[0] != stamps or known[1].path != source.path:
                known = self._looked_at[source.id] = stamps, _describe(source, sum(size for size, _ in stamps))
        except Hal0Error:
            self._looked_at.pop(source.id, None)
            raise
        return known[1]


def _stamp(source: Source, file: Path) -> Stamp:
    try:
        status = file.stat()
    except OSError as error:
        raise Hal0Error("model.file_missing", model=source.id, path=str(file)) from error
    if not file.is_file():
        raise Hal0Error("model.file_invalid", path=str(file), reason="it is not a regular file")
    return status.st_size, status.st_mtime_ns


def _describe(source: Source, size_bytes: int) -> ModelFile:
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
    header = read_header(source.path, whole=False)
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
    )
