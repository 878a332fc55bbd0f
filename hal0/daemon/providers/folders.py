"""Models that are not one GGUF file: folders as Hugging Face lays them out, given by path or found in its cache.

The folder's own config.json tells what the model is for and how much it can read. Nothing is downloaded.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hal0.daemon.models.file import ModelFile
from hal0.errors import Hal0Error
from hal0.wire import Kind

WEIGHTS = (".safetensors", ".bin", ".pt", ".gguf")
# Of an architecture's name: what it says about the use of the model. Any other one generates text.
ARCHITECTURES: Mapping[str, Kind] = {
    "ForSequenceClassification": "rerank",
    "ForTextEncoding": "embedding",
    "EmbeddingModel": "embedding",
    "Model": "embedding",
}
POOLING = "modules.json"  # sentence-transformers' own: there is one only where vectors are wanted


def is_path(model: str) -> bool:
    """Whether `model` of a slot is a path; the check of the configuration has made it an absolute one."""
    return model.startswith("/")


def folder_model(path: Path, *, id: str = "", aliases: tuple[str, ...] = ()) -> ModelFile:
    """The model in a folder; raises `model.file_missing` or `model.file_invalid`."""
    try:
        text = (path / "config.json").read_text(encoding="utf-8")
        size_bytes = sum(file.stat().st_size for file in path.iterdir() if file.suffix in WEIGHTS)
        has_pooling = (path / POOLING).exists()
    except OSError as error:
        if path.is_dir():
            raise Hal0Error("model.file_invalid", path=str(path), reason="the folder has no config.json") from error
        raise Hal0Error("model.file_missing", model=path.name, path=str(path)) from error
    except UnicodeDecodeError as error:
        raise Hal0Error("model.file_invalid", path=str(path), reason="its config.json is not UTF-8 text") from error
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Hal0Error("model.file_invalid", path=str(path), reason="its config.json is not JSON") from error
    if not isinstance(config, dict):
        raise Hal0Error("model.file_invalid", path=str(path), reason="its config.json holds no object")
    return ModelFile(
        id=id or path.name,
        path=path,
        kind="embedding" if has_pooling else _kind(config),
        size_bytes=size_bytes,
        aliases=aliases,
        context_limit=_context_limit(config),
        format="folder",
    )


def cached_folder(repository: str, environ: Mapping[str, str]) -> Path | None:
    """Where the cache of Hugging Face has the current snapshot of `owner/name`; None if it has none."""
    entry = _cache(environ) / ("models--" + repository.replace("/", "--"))
    try:
        snapshot = entry / "snapshots" / (entry / "refs" / "main").read_text(encoding="utf-8").strip()
        return snapshot if snapshot.is_dir() else None
    except (OSError, UnicodeDecodeError):
        return None


def _cache(environ: Mapping[str, str]) -> Path:
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if place := environ.get(name):
            return Path(place).expanduser()
    if home := environ.get("HF_HOME"):
        return Path(home).expanduser() / "hub"
    base = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or "/") / ".cache"
    return Path(base) / "huggingface" / "hub"


def _kind(config: Mapping[str, Any]) -> Kind:
    architectures = config.get("architectures")
    name = str(architectures[0]) if isinstance(architectures, list) and architectures else ""
    return next((kind for ending, kind in ARCHITECTURES.items() if name.endswith(ending)), "chat")


def _context_limit(config: Mapping[str, Any]) -> int | None:
    text = config.get("text_config")  # models that also see have their language model described below
    for table in (config, text if isinstance(text, dict) else {}):
        limit = table.get("max_position_embeddings")
        if type(limit) is int and limit > 0:
            return limit
    return None
