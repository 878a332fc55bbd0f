"""What a folder with a Moonshine model tells of it: which architecture, which language, whether words can be timed.

The library must be told the architecture. A streaming model has a description beside it; of the others, Moonshine's
tiny one has six layers in its decoder and the base one eight, which the names of the decoder's inputs tell.
"""

import json
import mmap
import re
from dataclasses import dataclass
from pathlib import Path

from hal0.backends.serving import CannotServe

TOKENIZER = "tokenizer.bin"
ENCODER, DECODER = "encoder_model.ort", "decoder_model_merged.ort"
DESCRIPTION = "streaming_config.json"
STREAMING = (
    "adapter.ort",
    "cross_kv.ort",
    "decoder_kv.ort",
    "encoder.ort",
    "frontend.model.ort",
    "frontend.weights.ort",
)
TIMED = ("decoder_with_attention.ort", "decoder_kv_with_attention.ort")  # either makes word times possible

# The library's names, as its ModelArch has them.
ARCHITECTURES = ("tiny", "base", "tiny-streaming", "base-streaming", "small-streaming", "medium-streaming")
BY_LAYERS = {6: "tiny", 8: "base"}
LAYER = re.compile(rb"past_key_values\.(\d{1,3})\.")
# Of the decoders of streaming models, quantised, in bytes: 33, 82 and 147 million.
STREAMING_SIZES = ((55_000_000, "tiny-streaming"), (115_000_000, "small-streaming"))
LANGUAGES = frozenset({"ar", "de", "en", "es", "ja", "ko", "tl", "uk", "vi", "zh"})


@dataclass(frozen=True, slots=True)
class MoonshineModel:
    """A model as its files tell of it."""

    folder: Path
    architecture: str  # one of ARCHITECTURES
    language: str  # empty: not known
    has_word_times: bool

    @property
    def is_streaming(self) -> bool:
        return self.architecture.endswith("streaming")


def read_model(folder: Path, *, architecture: str = "", language: str = "") -> MoonshineModel:
    """Look at a folder; what is given counts more than what the files tell. Raises CannotServe."""
    if not folder.is_dir():
        raise CannotServe(f"there is no folder {folder}")
    streaming = (folder / DESCRIPTION).is_file()
    needed = (TOKENIZER, DESCRIPTION, *STREAMING) if streaming else (TOKENIZER, ENCODER, DECODER)
    if missing := [name for name in needed if not (folder / name).is_file()]:
        raise CannotServe(f"{folder} lacks {', '.join(missing)} of a Moonshine model")
    return MoonshineModel(
        folder=folder,
        architecture=architecture or (_streaming(folder) if streaming else _plain(folder)),
        language=language or _language(folder),
        has_word_times=any((folder / name).is_file() for name in TIMED),
    )


def _plain(folder: Path) -> str:
    layers = 1 + max((int(number) for number in _numbers(folder / DECODER)), default=-1)
    if layers not in BY_LAYERS:
        told = f"{layers} layers" if layers else "no layers that it names"
        raise CannotServe(f"{folder / DECODER} has {told}, so it is no decoder of Moonshine tiny or base; see `--arch`")
    return BY_LAYERS[layers]


def _numbers(path: Path) -> set[bytes]:
    if not path.stat().st_size:
        return set()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return {found[1] for found in LAYER.finditer(data)}


def _streaming(folder: Path) -> str:
    """The library takes all sizes from the description, so that among streaming models the name is for people."""
    try:
        json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise CannotServe(f"{folder / DESCRIPTION} cannot be read: {error}") from error
    size = (folder / "decoder_kv.ort").stat().st_size
    return next((name for limit, name in STREAMING_SIZES if size < limit), "medium-streaming")


def _language(folder: Path) -> str:
    """Moonshine's folders end with it: tiny-en, base-es, small-streaming-ja."""
    for name in (folder.name, folder.parent.name):
        ending = name.lower().rpartition("-")[2]
        if ending in LANGUAGES:
            return ending
    return ""
