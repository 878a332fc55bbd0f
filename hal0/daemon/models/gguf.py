"""Reads the header of a GGUF file: what the model is, without its weights.

Reads are bounded: a damaged or hostile file costs a `model.file_invalid` with the reason, never memory or a crash.
Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md (versions 2 and 3).
"""

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from hal0.errors import Hal0Error
from hal0.regular import open_regular
from hal0.wire import Kind

MAGIC = b"GGUF"
VERSIONS = (2, 3)
LONGEST_STRING_BYTES = 16 * 2**20
LONGEST_ARRAY = 16 * 2**20  # elements; the largest vocabularies have 300,000
LONGEST_HEADER_BYTES = 256 * 2**20
READ_BYTES = 2**18
MOST_ENTRIES = 65_536
MOST_TENSORS = 1_000_000
KEPT_TEXTS = 16  # of an array; vocabularies are only stepped over
KEPT_NUMBERS = 1024  # of an array; no model has more layers

# Value types of the format: struct code by number.
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9

ENCODERS = (
    "bert",
    "nomic-bert",
    "nomic-bert-moe",
    "jina-bert-v2",
    "jina-bert-v3",
    "modern-bert",
    "neo-bert",
    "eurobert",
    "gemma-embedding",
    "t5encoder",
)
POOLING = {0: "none", 1: "mean", 2: "cls", 3: "last", 4: "rank"}
CLASSIFIER_TENSORS = ("cls.", "classifier.")


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What the header tells; None where the file does not say."""

    version: int
    tensor_count: int
    architecture: str
    type: str = "model"  # or "adapter", "mmproj", "imatrix"
    name: str | None = None
    file_type: int | None = None  # llama.cpp's number of the quantisation
    context_length: int | None = None
    embedding_length: int | None = None
    layers: int | None = None
    heads: int | None = None
    kv_heads: int | None = None
    key_length: int | None = None  # of one head, where it is not embedding_length / heads
    value_length: int | None = None
    pooling: str | None = None
    parts: int = 1  # files the model is split into
    has_chat_template: bool = False
    has_classifier: bool = False

    @property
    def kind(self) -> Kind:
        """What the model can do. A model that scores pairs needs a head for it; one that pools gives vectors."""
        if self.pooling == "rank" or self.has_classifier:
            return "rerank"
        if self.architecture in ENCODERS or self.pooling not in (None, "none"):
            return "embedding"
        return "chat"


def read_header(path: Path, *, whole: bool = True) -> GgufHeader:
    """Read the header; raises `model.file_missing` or `model.file_invalid`.

    Not `whole`: it stops where the vocabulary begins if the kind is known by then, which saves nine tenths of the time;
    `has_chat_template` is then unknown and False.
    """
    try:
        with open_regular(path, buffering=0) as file:
            return _read(Cursor(file), whole=whole)
    except FileNotFoundError as error:
        raise Hal0Error("model.file_missing", model=path.stem, path=str(path)) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise Hal0Error("model.file_invalid", path=str(path), reason=reason) from error


class FormatError(ValueError):
    """The file breaks the format."""


class Cursor:
    """A place in the header. Plain reads: a mapped file that someone cuts short meanwhile would kill the daemon."""

    def __init__(self, file: BinaryIO) -> None:
        self.data = bytearray()  # the file from its beginning, as far as it was needed
        self.at = 0
        self._file = file

    def _fill(self, end: int) -> None:
        """Have the bytes up to `end`."""
        if end > LONGEST_HEADER_BYTES:
            raise FormatError("its header does not end")
        while len(self.data) < end:
            more = self._file.read(max(READ_BYTES, end - len(self.data)))
            if not more:
                raise FormatError("its header is cut short" if self.data else "it is empty")
            self.data += more

    def unpack(self, code: str) -> Any:
        width = struct.calcsize("<" + code)
        start = self.skip(width)
        return struct.unpack_from("<" + code, self.data, start)[0]

    def skip(self, count: int) -> int:
        """Step over so many bytes; returns where they begin."""
        start = self.at
        self.at = start + count
        if self.at > len(self.data):
            self._fill(self.at)
        return start

    def string(self) -> str:
        length = self.unpack("Q")
        if length > LONGEST_STRING_BYTES:
            raise FormatError(f"a text of {length} bytes in its header")
        start = self.skip(length)
        return bytes(self.data[start : start + length]).decode("utf-8", "replace")

    def value(self, type_: int) -> Any:
        if type_ == STRING:
            return self.string()
        if type_ == ARRAY:
            return self._array()
        if (code := SCALARS.get(type_)) is None:
            raise FormatError(f"a value of the unknown type {type_} in its header")
        return self.unpack(code)

    def _array(self) -> list[Any]:
        """The first elements; the others are stepped over."""
        type_, count = self.unpack("I"), self.unpack("Q")
        if count > LONGEST_ARRAY:
            raise FormatError(f"a list of {count} elements in its header")
        if type_ == ARRAY:
            raise FormatError("a list of lists in its header")
        kept = [self.value(type_) for _ in range(min(count, KEPT_TEXTS if type_ == STRING else KEPT_NUMBERS))]
        rest = count - len(kept)
        if type_ == STRING:
            self._skip_strings(rest)
        elif rest:
            self.skip(rest * struct.calcsize("<" + SCALARS[type_]))
        return kept

    def _skip_strings(self, count: int) -> None:
        unpack_length = struct.Struct("<Q").unpack_from
        data, at = self.data, self.at
        for _ in range(count):
            if at + 8 > len(data):
                self._fill(at + 8)
            at += 8 + unpack_length(data, at)[0]
        self.at = at
        self.skip(0)


def _read(cursor: Cursor, *, whole: bool) -> GgufHeader:
    cursor.skip(4)
    if (magic := bytes(cursor.data[:4])) != MAGIC:
        raise FormatError(f"it is not GGUF: it begins with {_readable(magic)}")
    version = cursor.unpack("I")
    if version not in VERSIONS:
        known = " and ".join(map(str, VERSIONS))
        raise FormatError(f"it is GGUF version {version}; known are {known}")
    tensor_count, entry_count = cursor.unpack("Q"), cursor.unpack("Q")
    if entry_count > MOST_ENTRIES or tensor_count > MOST_TENSORS:
        raise FormatError(f"its header announces {entry_count} entries and {tensor_count} tensors")
    entries: dict[str, Any] = {}
    complete = True
    for _ in range(entry_count):
        key = cursor.string()
        if not whole and key.startswith("tokenizer.") and _is_settled(entries):
            complete = False
            break
        entries[key] = cursor.value(cursor.unpack("I"))
    has_classifier = complete and _has_classifier(cursor, tensor_count, entries)
    return _header(version, tensor_count, entries, has_classifier=has_classifier)


def _readable(data: bytes) -> str:
    text = data.decode("ascii", "replace")
    return f'"{text}"' if text.isascii() and text.isprintable() else f"the bytes {data.hex(' ')}"


def _is_settled(entries: dict[str, Any]) -> bool:
    """Whether the kind can be told already. An encoder may carry a classifier: only its tensors tell."""
    architecture = entries.get("general.architecture")
    return architecture not in (None, *ENCODERS) and f"{architecture}.context_length" in entries


def _has_classifier(cursor: Cursor, tensor_count: int, entries: dict[str, Any]) -> bool:
    if entries.get("general.architecture") not in ENCODERS:
        return False
    for _ in range(tensor_count):
        if cursor.string().startswith(CLASSIFIER_TENSORS):
            return True
        dimensions = cursor.unpack("I")
        if dimensions > 8:
            raise FormatError(f"a tensor of {dimensions} dimensions")
        cursor.skip(8 * dimensions + 4 + 8)  # the dimensions, the type, the place of its data
    return False


def _header(version: int, tensor_count: int, entries: dict[str, Any], *, has_classifier: bool) -> GgufHeader:
    architecture = entries.get("general.architecture")
    if not isinstance(architecture, str) or not architecture:
        raise FormatError("its header names no architecture")

    def number(key: str) -> int | None:
        value = entries.get(key)
        if isinstance(value, list):  # one number per layer
            value = max((v for v in value if isinstance(v, int)), default=None)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def of_model(key: str) -> int | None:
        return number(f"{architecture}.{key}")

    name, type_ = entries.get("general.name"), entries.get("general.type")
    heads = of_model("attention.head_count")
    pooling = of_model("pooling_type")
    return GgufHeader(
        version=version,
        tensor_count=tensor_count,
        architecture=architecture,
        type=type_ if isinstance(type_, str) else "model",
        name=name if isinstance(name, str) else None,
        file_type=number("general.file_type"),
        context_length=of_model("context_length"),
        embedding_length=of_model("embedding_length"),
        layers=of_model("block_count"),
        heads=heads,
        kv_heads=of_model("attention.head_count_kv") or heads,
        key_length=of_model("attention.key_length"),
        value_length=of_model("attention.value_length"),
        pooling=None if pooling is None else POOLING.get(pooling, str(pooling)),
        parts=max(1, number("split.count") or 1),
        has_chat_template=isinstance(entries.get("tokenizer.chat_template"), str),
        has_classifier=has_classifier,
    )
