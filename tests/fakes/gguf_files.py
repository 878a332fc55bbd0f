"""Writes GGUF headers, right and wrong ones, so that models of every kind can be had without their weights."""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def value(given: Any) -> bytes:
    """Type number and value: text, truth, whole number (u32), float, or a list of one of these."""
    match given:
        case str():
            return struct.pack("<I", 8) + text(given)
        case bool():
            return struct.pack("<I?", 7, given)
        case int():
            return struct.pack("<II", 4, given)
        case float():
            return struct.pack("<If", 6, given)
        case list():
            elements = [value(element) for element in given]
            type_ = elements[0][:4] if elements else struct.pack("<I", 4)
            return struct.pack("<I", 9) + type_ + struct.pack("<Q", len(given)) + b"".join(e[4:] for e in elements)
    raise TypeError(type(given))


def tensor(name: str) -> bytes:
    return text(name) + struct.pack("<IQQIQ", 2, 4, 4, 0, 0)


def gguf(entries: Mapping[str, Any], tensors: Sequence[str] = ("token_embd.weight",), *, version: int = 3) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(entries))
    return head + b"".join(text(key) + value(v) for key, v in entries.items()) + b"".join(map(tensor, tensors))


def chat_entries(**more: Any) -> dict[str, Any]:
    return {
        "general.architecture": "llama",
        "general.name": "A llama",
        "general.file_type": 7,
        "llama.context_length": 4096,
        "llama.embedding_length": 512,
        "llama.block_count": 8,
        "llama.attention.head_count": 16,
        "llama.attention.head_count_kv": 4,
        **more,
        "tokenizer.ggml.tokens": [f"token {n}" for n in range(100)],
        "tokenizer.chat_template": "{{ messages }}",
    }


def encoder_entries(**more: Any) -> dict[str, Any]:
    return {
        "general.architecture": "bert",
        "bert.context_length": 512,
        "bert.attention.head_count": 12,
        **more,
        "tokenizer.ggml.tokens": ["a", "b"],
    }


def write_model(path: Path, entries: Mapping[str, Any] | None = None, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gguf(chat_entries() if entries is None else entries, **options))
    return path


ALIGNMENT = 32


def add_score_head(encoder: Path, target: Path, *, dimensions: int) -> Path:
    """Make a real encoder a model that scores pairs: its pooling becomes "rank", and it gets a head of its own.

    The head is arbitrary, so the scores mean nothing; that they are computed is what can be seen.
    """
    data = encoder.read_bytes()
    cursor = _Walk(data)
    cursor.at = 8
    tensor_count, entry_count = cursor.number("Q"), cursor.number("Q")
    pooling_at = None
    for _ in range(entry_count):
        key = cursor.text()
        type_ = cursor.number("I")
        if key.endswith(".pooling_type"):
            pooling_at = cursor.at
        cursor.skip_value(type_)
    entries_end = cursor.at
    for _ in range(tensor_count):
        cursor.text()
        dimension_count = cursor.number("I")
        cursor.at += 8 * dimension_count + 4 + 8
    infos_end = cursor.at
    weights = data[-(-infos_end // ALIGNMENT) * ALIGNMENT :]
    weights += bytes(-len(weights) % ALIGNMENT)
    row = struct.pack(f"<{dimensions}f", *((-1) ** n * 0.1 * (n % 7) for n in range(dimensions)))
    infos = text("cls.output.weight") + struct.pack("<IQQIQ", 2, dimensions, 1, 0, len(weights))
    infos += text("cls.output.bias") + struct.pack("<IQIQ", 1, 1, 0, len(weights) + len(row))
    assert pooling_at is not None
    assert len(row) % ALIGNMENT == 0
    entries = data[24:pooling_at] + struct.pack("<I", 4) + data[pooling_at + 4 : entries_end]
    head = data[:8] + struct.pack("<QQ", tensor_count + 2, entry_count) + entries + data[entries_end:infos_end] + infos
    head += bytes(-len(head) % ALIGNMENT)
    target.write_bytes(head + weights + row + struct.pack("<f", 0.5) + bytes(ALIGNMENT - 4))
    return target


class _Walk:
    """Steps through the header of a whole, right file."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def number(self, code: str) -> int:
        (found,) = struct.unpack_from("<" + code, self.data, self.at)
        self.at += struct.calcsize("<" + code)
        return int(found)

    def text(self) -> str:
        length = self.number("Q")
        self.at += length
        return self.data[self.at - length : self.at].decode()

    def skip_value(self, type_: int) -> None:
        widths = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
        if type_ == 8:
            self.text()
        elif type_ == 9:
            inner, count = self.number("I"), self.number("Q")
            for _ in range(count):
                self.skip_value(inner)
        else:
            self.at += widths[type_]
