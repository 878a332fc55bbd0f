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
