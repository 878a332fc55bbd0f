"""Folders as Moonshine's models have them, with names in them as the real files have, and no weights."""

from pathlib import Path


def plain_model(folder: Path, *, layers: int = 6, words: bool = False) -> Path:
    """One that is not for streaming: tiny has 6 layers, base 8."""
    folder.mkdir(parents=True)
    names = [f"past_key_values.{layer}.{part}" for layer in range(layers) for part in ("decoder.key", "encoder.value")]
    (folder / "decoder_model_merged.ort").write_bytes(b"\0ORTM" + b"\0\0".join(name.encode() for name in names))
    (folder / "encoder_model.ort").write_bytes(b"\0ORTM")
    (folder / "tokenizer.bin").write_bytes(b"tokens")
    if words:
        (folder / "decoder_with_attention.ort").write_bytes(b"\0ORTM")
    return folder


def streaming_model(folder: Path, *, decoder_bytes: int = 1000) -> Path:
    folder.mkdir(parents=True)
    for name in ("adapter", "cross_kv", "decoder_kv", "encoder", "frontend.model", "frontend.weights"):
        (folder / f"{name}.ort").write_bytes(b"\0ORTM")
    with (folder / "decoder_kv.ort").open("wb") as file:
        file.truncate(decoder_bytes)
    (folder / "streaming_config.json").write_text('{"depth": 6}')
    (folder / "tokenizer.bin").write_bytes(b"tokens")
    return folder
