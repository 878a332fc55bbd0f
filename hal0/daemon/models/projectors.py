"""The second file through which a chat model of llama.cpp sees pictures: its projector, "mmproj".

It lies beside the model in most repositories, as `mmproj-F16.gguf` or under the model's own name. Of what hal0 has
pulled, and of Ollama's models, it is known which one came with the model.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path, PurePosixPath

from hal0.daemon.models.file import ModelFile
from hal0.daemon.models.gguf import read_header
from hal0.errors import Hal0Error

AUTO = "auto"
MARK = "mmproj"
GGUF = ".gguf"
ARCHITECTURE = "clip"  # what every projector's header says
PRECISIONS = ("f16", "bf16", "q8_0", "f32")  # of one projector in several, the first of these: small, and exact enough
PRECISION = re.compile(rf"(?<![a-z0-9])(?:{'|'.join(PRECISIONS)})(?![a-z0-9])")
WORD = re.compile(r"[a-z0-9]+")


def projector_of(model: ModelFile, wanted: str) -> Path:
    """The file that `mmproj` of a slot means for this model; raises `model.no_projector`, `model.file_invalid`."""
    path = Path(wanted) if wanted != AUTO else model.own_projector or _beside(model)
    try:
        status = path.stat()
    except OSError as error:
        reason = f"there is no file {path}"
        raise Hal0Error("model.no_projector", model=model.id, reason=reason) from error
    if not _is_projector(path, status.st_size, status.st_mtime_ns):
        raise Hal0Error("model.file_invalid", path=str(path), reason="it is no image projector")
    return path


def is_named_projector(path: str) -> bool:
    """Pure. Whether a file calls itself a projector."""
    name = PurePosixPath(path).name.lower()
    return MARK in name and name.endswith(GGUF)


def choose(model: str, candidates: Sequence[str], *, is_shared: bool = False) -> str | None:
    """Pure. Of the names of projectors in a model's folder its own; None: they are other models'.

    One belongs to the model if all of its words stand in the model's name. The one with most of them wins, so that
    `mmproj-gemma-3-4b-it-f16.gguf` goes before `mmproj-f16.gguf`. In a folder that is `is_shared` by unrelated models
    one without any word belongs to nobody.
    """
    known = _words(model)
    own = [each for each in candidates if _words(each) <= known and not (is_shared and not _words(each))]
    return min(own, key=lambda each: (-len(_words(each)), _rank(each), each), default=None)


def _beside(model: ModelFile) -> Path:
    folder = model.path.parent
    candidates = sorted(_names(folder))
    # All that was pulled as one file lies in one folder, whatever repository it is of.
    chosen = choose(model.path.name, candidates, is_shared=model.pulled and model.path.stem == model.id)
    if chosen is None:
        others = f"; {', '.join(candidates)} there is another model's by its name" if candidates else ""
        raise Hal0Error("model.no_projector", model=model.id, reason=f"none lies in {folder}{others}")
    return folder / chosen


def _names(folder: Path) -> Iterable[str]:
    try:
        return [path.name for path in folder.iterdir() if is_named_projector(path.name)]
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
