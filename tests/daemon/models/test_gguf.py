import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal0.daemon.models.gguf import GgufHeader, read_header
from hal0.errors import Hal0Error
from tests.fakes.gguf_files import chat_entries, encoder_entries, gguf, text, write_model


def test_the_header_of_a_chat_model_is_read_whole(tmp_path: Path) -> None:
    header = read_header(write_model(tmp_path / "m.gguf"))
    assert header == GgufHeader(
        version=3,
        tensor_count=1,
        architecture="llama",
        name="A llama",
        file_type=7,
        context_length=4096,
        embedding_length=512,
        layers=8,
        heads=16,
        kv_heads=4,
        has_chat_template=True,
    )


def test_a_short_look_tells_the_kind_but_not_the_template(tmp_path: Path) -> None:
    header = read_header(write_model(tmp_path / "m.gguf"), whole=False)
    assert (header.kind, header.context_length, header.has_chat_template) == ("chat", 4096, False)


def test_a_short_look_reads_on_if_the_vocabulary_comes_first(tmp_path: Path) -> None:
    entries = {"general.architecture": "llama", "tokenizer.ggml.model": "gpt2", "llama.context_length": 77}
    assert read_header(write_model(tmp_path / "m.gguf", entries), whole=False).context_length == 77


def test_version_2_is_read(tmp_path: Path) -> None:
    assert read_header(write_model(tmp_path / "m.gguf", version=2)).version == 2


def test_heads_that_differ_by_layer_count_with_the_largest(tmp_path: Path) -> None:
    entries = chat_entries() | {"llama.attention.head_count_kv": [0, 8, 8, 2]}
    assert read_header(write_model(tmp_path / "m.gguf", entries)).kv_heads == 8


KINDS: list[tuple[dict[str, Any], tuple[str, ...], str]] = [
    (chat_entries(), ("token_embd.weight",), "chat"),
    (chat_entries(**{"llama.pooling_type": 0}), ("token_embd.weight",), "chat"),
    (chat_entries(**{"llama.pooling_type": 3}), ("token_embd.weight",), "embedding"),
    (chat_entries(**{"llama.pooling_type": 4}), ("token_embd.weight",), "rerank"),
    (encoder_entries(), ("token_embd.weight",), "embedding"),
    (encoder_entries(**{"bert.pooling_type": 1}), ("token_embd.weight",), "embedding"),
    (encoder_entries(**{"bert.pooling_type": 4}), ("token_embd.weight",), "rerank"),
    (encoder_entries(), ("token_embd.weight", "cls.weight", "cls.output.weight"), "rerank"),
    (encoder_entries(**{"bert.pooling_type": 2}), ("token_embd.weight", "cls.output.weight"), "rerank"),
]


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize(("entries", "tensors", "kind"), KINDS)
def test_the_kind_is_told_from_the_header(
    tmp_path: Path, entries: dict[str, Any], tensors: tuple[str, ...], kind: str, whole: bool
) -> None:
    assert read_header(write_model(tmp_path / "m.gguf", entries, tensors=tensors), whole=whole).kind == kind


def head(entries: int, tensors: int = 0, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, tensors, entries)


DAMAGED = {
    "empty": (b"", "it is empty"),
    "foreign": (b"PK\x03\x04" + bytes(100), "not GGUF"),
    "three bytes": (b"GGU", "cut short"),
    "version 1": (head(0, version=1), "version 1"),
    "other byte order": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "version 50331648"),
    "no architecture": (head(0), "no architecture"),
    "cut in a number": (head(1) + text("general.file_type") + struct.pack("<IH", 4, 1), "cut short"),
    "cut in a text": (gguf(chat_entries())[:60], "cut short"),
    "cut in the vocabulary": (gguf(encoder_entries())[:-80], "cut short"),
    "huge key": (head(1) + struct.pack("<Q", 2**62), f"a text of {2**62} bytes"),
    "huge array": (head(1) + text("a") + struct.pack("<IIQ", 9, 8, 2**40), f"a list of {2**40} elements"),
    "array past the end": (head(1) + text("a") + struct.pack("<IIQ", 9, 10, 2**23), "cut short"),
    "strings past the end": (head(1) + text("a") + struct.pack("<IIQ", 9, 8, 50) + text("x") * 20, "cut short"),
    "endless string": (
        head(1) + text("a") + struct.pack("<IIQ", 9, 8, 50) + text("x") * 20 + struct.pack("<Q", 2**60),
        "does not end",
    ),
    "nested arrays": (head(1) + text("a") + struct.pack("<IIQ", 9, 9, 1), "list of lists"),
    "unknown type": (head(1) + text("a") + struct.pack("<I", 77), "unknown type 77"),
    "too many entries": (head(2**50), "announces"),
    "architecture is a number": (gguf({"general.architecture": 5}), "no architecture"),
    "tensor of many dimensions": (
        gguf(encoder_entries(), ())[:8] + struct.pack("<Q", 1) + gguf(encoder_entries(), ())[16:]
        + text("t") + struct.pack("<I", 10**6),
        "dimensions",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused_with_the_reason(tmp_path: Path, name: str) -> None:
    data, reason = DAMAGED[name]
    path = tmp_path / "m.gguf"
    path.write_bytes(data)
    with pytest.raises(Hal0Error) as caught:
        read_header(path)
    assert caught.value.code == "model.file_invalid"
    assert reason in caught.value.message


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(Hal0Error, match=r"model\.file_missing"):
        read_header(tmp_path / "none.gguf")
    with pytest.raises(Hal0Error, match="Is a directory"):
        read_header(tmp_path)


@settings(max_examples=200, deadline=None)
@given(place=st.integers(0, 400), byte=st.integers(0, 255), end=st.integers(0, 4000))
def test_a_header_damaged_anywhere_is_read_or_refused_but_never_breaks(
    tmp_path_factory: pytest.TempPathFactory, place: int, byte: int, end: int
) -> None:
    data = bytearray(gguf(encoder_entries(), ("token_embd.weight", "cls.weight")))
    data[place % len(data)] = byte
    path = tmp_path_factory.mktemp("gguf") / "m.gguf"
    path.write_bytes(data[:end] if end < len(data) else data)
    try:
        outcome: str = read_header(path).kind
    except Hal0Error as error:
        outcome = error.code
    assert outcome in ("chat", "embedding", "rerank", "model.file_invalid")
