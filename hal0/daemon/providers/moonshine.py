"""Moonshine: speech to text in ten languages, by its own library (PyPI: moonshine-voice) in a process of hal0's.

A slot names a model that was pulled (`hal0 model pull moonshine-tiny-en`), or a folder. The backend tells the
architecture and the language from the files.
"""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.providers.base import Launch, ModelFile, SlotSpec, Word, named_model
from hal0.daemon.providers.folders import is_path
from hal0.daemon.providers.last_words import cut, of_last_run
from hal0.daemon.providers.own_ear import KEY_ENV, OwnEar
from hal0.errors import Hal0Error

TOKENIZER = "tokenizer.bin"  # every model of Moonshine's has it
WEIGHTS = ".ort"
RESERVED = {"--port": "`port`", "--model": "`model`"}

# "Thread 1399:moonshine-c-api.cpp:285:moonshine_load_transcriber_from_files(): Failed to load transcriber: …"
NATIVE = re.compile(r"^Thread \d+:[^:]+:\d+:[^:]+\(\): (?P<text>.+)$")


class MoonshineProvider(OwnEar):
    """Renders command lines for hal0's own server around Moonshine."""

    name = "moonshine"
    engine = "Moonshine"
    libraries = ("av", "pocketsphinx", "moonshine_voice")
    how_to_get = (
        "`pip install 'hal0[moonshine]'` into the environment of hal0 (with pipx: `pipx inject hal0 "
        "'hal0[moonshine]'`); it is asked for again with the next request."
    )

    def model(self, slot: str, config: SlotConfig, find: Callable[[str], ModelFile]) -> ModelFile:
        name = named_model(slot, config)
        return _folder(Path(name)) if is_path(name) else find(name)

    def launch(self, spec: SlotSpec) -> Launch:
        """Render; raises `slot.engine_missing` or, for settings that cannot be meant, `config.invalid`."""
        _check(spec)
        config, from_slot = spec.config, f"config slots.{spec.name}."
        words = [
            *self.program(spec),
            *(Word(text, from_slot + "model") for text in ("--model", str(spec.model.path))),
            *(Word(text, from_slot + "args") for text in config.args),
        ]
        env = tuple(sorted(config.env.items()))
        return Launch(command=tuple(words), env=env, key_env=KEY_ENV, engine=self.engine)

    def failure_reason(self, output: Sequence[str]) -> str | None:
        """The library's own last words, which say more than what comes of them in Python."""
        for line in reversed(of_last_run(output)):
            if (told := NATIVE.match(line.strip())) is not None:
                return cut(told["text"])
        return super().failure_reason(output)


def _folder(path: Path) -> ModelFile:
    """The model in a folder; raises `model.file_missing` or `model.file_invalid`."""
    try:
        sizes = {file.name: file.stat().st_size for file in path.iterdir() if file.is_file()}
    except OSError as error:
        if path.exists():
            raise Hal0Error("model.file_invalid", path=str(path), reason=error.strerror or "not a folder") from error
        raise Hal0Error("model.file_missing", model=path.name, path=str(path)) from error
    if TOKENIZER not in sizes or not any(name.endswith(WEIGHTS) for name in sizes):
        reason = f"a folder of Moonshine's has {TOKENIZER} and files that end with {WEIGHTS}"
        raise Hal0Error("model.file_invalid", path=str(path), reason=reason)
    size_bytes = sum(size for name, size in sizes.items() if name.endswith(WEIGHTS))
    return ModelFile(path.name, path, "transcription", size_bytes, format="folder")


def _check(spec: SlotSpec) -> None:
    """Refuse what could only fail later, or work otherwise than it reads."""
    where, model = f"slots.{spec.name}", spec.model
    if model.format != "folder" or model.kind != "transcription":
        reason = f"{model.id} is a model for {model.kind}, not one of Moonshine's folders"
        raise Hal0Error("config.invalid", place=f"{where}.model", reason=reason)
    for word in spec.config.args:
        if (instead := RESERVED.get(word.partition("=")[0])) is not None:
            raise Hal0Error("config.invalid", place=f"{where}.args", reason=f"{word} is hal0's own; use {instead}")
