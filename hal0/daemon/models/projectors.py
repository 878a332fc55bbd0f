"""The second file through which a chat model of llama.cpp sees pictures: its projector, "mmproj".

It lies beside the model in most repositories, as `mmproj-F16.gguf` or under the model's own name.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path

from hal0.daemon.models.gguf import read_header
from hal0.errors import Hal0Error

AUTO = "auto"
MARK = "mmproj"
GGUF = ".gguf"
ARCHITECTURE = "clip"  # what every projector's header says
PRECISIONS = ("f16", "bf16", "q8_0", "f32")  # of one projector in several, the first of these: small, and exact enough
PRECISION = re.compile(rf"(?<![a-z0-9])(?:{'|'.join(PRECISIONS)})(?![a-z0-9])")
WORD = re.compile(r"[a-z0-9]+")


def projector_of(model: Path, wanted: str, *, name: str) -> Path:
    """The file that `mmproj` of a slot means for this model file; raises `model.no_projector`, `model.file_invalid`.

    `name` is what the model is called.
    """
    path = Path(wanted) if wanted != AUTO else _beside(model, name)
    try:
        status = path.stat()
    except OSError as error:
        reason = f"there is no file {path}"
        raise Hal0Error("model.no_projector", model=name, reason=reason) from error
    if not _is_projector(path, status.st_size, status.st_mtime_ns):
        raise Hal0Error("model.file_invalid", path=str(path), reason="it is no image projector")
    return path


def choose(model: str, candidates: Sequence[str]) -> str | None:
    """Pure. Of the names of projectors in a model's folder its own; None: they are other models'.

    One belongs to the model if all of its words stand in the model's name. The one with most of them wins, so that
    `mmproj-gemma-3-4b-it-f16.gguf` goes before `mmproj-f16.gguf`.
    """
    known = _words(model)
    own = [each for each in candidates if _words(each) <= known]
    return min(own, key=lambda each: (-len(_words(each)), _rank(each), each), default=None)


def _beside(model: Path, name: str) -> Path:
    candidates = sorted(_names(model.parent))
    chosen = choose(model.name, candidates)
    if chosen is None:
        others = f"; {', '.join(candidates)} there is another model's by its name" if candidates else ""
        raise Hal0Error("model.no_projector", model=name, reason=f"none lies in {model.parent}{others}")
    return model.parent / chosen


def _names(folder: Path) -> Iterable[str]:
    try:
        return [path.name for path in folder.iterdir() if MARK in path.name.lower() and path.suffix.lower() == GGUF]
    except OSError:
        return []


def _words(name: str) -> set[str]:
    """Without what says that it is a projector, and in which precision."""
    plain = PRECISION.sub(" ", name.lower().removesuffix(GGUF).replace(MARK, " "))
    return set(WORD.findall(plain)) - {"model"}


def _rank(name: str) -> int:
    found = PRECISION.search(name.lower())
    return PRECISIONS.index(found[0]) if found else len(PRECISIONS)


@lru_cache(maxsize=64)
def _is_projector(path: Path, size_bytes: int, changed_ns: int) -> bool:
    """Read once for each state of the file."""
    return read_header(path, whole=False).architecture == ARCHITECTURE
