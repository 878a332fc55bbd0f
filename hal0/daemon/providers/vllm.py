"""vLLM's OpenAI server, `vllm serve`: models in folders, as Hugging Face lays them out.

A slot names the folder, or `owner/name` of what the cache of Hugging Face already has. vLLM runs offline: what is not
there is told, with the command that fetches it. It checks the `model` of every request, so it serves the model under
the slot's own model id, which is what the relay sends.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.providers.base import Api, Launch, ModelFile, SlotSpec, Word, named_model
from hal0.daemon.providers.folders import cached_folder, folder_model, is_path
from hal0.daemon.providers.gpus import device_of, visible_gpus
from hal0.daemon.providers.last_words import STYLE, cut, last_complaint, of_last_run
from hal0.daemon.providers.program import find_program
from hal0.daemon.providers.proving import Proven
from hal0.daemon.providers.rough_needs import VLLM_CACHE, VLLM_SHARE
from hal0.daemon.providers.words import last_value
from hal0.errors import Hal0Error
from hal0.wire import Kind

if TYPE_CHECKING:
    from hal0.hardware.card import Card

PROGRAM = "vllm"
HOW_TO_GET = "Install vLLM (`uv tool install vllm`, or `pip install vllm` into a virtual environment)"
KEY_ENV = "VLLM_API_KEY"
DEFAULT_CONTEXT = 8192
DEFAULT_PARALLEL = 256  # vLLM's own for most GPUs; said, so that it is shown
DEFAULT_SHARE = 0.9  # of each GPU's memory, as most of its releases have it; said, so that it is known to hal0
PATIENCE_SECONDS = 900.0  # it compiles the model for the GPU when it meets it first

APIS: Mapping[Kind, frozenset[Api]] = {
    "chat": frozenset({Api.CHAT, Api.COMPLETION}),
    "embedding": frozenset({Api.EMBEDDINGS, Api.RERANK}),
}
REPOSITORY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
# Words that hal0 must know of, each with what to use instead.
RESERVED = {
    "--host": "nothing: backends listen on 127.0.0.1 only",
    "--port": "`port`",
    "--uds": "nothing: backends listen on a port",
    "--model": "`model`",
    "--served-model-name": "`aliases`",
    "--api-key": "nothing: each start makes a key of its own",
    "--ssl-keyfile": "nothing: backends are asked over plain HTTP on 127.0.0.1",
    "--ssl-certfile": "nothing: backends are asked over plain HTTP on 127.0.0.1",
    "--headless": "nothing: a slot answers requests",
    "--grpc": "nothing: a slot answers over HTTP",
}
OFFLINE = {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}

# "(EngineCore_0 pid=7) ERROR 11-22 10:00:00 [core.py:700] ValueError: …", and the same without its marks.
RAISED = re.compile(r"^(?:\([^)]*\) *)*(?:ERROR [^\]]*\] *)?(?P<text>(?:[\w.]+\.)?\w*(?:Error|Exception): .+)$")
CONSEQUENCE = "Engine core initialization failed"
USAGE = re.compile(r"^vllm(?: serve)?: error: (?P<text>.+)$|^(?P<other>.*: no such program)$")


class VllmProvider(Proven):
    """Renders command lines for `vllm serve` and tells how far it is."""

    name = "vllm"
    engine = "vLLM"
    patience_seconds = PATIENCE_SECONDS
    answers_while_busy = True

    def __init__(self, *, cards: "Sequence[Card]" = (), environ: Mapping[str, str] = os.environ) -> None:
        self._cards = cards
        self._environ = environ

    def model(self, slot: str, config: SlotConfig, find: Callable[[str], ModelFile]) -> ModelFile:
        name = named_model(slot, config)
        if is_path(name):
            return folder_model(Path(name))
        if not REPOSITORY.fullmatch(name):
            if (pulled := _pulled_folder(name, find)) is not None:
                return pulled
            reason = (
                f"{name} is neither a folder, which begins with /, ./ or ~, nor owner/name of Hugging Face, nor a "
                "folder that hal0 has pulled"
            )
            raise Hal0Error("config.invalid", place=f"slots.{slot}.model", reason=reason)
        folder = cached_folder(name, {**self._environ, **config.env})
        if folder is None:
            raise Hal0Error(
                "model.not_downloaded",
                slot=slot,
                model=name,
                reason="the cache of Hugging Face has no snapshot of it",
                fix=f"`hal0 model pull hf:{name}`, then name the slot's model as that does; or `hf download {name}` as "
                "the user that hal0 runs as.",
            )
        return folder_model(folder, id=name, aliases=(name.partition("/")[2],))

    def apis(self, kind: Kind) -> frozenset[Api]:
        return APIS.get(kind, frozenset())

    def launch(self, spec: SlotSpec) -> Launch:
        """Render; raises `slot.engine_missing` or, for settings that cannot be meant, `config.invalid`."""
        _check(spec)
        config = spec.config
        program = find_program(spec, PROGRAM, environ=self._environ, how_to_get=HOW_TO_GET)
        words = [program]
        from_slot = f"config slots.{spec.name}."

        def add(origin: str, *texts: str) -> None:
            words.extend(Word(text, origin) for text in texts)

        add("provider vllm", "serve")
        add(from_slot + "model", str(spec.model.path), "--served-model-name", spec.model.id)
        add("hal0", "--host", "127.0.0.1", "--port", "{port}")
        # By default any web page may read its answers.
        add("hal0", "--allowed-origins", "[]")
        context = config.context or min(DEFAULT_CONTEXT, spec.model.context_limit or DEFAULT_CONTEXT)
        add(from_slot + "context" if config.context else "provider vllm", "--max-model-len", str(context))
        is_set = "parallel" in config.model_fields_set
        parallel = config.parallel if is_set else DEFAULT_PARALLEL
        add(from_slot + "parallel" if is_set else "provider vllm", "--max-num-seqs", str(parallel))
        if spec.kind == "embedding":
            add("provider vllm", "--runner", "pooling")
        if all(last_value(config.args, names) is None for names in (VLLM_SHARE, VLLM_CACHE)):
            add("provider vllm", VLLM_SHARE[0], str(DEFAULT_SHARE))
        if config.gpus is not None and len(config.gpus) > 1:
            add(from_slot + "gpus", "--tensor-parallel-size", str(len(config.gpus)))
        add(from_slot + "args", *config.args)
        gpus = {} if config.gpus is None else visible_gpus(config.gpus, self._cards, slot=spec.name)
        return Launch(
            command=tuple(words),
            env=tuple(sorted({**OFFLINE, **gpus, **config.env}.items())),
            key_env=KEY_ENV,
            names_model=True,
            engine=program.text,
            device=device_of(config.gpus),
            context=context,
            parallel=parallel,
        )

    # The running backend --------------------------------------------------------------------------------------------

    def failure_reason(self, output: Sequence[str]) -> str | None:
        """The last exception that is not merely the consequence of another process's."""
        for line in reversed(of_last_run(output)):
            plain = STYLE.sub("", line)
            if (usage := USAGE.match(plain)) is not None:
                return cut(usage["text"] or usage["other"])
            raised = RAISED.match(plain)
            if raised is not None and CONSEQUENCE not in raised["text"]:
                return cut(raised["text"])
        return last_complaint(output)


