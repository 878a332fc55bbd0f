"""Kokoro: voices from a model, by hal0's own program around the library kokoro-onnx.

A slot names the .onnx file, a folder that holds one, or a model that was pulled (`hal0 model pull kokoro-82m`). The
voices lie beside it, or where `voices` says.
"""

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.models.file import ModelFile
from hal0.daemon.models.memory import SlotNeeds
from hal0.daemon.providers.base import SlotSpec, Word, named_model
from hal0.daemon.providers.folders import is_path
from hal0.daemon.providers.own_voice import OwnVoice, needs_of
from hal0.errors import Hal0Error
from hal0.hardware.facts import Facts

MODEL_FILES = "*.onnx"
VOICE_FILES = "voices*.bin"
# Of a process whose model is next to nothing: measured with kokoro-onnx 0.6.1, ONNX Runtime 1.32, PyAV 18.1. What the
# runtime takes to compute a sentence of full length is a guess, which the first runs correct.
BASE_BYTES = 112 * 2**20
COMPUTE_BYTES = 256 * 2**20


class KokoroProvider(OwnVoice):
    """Renders the command line of `hal0.backends.kokoro`."""

    name = "kokoro"
    engine = "Kokoro (kokoro-onnx)"
    extra = "kokoro"
    libraries = ("kokoro_onnx", "av")

    def __init__(self, facts: Facts, *, has_library: Callable[[str], bool] | None = None) -> None:
        super().__init__(has_library=has_library)
        self._threads = max(1, facts.physical_cores - 1)

    def model(self, slot: str, config: SlotConfig, find: Callable[[str], ModelFile]) -> ModelFile:
        name = named_model(slot, config)
        if is_path(name):
            path = Path(name)
            file = _only(path, MODEL_FILES, "a model of Kokoro") if path.is_dir() else path
            return ModelFile(path.stem, file, "speech", _size(file), format="elsewhere")
        found = find(name)
        if found.format != "folder" or found.kind != "speech":
            reason = f"{name} is a model for {found.kind}; kokoro slots take a .onnx file or a folder that holds one"
            raise Hal0Error("config.invalid", place=f"slots.{slot}.model", reason=reason)
        file = _only(found.path, MODEL_FILES, "a model of Kokoro")
        return ModelFile(
            found.id, file, "speech", _size(file), found.aliases, licence=found.licence, format="elsewhere"
        )

    def _own_words(self, spec: SlotSpec) -> Sequence[Word]:
        config, from_slot = spec.config, f"config slots.{spec.name}."
        threads = config.threads or self._threads
        return (
            *(Word(text, from_slot + "model") for text in ("--model", str(spec.model.path))),
            *(
                Word(text, from_slot + "voices" if config.voices else "hal0")
                for text in ("--voices", voices_file(spec))
            ),
            *(
                Word(text, from_slot + "threads" if config.threads else "machine")
                for text in ("--threads", str(threads))
            ),
        )

    def needs(self, spec: SlotSpec) -> SlotNeeds:
        """From the sizes of its files; raises `model.file_missing`."""
        size = spec.model.size_bytes + _size(Path(voices_file(spec)))
        return needs_of(weights_bytes=size, compute_bytes=COMPUTE_BYTES, base_bytes=BASE_BYTES)

    def voices(self, spec: SlotSpec) -> list[str] | None:
        """The names in the file of the voices. Reads its directory alone; raises `model.*`."""
        path = voices_file(spec)
        try:
            with zipfile.ZipFile(path) as archive:
                return sorted(name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy"))
        except (OSError, zipfile.BadZipFile) as error:
            raise Hal0Error("model.file_invalid", path=path, reason="it is no file of Kokoro's voices") from error


def voices_file(spec: SlotSpec) -> str:
    """What `voices` names, else the only such file beside the model; raises `model.file_missing` or `file_invalid`."""
    if spec.config.voices is None:
        return str(_only(spec.model.path.parent, VOICE_FILES, "a file of voices"))
    path = Path(spec.config.voices)
    _size(path)
    return str(path)


def _only(folder: Path, pattern: str, what: str) -> Path:
    found = sorted(folder.glob(pattern))
    if len(found) == 1:
        return found[0]
    if not found:
        raise Hal0Error("model.file_missing", model=what, path=str(folder / pattern))
    reason = f"it holds {len(found)} files {pattern}; name one of them"
    raise Hal0Error("model.file_invalid", path=str(folder), reason=reason)


def _size(path: Path) -> int:
    try:
        status = path.stat()
    except OSError as error:
        raise Hal0Error("model.file_missing", model=path.name, path=str(path)) from error
    if not path.is_file():
        raise Hal0Error("model.file_invalid", path=str(path), reason="it is not a regular file")
    return status.st_size
