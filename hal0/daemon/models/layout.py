"""What of a model file decides how much memory it takes: every tensor with its size, and the numbers of its header.

The size of a tensor is the distance to the next one, so types that we do not know are counted right as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from hal0.daemon.models.gguf import MAGIC, VERSIONS, Cursor, FormatError
from hal0.daemon.models.parts import parts
from hal0.errors import Hal0Error

MOST_DIMENSIONS = 8
MOST_ENTRIES = 65_536
MOST_TENSORS = 1_000_000
DEFAULT_ALIGNMENT = 32


@dataclass(frozen=True, slots=True)
class Tensor:
    """One matrix or vector of weights."""

    name: str
    dimensions: tuple[int, ...]  # the contiguous one first
    type: int  # ggml's number
    size_bytes: int

    @property
    def layer(self) -> int | None:
        """The block it belongs to; None for those before the first and after the last."""
        words = self.name.split(".", 2)
        return int(words[1]) if words[0] == "blk" and len(words) == 3 and words[1].isdecimal() else None


@dataclass(frozen=True, slots=True)
class Layout:
    """A model's tensors, of all its parts, and the numbers of the header under their names without the architecture."""

    architecture: str
    entries: Mapping[str, Any]
    tensors: tuple[Tensor, ...]

    def number(self, key: str, default: int = 0) -> int:
        """A whole number; of one per layer the largest."""
        value = self.entries.get(key)
        if isinstance(value, list):
            return max((v for v in value if isinstance(v, int)), default=default)
        return value if isinstance(value, int) else default

    def of_layer(self, key: str, layer: int, default: int = 0) -> int:
        value = self.entries.get(key)
        if isinstance(value, list):
            return int(value[layer]) if layer < len(value) and isinstance(value[layer], int) else default
        return self.number(key, default)


def read_layout(path: Path) -> Layout:
    """Read the headers of all parts; raises `model.file_missing` or `model.file_invalid`."""
    entries: dict[str, Any] = {}
    tensors: list[Tensor] = []
    for part in parts(path):
        try:
            with part.open("rb", buffering=0) as file:
                found, of_part = _read(Cursor(file), part.stat().st_size)
        except FileNotFoundError as error:
            raise Hal0Error("model.file_missing", model=path.stem, path=str(part)) from error
        except (OSError, ValueError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise Hal0Error("model.file_invalid", path=str(part), reason=reason) from error
        entries = entries or found
        tensors += of_part
    architecture = str(entries.get("general.architecture", ""))
    own = {key.removeprefix(architecture + "."): value for key, value in entries.items()}
    return Layout(architecture, own, tuple(tensors))


def _read(cursor: Cursor, file_bytes: int) -> tuple[dict[str, Any], list[Tensor]]:
    cursor.skip(4)
    if bytes(cursor.data[:4]) != MAGIC or cursor.unpack("I") not in VERSIONS:
        raise FormatError("it is not GGUF of a known version")
    tensor_count, entry_count = cursor.unpack("Q"), cursor.unpack("Q")
    if entry_count > MOST_ENTRIES or tensor_count > MOST_TENSORS:
        raise FormatError(f"its header announces {entry_count} entries and {tensor_count} tensors")
    entries: dict[str, Any] = {}
    for _ in range(entry_count):
        key = cursor.string()
        entries[key] = cursor.value(cursor.unpack("I"))
    infos = [_info(cursor) for _ in range(tensor_count)]
    alignment = entries.get("general.alignment", DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or alignment <= 0:
        raise FormatError("its alignment is no number")
    data_bytes = file_bytes - -(-cursor.at // alignment) * alignment
    ends = sorted({at for *_, at in infos} | {data_bytes})
    following = dict(pairwise(ends))
    if infos and max(at for *_, at in infos) >= data_bytes:
        raise FormatError("it is cut short: tensors lie beyond its end")
    return entries, [Tensor(name, dims, type_, following[at] - at) for name, dims, type_, at in infos]


def _info(cursor: Cursor) -> tuple[str, tuple[int, ...], int, int]:
    name, count = cursor.string(), cursor.unpack("I")
    if count > MOST_DIMENSIONS:
        raise FormatError(f"a tensor of {count} dimensions")
    dimensions = tuple(cursor.unpack("Q") for _ in range(count))
    return name, dimensions, cursor.unpack("I"), cursor.unpack("Q")
