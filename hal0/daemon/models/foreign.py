"""Models in the stores of other programs: Ollama, LM Studio, llama.cpp and the cache of Hugging Face.

They are found and used where they lie, never copied, changed or deleted. Each has a name that begins with its store:
`ollama/llama3.2:3b`, `lm-studio/OWNER/REPOSITORY/FILE`, `llama.cpp/FILE`, `huggingface/OWNER/REPOSITORY/FILE`.
Looking is reading folders and small manifests; no model file is opened.
"""

import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from hal0.daemon.models.parts import PART, parts

GGUF = ".gguf"
DEPTH = 4  # folders below a store that are looked into
MOST_FILES = 10_000  # of one store
MANIFEST_BYTES = 256 * 2**10
OLLAMA_MODEL = "application/vnd.ollama.image.model"
OLLAMA_PROJECTOR = "application/vnd.ollama.image.projector"
OLLAMA_HOST, OLLAMA_OWNER = "registry.ollama.ai", "library"
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Found:
    """One model of another program."""

    name: str
    store: str
    path: Path
    size_bytes: int
    projector: Path | None = None  # of images, where the store tells which one is the model's


class ForeignStores:
    """The stores of this user, where they usually are or where the environment says."""

    def __init__(self, env: Mapping[str, str]) -> None:
        home = Path(env.get("HOME") or "/nonexistent")
        cache = Path(env.get("XDG_CACHE_HOME") or home / ".cache")
        hub = env.get("HF_HUB_CACHE") or env.get("HUGGINGFACE_HUB_CACHE")
        hub = hub or (f"{env['HF_HOME']}/hub" if env.get("HF_HOME") else str(cache / "huggingface" / "hub"))
        named = env.get("OLLAMA_MODELS")
        ollama = [Path(named)] if named else [home / ".ollama/models", Path("/usr/share/ollama/.ollama/models")]
        self._stores: dict[str, tuple[list[Path], Callable[[Path], Iterator[Found]]]] = {
            "ollama": (ollama, _ollama),
            "lm-studio": ([home / ".lmstudio/models", cache / "lm-studio/models"], _lm_studio),
            "llama.cpp": ([Path(env.get("LLAMA_CACHE") or cache / "llama.cpp")], _llama),
            "huggingface": ([Path(hub)], _huggingface),
        }

    def is_name(self, name: str) -> bool:
        """Whether a name can be one of these."""
        return name.partition("/")[0] in self._stores and "/" in name

    def all(self) -> list[Found]:
        """Every model of every store; what cannot be read counts as not there."""
        found: dict[str, Found] = {}
        for store in self._stores:
            for each in self._of(store):
                found.setdefault(each.name, each)
        return list(found.values())

    def find(self, name: str) -> Found | None:
        """One by its name, looked for in its store alone."""
        return next((each for each in self._of(name.partition("/")[0]) if each.name == name), None)

    def _of(self, store: str) -> Iterator[Found]:
        folders, look = self._stores.get(store, ([], _llama))
        for folder in folders:
            try:
                yield from look(folder)
            except OSError:
                continue


def _ollama(folder: Path) -> Iterator[Found]:
    """manifests/HOST/OWNER/MODEL/TAG tells which of blobs/sha256-… is the model."""
    manifests = folder / "manifests"
    for path in _files(manifests, DEPTH):
        host, owner, model, tag = (["", "", "", "", *path.relative_to(manifests).parts])[-4:]
        blobs = _ollama_blobs(folder, path)
        blob, projector = blobs.get(OLLAMA_MODEL), blobs.get(OLLAMA_PROJECTOR)
        if blob is not None and model and not path.name.startswith("."):
            short = f"{model}:{tag}" if (host, owner) == (OLLAMA_HOST, OLLAMA_OWNER) else f"{owner}/{model}:{tag}"
            if host != OLLAMA_HOST:
                short = f"{host}/{short}"
            yield from _found("ollama", short, blob, projector)


def _ollama_blobs(folder: Path, manifest: Path) -> dict[str, Path]:
    """The files of the layers by their types; of a type with several layers none, as llama.cpp could not load them."""
    found: dict[str, list[str]] = {}
    try:
        with manifest.open("rb") as file:
            layers = json.loads(file.read(MANIFEST_BYTES))["layers"]
        for layer in layers:
            found.setdefault(str(layer["mediaType"]), []).append(str(layer["digest"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}
    return {
        media: folder / "blobs" / digests[0].replace(":", "-")
        for media, digests in found.items()
        if len(digests) == 1 and DIGEST.fullmatch(digests[0])
    }


def _lm_studio(folder: Path) -> Iterator[Found]:
    for path in _models_in(folder):
        yield from _found("lm-studio", str(path.relative_to(folder)), path)


def _llama(folder: Path) -> Iterator[Found]:
    for path in _models_in(folder):
        yield from _found("llama.cpp", str(path.relative_to(folder)), path)


def _huggingface(folder: Path) -> Iterator[Found]:
    """models--OWNER--NAME/snapshots/COMMIT/…, of which refs/main names the current one."""
    for entry in sorted(folder.glob("models--*--*")):
        repository = "/".join(entry.name.split("--")[1:])
        try:
            commit = (entry / "refs" / "main").read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            continue
        snapshot = entry / "snapshots" / commit
        if not commit or "/" in commit or not snapshot.is_dir():
            continue
        for path in _models_in(snapshot):
            yield from _found("huggingface", f"{repository}/{path.relative_to(snapshot)}", path)


def _models_in(folder: Path) -> Iterator[Path]:
    for path in _files(folder, DEPTH):
        part = PART.fullmatch(path.name)
        if path.suffix.lower() == GGUF and "mmproj" not in path.name.lower() and (not part or int(part["number"]) == 1):
            yield path


def _files(folder: Path, depth: int) -> Iterator[Path]:
    """Files below a folder, in the order of their names; what cannot be read is passed over."""
    count = 0
    todo = [(folder, depth)]
    while todo and count < MOST_FILES:
        at, left = todo.pop(0)
        try:
            entries = sorted(os.scandir(at), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            if entry.name.startswith("."):
                continue
            count += 1
            if entry.is_dir(follow_symlinks=False):
                if left > 1:
                    todo.append((Path(entry.path), left - 1))
            elif entry.is_file():
                yield Path(entry.path)


def _found(store: str, short: str, path: Path, projector: Path | None = None) -> Iterator[Found]:
    try:
        size = sum(part.stat().st_size for part in parts(path))
    except OSError:
        return  # a part is missing, or we may not look
    name = f"{store}/{short.removesuffix(GGUF)}"
    if os.access(path, os.R_OK):
        yield Found(name, store, path, size, projector)
