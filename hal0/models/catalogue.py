"""The catalogue: models that `hal0 model pull NAME` knows by a short name. The data is in `catalogue.toml`.

A size or checksum that is not in it is not known for sure: then the server's own word is taken, and hal0 says so.
"""

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from hal0.wire import CuratedModel, Kind

FILE = Path(__file__).with_name("catalogue.toml")


@dataclass(frozen=True, slots=True)
class CuratedFile:
    """One source of a model."""

    source: str
    sha256: str | None = None
    size: int | None = None  # bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """One model."""

    name: str
    kind: Kind
    files: tuple[CuratedFile, ...]
    licence: str
    about: str
    context: int | None = None  # tokens
    gated: bool = False  # its owner wants a licence accepted first

    @property
    def size_bytes(self) -> int | None:
        sizes = [file.size for file in self.files]
        return None if None in sizes else sum(size or 0 for size in sizes)

    def view(self) -> CuratedModel:
        return CuratedModel(
            name=self.name,
            kind=self.kind,
            source=[file.source for file in self.files],
            licence=self.licence,
            about=self.about,
            size_bytes=self.size_bytes,
            sha256=self.files[0].sha256 if len(self.files) == 1 else None,
            pinned=all(file.sha256 for file in self.files),
            context=self.context,
            gated=self.gated,
        )


@cache
def entries() -> Sequence[Entry]:
    """All of it, in the order of the file."""
    tables = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return tuple(
        Entry(
            name=name,
            kind=table["kind"],
            files=tuple(CuratedFile(**file) for file in table["files"]),
            licence=table["licence"],
            about=table["about"],
            context=table.get("context"),
            gated=table.get("gated", False),
        )
        for name, table in tables.items()
    )


def find_entry(name: str) -> Entry | None:
    """By its name, in whatever letters."""
    return next((entry for entry in entries() if entry.name == name.lower()), None)
