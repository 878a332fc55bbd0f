"""What a repository of Hugging Face holds, and which of its files a source means."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote, urljoin

from hal0.daemon.models import projectors
from hal0.daemon.models.parts import PART
from hal0.daemon.pulls.remote import Remote, host_of
from hal0.daemon.pulls.sources import GGUF, HubSource, checked_path
from hal0.errors import Hal0Error

MOST_LIST_BYTES = 8 * 2**20
MOST_PAGES = 20
NEXT = re.compile(r"<([^>]+)>\s*;\s*rel=\"?next\"?")
MOST_NAMED = 12
# Of a whole repository: the same weights in other formats, and pictures for its page.
NOT_NEEDED = (
    ".bin",
    ".pt",
    ".pth",
    ".h5",
    ".msgpack",
    ".ot",
    ".tflite",
    ".png",
    ".jpg",
    ".jpeg",
    ".gif",
    ".md",
    ".onnx",
)


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file of a repository."""

    path: str
    size: int | None = None
    sha256: str | None = None

    @property
    def is_model(self) -> bool:
        """Whether it is a GGUF of a language model; projectors and matrices lie beside it."""
        name = PurePosixPath(self.path).name.lower()
        return name.endswith(GGUF) and not self.is_projector and "imatrix" not in name

    @property
    def is_projector(self) -> bool:
        """Whether it is what a model of its repository sees pictures through."""
        return projectors.is_named_projector(self.path)


async def wanted_files(remote: Remote, source: HubSource) -> list[HubFile]:
    """The files that a source means, with size and checksum where the hub tells them; raises `model.*`."""
    if source.file and not PART.fullmatch(source.file):
        return [HubFile(source.file)]
    listed = await list_files(remote, source)
    if source.file:
        stem, count = re.fullmatch(r"(.+)-\d{5}-of-(\d{5})\.gguf", source.file, re.IGNORECASE).groups()  # type: ignore[union-attr]
        names = {f"{stem}-{number:05}-of-{count}.gguf" for number in range(1, int(count) + 1)}
        found = [file for file in listed if file.path in names]
        if len(found) != len(names):
            raise Hal0Error("model.source_not_found", host=host_of(remote.hub), source=str(source))
        return found
    return choose(source, listed)


def choose(source: HubSource, listed: Sequence[HubFile]) -> list[HubFile]:
    """The one model file with the mark, or the only one, then its projector; without any GGUF, all of the model."""
    models: dict[str, list[HubFile]] = {}
    for file in listed:
        if file.is_model:
            part = PART.fullmatch(file.path)
            models.setdefault(part["stem"] if part else file.path, []).append(file)
    if source.mark:
        models = {stem: files for stem, files in models.items() if _has_mark(stem, source.mark)}
    if len(models) == 1:
        files = sorted(next(iter(models.values())), key=lambda file: file.path)
        return [*files, *_projector_of(files[0], listed)]
    if models:
        names = ", ".join(sorted(PurePosixPath(stem).name for stem in models)[:MOST_NAMED])
        raise Hal0Error("model.bad_source", source=str(source), reason=f"several files are meant by it: {names}")
    if source.mark:
        reason = f"no GGUF file there has {source.mark!r} in its name"
        raise Hal0Error("model.bad_source", source=str(source), reason=reason)
    has_safe = any(file.path.endswith(".safetensors") for file in listed)
    kept = [file for file in listed if _belongs(file.path, has_safe=has_safe)]
    if not kept:
        raise Hal0Error("model.bad_source", source=str(source), reason="the repository has no model files")
    return sorted(kept, key=lambda file: file.path)


def _projector_of(model: HubFile, listed: Sequence[HubFile]) -> list[HubFile]:
    """The one that a slot would take beside this model: of its folder, else of the next above that has one."""
    path = PurePosixPath(model.path)
    for folder in path.parents:
        there = [file for file in listed if file.is_projector and PurePosixPath(file.path).parent == folder]
        chosen = projectors.choose(path.name, [PurePosixPath(file.path).name for file in there])
        if chosen is not None:
            return [file for file in there if PurePosixPath(file.path).name == chosen]
    return []


async def list_files(remote: Remote, source: HubSource) -> list[HubFile]:
    """Everything in the repository at its revision."""
    revision = quote(source.revision, safe="")
    url = f"{remote.hub}/api/models/{source.repository}/tree/{revision}?recursive=true"
    files: list[HubFile] = []
    for _ in range(MOST_PAGES):
        async with remote.open(url) as answer:
            body = bytearray()
            async for chunk in answer.response.aiter_raw():
                body += chunk
                if len(body) > MOST_LIST_BYTES:
                    raise _strange(remote, "its list of files does not end")
            following = NEXT.search(answer.header("link"))
        files += _files_in(remote, bytes(body))
        if following is None:
            return files
        url = urljoin(url, following[1])
        if not url.startswith(remote.hub + "/"):
            raise _strange(remote, "its list of files goes on elsewhere")
    return files


def address(remote: Remote, source: HubSource, path: str, *, commit: str = "") -> str:
    """Where a file of the repository is fetched."""
    revision = quote(commit or source.revision, safe="")
    return f"{remote.hub}/{source.repository}/resolve/{revision}/{quote(path)}"


def _files_in(remote: Remote, body: bytes) -> list[HubFile]:
    try:
        entries = json.loads(body)
        return [_file(entry) for entry in entries if entry["type"] == "file"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _strange(remote, "its list of files cannot be understood") from error


def _file(entry: Mapping[str, Any]) -> HubFile:
    lfs = entry.get("lfs") or {}
    oid = str(lfs.get("oid", "")).removeprefix("sha256:")
    path = checked_path(str(entry["path"]), str(entry["path"]))
    return HubFile(path, int(lfs.get("size", entry["size"])), oid if re.fullmatch("[0-9a-f]{64}", oid) else None)


def _has_mark(stem: str, mark: str) -> bool:
    """As a word of the file's name: `Q4_K` does not mean `Q4_K_M`."""
    name = PurePosixPath(stem).name.removesuffix(GGUF)
    return re.search(rf"(?:^|[-.]){re.escape(mark)}$", name, re.IGNORECASE) is not None


def _belongs(path: str, *, has_safe: bool) -> bool:
    name = PurePosixPath(path).name.lower()
    if name.startswith(".") or any(part.startswith(".") for part in PurePosixPath(path).parts):
        return False
    if name.endswith(".safetensors") or name.startswith(("license", "licence", "notice")):
        return True
    return not (has_safe and name.endswith(NOT_NEEDED)) and not name.endswith((".png", ".jpg", ".jpeg", ".gif"))


def _strange(remote: Remote, reason: str) -> Hal0Error:
    return Hal0Error("model.pull_failed", model=remote.model, host=host_of(remote.hub), reason=reason)
