"""What is written down of a pull, beside its files: where they come from, and which of their bytes are there.

It is what a pull goes on from after an interruption or a restart, and afterwards tells where a model came from.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from hal0.daemon.models.projectors import GGUF, is_named_projector
from hal0.daemon.models.spans import Span, count
from hal0.wire import ErrorView, Kind, PullState

Pinned = Literal["", "catalogue", "asked", "server"]
VERSION = 1


class FileRecord(BaseModel):
    """One file of a model."""

    model_config = ConfigDict(extra="ignore")

    path: str  # in the model's folder
    url: str
    size: int | None = None
    sha256: str | None = None
    validator: str = ""  # strong ETag or date: while it is the same, so is the file
    ranges: bool = True  # whether its server can be asked for parts
    spans: list[Span] = Field(default_factory=list)
    whole: bool = False  # all of it is there, and its checksum is right

    @property
    def done(self) -> int:
        return count(self.spans)


class Wanted(BaseModel):
    """One source of a model, and what is known of its file beforehand."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    source: str
    sha256: str | None = None
    size: int | None = None


class Record(BaseModel):
    """One pull."""

    model_config = ConfigDict(extra="ignore")

    version: int = VERSION
    name: str
    wanted: list[Wanted]
    kind: Kind | None = None
    licence: str = ""
    context: int | None = None
    pinned: Pinned = ""
    commit: str = ""
    files: list[FileRecord] = Field(default_factory=list)  # empty until the sources were resolved
    state: PullState = "queued"
    error: ErrorView | None = None
    started_at: float
    finished_at: float | None = None

    @property
    def done(self) -> int:
        return sum(file.done for file in self.files)

    @property
    def total(self) -> int | None:
        """None until every file's size is known."""
        sizes = [file.size for file in self.files]
        if not sizes:
            sizes = [wanted.size for wanted in self.wanted]
        return None if None in sizes else sum(size for size in sizes if size is not None)

    @property
    def projector(self) -> str | None:
        """The path of the image projector, the second file of a model that sees pictures, if one comes with it."""
        if not self.files or not self.files[0].path.lower().endswith(GGUF):
            return None
        return next((file.path for file in self.files[1:] if is_named_projector(file.path)), None)

    @property
    def source(self) -> str:
        """For people; without what stands behind a `?`, which may be a secret."""
        return ", ".join(wanted.source.partition("?")[0] for wanted in self.wanted)
