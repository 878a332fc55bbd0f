"""What is known of a model when a slot serves it. A value; nothing is read here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from hal0.wire import Kind


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model that can be served, resolved to where it lies."""

    id: str
    path: Path  # of the file or folder; means nothing for one that lies `elsewhere`
    kind: Kind
    size_bytes: int
    aliases: tuple[str, ...] = ()
    sha256: str | None = None
    context_limit: int | None = None  # tokens the model was trained for
    embedded: bool = False  # ships inside hal0
    licence: str = ""
    owner: str = "local"  # for `owned_by` of /v1/models
    source: str = ""  # where it was pulled from
    pulled: bool = False  # hal0's own file, in its store
    own_projector: Path | None = None  # of images, that came with it: what `mmproj = "auto"` means
    projector: Path | None = None  # of images, if its slot uses one
    format: Literal["gguf", "folder", "elsewhere"] = "gguf"  # elsewhere: its backend finds it by name
