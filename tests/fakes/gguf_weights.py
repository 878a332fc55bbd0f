"""Writes whole GGUF models that the engine loads: a vocabulary, every tensor, and weights that are all zero.

The data is a hole in the file: it takes no room on disk, and as much memory as any other once it is read.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fakes.gguf_files import ALIGNMENT, text, value

# The format's number of a type, with elements and bytes of one block.
TYPES = {
    "f32": (0, 1, 4),
    "f16": (1, 1, 2),
    "q4_0": (2, 32, 18),
    "q8_0": (8, 32, 34),
    "q4_k": (12, 256, 144),
    "q6_k": (14, 256, 210),
    "mxfp4": (39, 32, 17),
}
Tensor = tuple[str, tuple[int, ...], str]  # name, dimensions (the contiguous one first), type


@dataclass(frozen=True, slots=True)
class Shape:
    """A model that was never trained."""

    architecture: str
    entries: Mapping[str, Any]  # without the architecture's prefix
    tensors: Sequence[Tensor]
    vocabulary: int = 4096
    tokenizer: str = "llama"  # or "bert"
    more: Mapping[str, Any] = field(default_factory=dict)  # entries as they are


def write_shape(path: Path, shape: Shape) -> Path:
    prefix = shape.architecture
    entries = {
        "general.architecture": prefix,
        "general.name": path.stem,
        **{f"{prefix}.{key}": given for key, given in shape.entries.items()},
        **shape.more,
    }
    infos, at = [], 0
    for name, dimensions, type_ in shape.tensors:
        number, per_block, block_bytes = TYPES[type_]
        infos.append(text(name) + struct.pack(f"<I{len(dimensions)}QIQ", len(dimensions), *dimensions, number, at))
        size = block_bytes
        for dimension in dimensions:
            size *= dimension
        assert size % per_block == 0
        at += -(-(size // per_block) // ALIGNMENT) * ALIGNMENT
    words = _tokenizer(shape)
    body = b"".join(text(key) + value(given) for key, given in entries.items()) + words[1]
    head = b"GGUF" + struct.pack("<IQQ", 3, len(infos), len(entries) + words[0]) + body + b"".join(infos)
    head += bytes(-len(head) % ALIGNMENT)
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + at)
    return path


def _tokenizer(shape: Shape) -> tuple[int, bytes]:
    """Number of entries, and the entries: bytes or letters as tokens, the rest filled up."""
    if shape.tokenizer == "bert":
        first = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"\u2581{chr(97 + n)}" for n in range(26))]
        kinds = [3] * 5 + [1] * 26
        special = {"unknown": 1, "seperator": 3, "padding": 0, "cls": 2, "mask": 4, "bos": 2, "eos": 3}
    else:
        first = ["<unk>", "<s>", "</s>", *(f"<0x{n:02X}>" for n in range(256))]
        kinds = [2, 3, 3] + [6] * 256
        special = {"unknown": 0, "bos": 1, "eos": 2}
    tokens = [*first, *(f"w{n}" for n in range(shape.vocabulary - len(first)))]
    kinds += [1] * (shape.vocabulary - len(first))
    entries = [
        text("tokenizer.ggml.model") + value(shape.tokenizer),
        text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, len(tokens)) + b"".join(map(text, tokens)),
        text("tokenizer.ggml.token_type") + struct.pack(f"<IIQ{len(kinds)}i", 9, 5, len(kinds), *kinds),
        text("tokenizer.ggml.scores") + struct.pack(f"<IIQ{len(tokens)}f", 9, 6, len(tokens), *[0.0] * len(tokens)),
        *(text(f"tokenizer.ggml.{name}_token_id") + value(number) for name, number in special.items()),
    ]
    return len(entries), b"".join(entries)