def _pulled_folder(name: str, find: Callable[[str], ModelFile]) -> ModelFile | None:
    """A model of several files that was pulled under this name; raises `model.being_pulled` while it is on its way."""
    try:
        model = find(name)
    except Hal0Error as error:
        if error.code == "model.not_found":
            return None
        raise
    return folder_model(model.path, id=model.id, aliases=model.aliases) if model.format == "folder" else None


def _check(spec: SlotSpec) -> None:
    """Refuse what could only fail later, or work otherwise than it reads."""
    where, model, config = f"slots.{spec.name}", spec.model, spec.config
    if spec.kind not in APIS:
        reason = f"{model.id} is a model for {spec.kind}, and vllm slots are for chat and embedding"
        raise Hal0Error("config.invalid", place=f"{where}.kind", reason=reason)
    for word in config.args:
        name = word.partition("=")[0].replace("_", "-")  # vLLM takes both spellings
        if (instead := RESERVED.get(name)) is not None:
            raise Hal0Error("config.invalid", place=f"{where}.args", reason=f"{word} is hal0's own; use {instead}")
    stretched = any(word.startswith(("--rope", "--hf-overrides", "--hf_overrides")) for word in config.args)
    if config.context and model.context_limit and config.context > model.context_limit and not stretched:
        reason = f"{config.context} tokens are more than the {model.context_limit} that {model.id} can read"
        raise Hal0Error("config.invalid", place=f"{where}.context", reason=reason)
