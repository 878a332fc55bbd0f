"""Any program that speaks OpenAI's API, or enough of it: its command line is written in the configuration.

Nothing is assumed of it but HTTP on 127.0.0.1. It has a key only if its command line or environment says `${key}`.
"""

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hal0.daemon.config.placeholders import filled, used
from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.http.endpoint import API_PATH, HEALTH_PATH, Endpoint
from hal0.daemon.providers.base import Api, Launch, ModelFile, Probe, Ready, SlotSpec, Word
from hal0.daemon.providers.folders import folder_model, is_path
from hal0.daemon.providers.gpus import device_of, visible_gpus
from hal0.daemon.providers.last_words import last_complaint
from hal0.daemon.providers.proving import answers, check, prove
from hal0.errors import Hal0Error
from hal0.wire import Kind

if TYPE_CHECKING:
    from hal0.hardware.card import Card

KEY_MARK = "${key}"
DEFAULT_CONTEXT = 8192

APIS: Mapping[Kind, frozenset[Api]] = {
    "chat": frozenset({Api.CHAT, Api.COMPLETION}),
    "embedding": frozenset({Api.EMBEDDINGS, Api.RERANK}),
    "rerank": frozenset({Api.RERANK}),
    "speech": frozenset({Api.SPEECH}),
    "image": frozenset({Api.IMAGES}),
    "transcription": frozenset({Api.TRANSCRIPTION}),
}


class CommandProvider:
    """Starts programs of other people's as they say."""

    name = "command"
    engine = ""
    patience_seconds = 0.0
    answers_while_busy = False

    def __init__(self, *, cards: "Sequence[Card]" = (), environ: Mapping[str, str] = os.environ) -> None:
        self._cards = cards
        self._environ = environ

    def model(self, slot: str, config: SlotConfig, find: Callable[[str], ModelFile]) -> ModelFile:
        """A model whose path is asked for must be there; else `model` is only the name the program is spoken to by."""
        name = config.model or slot
        if "model" not in used(_texts(config)):
            return ModelFile(name, Path(), config.kind or "chat", 0, format="elsewhere")
        if not is_path(name):
            return find(name)
        path = Path(name)
        if (path / "config.json").is_file():
            return folder_model(path)
        try:
            size_bytes = path.stat().st_size
        except OSError as error:
            raise Hal0Error("model.file_missing", model=path.name, path=name) from error
        return ModelFile(path.stem, path, "chat", size_bytes, format="folder" if path.is_dir() else "gguf")

    def apis(self, kind: Kind) -> frozenset[Api]:
        return APIS.get(kind, frozenset())

    def launch(self, spec: SlotSpec) -> Launch:
        """Fill in the placeholders; raises `slot.engine_missing` if there is no such program."""
        config = spec.config
        program, *arguments = config.command or ("",)
        found = shutil.which(program, path=config.env.get("PATH", self._environ.get("PATH")))
        if found is None:
            raise Hal0Error(
                "slot.engine_missing",
                slot=spec.name,
                missing=f"there is no program {program}",
                fix=f"Install it, or correct `command` of slots.{spec.name}.",
            )
        context = config.context or min(DEFAULT_CONTEXT, spec.model.context_limit or DEFAULT_CONTEXT)
        values = {
            "port": "{port}",
            "model": str(spec.model.path),
            "model_id": spec.model.id,
            "ctx": str(context),
            "parallel": str(config.parallel),
        }
        names = used(_texts(config))
        origin = f"config slots.{spec.name}.command"
        words = (Word(found, origin), *(Word(filled(text, values), origin) for text in arguments))
        gpus = {} if config.gpus is None else visible_gpus(config.gpus, self._cards, slot=spec.name)
        env = {name: filled(value, values) for name, value in config.env.items()}
        return Launch(
            command=words,
            env=tuple(sorted({**gpus, **env}.items())),
            key_mark=KEY_MARK if "key" in names else "",
            cwd=config.cwd or "",
            api_path=API_PATH if config.api_path is None else config.api_path,
            health_path=config.health_path or HEALTH_PATH,
            names_model=True,
            engine=found,
            device=device_of(config.gpus),
            context=context if "ctx" in names else None,
            parallel=config.parallel,
        )

    async def probe(self, spec: SlotSpec, endpoint: Endpoint) -> Probe:
        health = endpoint.health_path
        for path in dict.fromkeys((health, spec.config.ready_path or health)):
            if (state := await check(endpoint, path)) is not None:
                return state
        if spec.config.proof is False:
            return Ready()
        return await prove(endpoint, kind=spec.kind, model=spec.model.id)

    async def is_alive(self, endpoint: Endpoint) -> bool:
        return await answers(endpoint, endpoint.health_path)

    def failure_reason(self, output: Sequence[str]) -> str | None:
        return last_complaint(output)


def _texts(config: SlotConfig) -> tuple[str, ...]:
    """Where placeholders may stand."""
    return (*(config.command or ()), *config.env.values())
