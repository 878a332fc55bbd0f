"""llama.cpp's HTTP server: the system's `llama-server` if there is one, else the engine that comes with hal0.

A slot without `binary` runs the `llama-server` on PATH, also for the models of the package; `binary = "builtin"` runs
the engine of the package. Both get the same words, and all of them say where they come from.
"""

import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.http.client import BrokenAnswer, fetch
from hal0.daemon.http.endpoint import Endpoint
from hal0.daemon.models.projectors import projector_of
from hal0.daemon.providers.base import (
    Api,
    Launch,
    Loading,
    ModelFile,
    NotUp,
    Probe,
    Ready,
    SlotSpec,
    Unfit,
    Word,
    named_model,
)
from hal0.daemon.providers.gpus import device_of, visible_gpus
from hal0.daemon.providers.llama_needs import check_builtin, library_is_there
from hal0.daemon.providers.llama_output import failure_reason
from hal0.daemon.providers.llama_proof import PROOFS, judge
from hal0.daemon.providers.words import last_count
from hal0.errors import Hal0Error
from hal0.hardware.facts import Facts
from hal0.wire import Kind

BUILTIN = "builtin"
SYSTEM_BINARY = "llama-server"
BUILTIN_ENGINE = "llama.cpp (built in)"
KEY_ENV = "LLAMA_API_KEY"

DEFAULT_CONTEXT = 8192
SMALL_MODEL_BYTES = 16 * 2**20  # below, one thread is faster than waking others for every layer
LARGEST_PROMPT_CACHE_MIB = 2048
SMALLEST_PROMPT_CACHE_MIB = 16

HEALTH_TIMEOUT_SECONDS = 4.0
PROOF_TIMEOUT_SECONDS = 3600.0  # the slot's start_timeout ends it, whatever the device's speed

APIS: Mapping[Kind, frozenset[Api]] = {
    "chat": frozenset({Api.CHAT, Api.COMPLETION}),
    "embedding": frozenset({Api.EMBEDDINGS, Api.RERANK}),  # scores are the cosines of the embeddings
    "rerank": frozenset({Api.RERANK}),
}
# What a model of each kind can be used for. Vectors can be had of a chat model too; scores without a head, or text from
# an encoder, are noise that comes with status 200.
USES: Mapping[Kind, tuple[Kind, ...]] = {
    "chat": ("chat", "embedding"),
    "embedding": ("embedding",),
    "rerank": ("rerank",),
}
# Words that hal0 must know of, each with what to use instead.
RESERVED = {
    "--port": "`port`",
    "--host": "nothing: backends listen on 127.0.0.1 only",
    "-m": "`model`",
    "--model": "`model`",
    "--api-key": "nothing: each start makes a key of its own",
    "--api-key-file": "nothing: each start makes a key of its own",
    "--api-prefix": "nothing: hal0 asks at the usual paths",
    "--ssl-key-file": "nothing: backends are asked over plain HTTP on 127.0.0.1",
    "--ssl-cert-file": "nothing: backends are asked over plain HTTP on 127.0.0.1",
}


@dataclass(frozen=True, slots=True)
class Engine:
    """The program of a slot."""

    words: tuple[Word, ...]
    name: str
    is_builtin: bool


class LlamaProvider:
    """Renders command lines for llama-server and tells how far it is."""

    name = "llama"
    engine = "llama.cpp"
    patience_seconds = 0.0
    answers_while_busy = True

    def __init__(
        self,
        facts: Facts,
        *,
        find_program: Callable[[str], str | None] = shutil.which,
        has_library: Callable[[str], bool] = library_is_there,
        python: str = sys.executable,
    ) -> None:
        self._facts = facts
        self._find_program = find_program
        self._has_library = has_library
        self._python = python

    def model(self, slot: str, config: SlotConfig, find: Callable[[str], ModelFile]) -> ModelFile:
        found = find(named_model(slot, config))
        if config.mmproj is None:
            return found
        return replace(found, projector=projector_of(found, config.mmproj))

    def apis(self, kind: Kind) -> frozenset[Api]:
        return APIS.get(kind, frozenset())

    # The command line -----------------------------------------------------------------------------------------------

    def launch(self, spec: SlotSpec) -> Launch:
        """Render; raises `slot.engine_missing` or, for settings that cannot be meant, `config.invalid`."""
        self._check(spec)
        engine = self._engine(spec)
        if engine.is_builtin:
            check_builtin(spec, self._facts, self._has_library)
        config, words = spec.config, list(engine.words)
        from_slot = f"config slots.{spec.name}."

        def add(origin: str, *texts: str) -> None:
            words.extend(Word(text, origin) for text in texts)

        add(from_slot + "model", "--model", str(spec.model.path), "--alias", spec.model.id)
        add("hal0", "--host", "127.0.0.1", "--port", "{port}")
        context, origin = self._context(spec)
        # The server divides its context among parallel requests, and each shall have the whole.
        add(origin, "--ctx-size", str(context * config.parallel))
        add(
            from_slot + "parallel" if "parallel" in config.model_fields_set else "hal0",
            "--parallel",
            str(config.parallel),
        )
        threads, origin = self._threads(spec)
        add(origin, "--threads", str(threads))
        add("provider llama", *self._for_kind(spec.kind, context))
        if engine.is_builtin and spec.kind == "chat":
            add("machine", "--cache-ram", str(self._prompt_cache_mib(spec)))
        if spec.model.projector is not None:
            add(from_slot + "mmproj", "--mmproj", str(spec.model.projector))
        if config.gpu_layers is not None and not engine.is_builtin:
            add(from_slot + "gpu_layers", "-ngl", str(config.gpu_layers))
        if config.gpus == () and not engine.is_builtin:
            add(from_slot + "gpus", "--device", "none")
        add("provider llama", "--metrics", "--no-webui")
        add(from_slot + "args", *config.args)
        parallel = last_count(config.args, ("-np", "--parallel")) or config.parallel
        total = last_count(config.args, ("-c", "--ctx-size"))
        return Launch(
            command=tuple(words),
            env=self._environment(spec),
            key_env=KEY_ENV,
            engine=engine.name,
            device=self._device(spec, engine),
            context=context * config.parallel // parallel if total is None else total // parallel,
            parallel=parallel,
        )

    def _check(self, spec: SlotSpec) -> None:
        """Refuse what could only fail later, or work otherwise than it reads."""
        where = f"slots.{spec.name}"
        if spec.model.format != "gguf":
            reason = f"{spec.model.id} is a folder of several files; llama.cpp serves GGUF files"
            raise Hal0Error("config.invalid", place=f"{where}.model", reason=reason)
        if spec.kind not in USES.get(spec.model.kind, ()):
            reason = f"{spec.model.id} is a model for {spec.model.kind}; it cannot be used for {spec.kind}"
            raise Hal0Error("config.invalid", place=f"{where}.kind", reason=reason)
        if spec.config.mmproj is not None and spec.kind != "chat":
            reason = f"only chat models see pictures, and the slot is for {spec.kind}"
            raise Hal0Error("config.invalid", place=f"{where}.mmproj", reason=reason)
        for word in spec.config.args:
            if (instead := RESERVED.get(word.partition("=")[0])) is not None:
                raise Hal0Error("config.invalid", place=f"{where}.args", reason=f"{word} is hal0's own; use {instead}")
        limit, context = spec.model.context_limit, spec.config.context
        stretched = any(word.startswith(("--rope", "--yarn", "--override-kv")) for word in spec.config.args)
        if limit is not None and context is not None and context > limit and not stretched:
            reason = f"{context} tokens are more than the {limit} that {spec.model.id} can read"
            raise Hal0Error("config.invalid", place=f"{where}.context", reason=reason)

    def _engine(self, spec: SlotSpec) -> Engine:
        binary = spec.config.binary
        origin = f"config slots.{spec.name}.binary"
        if binary is None:
            if (found := self._find_program(SYSTEM_BINARY)) is not None:
                return Engine((Word(found, "machine"),), found, is_builtin=False)
            origin = "hal0"
        elif binary != BUILTIN:
            found = self._find_program(binary)
            if found is None:
                raise Hal0Error(
                    "slot.engine_missing",
                    slot=spec.name,
                    missing=f"there is no program {binary}",
                    fix=f'Correct `binary` of slots.{spec.name}, or set it to "{BUILTIN}".',
                )
            return Engine((Word(found, origin),), found, is_builtin=False)
        # -P: the folder the daemon was started in is no place to import from.
        words = tuple(Word(text, origin) for text in (self._python, "-P", "-m", "hal0.backends.llama"))
        return Engine(words, BUILTIN_ENGINE, is_builtin=True)

    def _context(self, spec: SlotSpec) -> tuple[int, str]:
        if spec.config.context is not None:
            return spec.config.context, f"config slots.{spec.name}.context"
        return min(DEFAULT_CONTEXT, spec.model.context_limit or DEFAULT_CONTEXT), "provider llama"

    def _threads(self, spec: SlotSpec) -> tuple[int, str]:
        if spec.config.threads is not None:
            return spec.config.threads, f"config slots.{spec.name}.threads"
        if spec.model.size_bytes < SMALL_MODEL_BYTES:
            return 1, "machine"
        return max(1, self._facts.physical_cores - 1), "machine"

    def _prompt_cache_mib(self, spec: SlotSpec) -> int:
        """RAM for earlier prompts, so that taking turns costs little: no more than the model is worth."""
        of_machine = self._facts.memory_bytes // 2**20 // 16
        of_model = max(SMALLEST_PROMPT_CACHE_MIB, 2 * spec.model.size_bytes // 2**20)
        return min(LARGEST_PROMPT_CACHE_MIB, of_machine, of_model)

    def _for_kind(self, kind: Kind, context: int) -> tuple[str, ...]:
        if kind == "chat":
            return ("--jinja",)
        # A pooled input must fit one physical batch. Never both modes in one process: all scores would be zero.
        mode = "--reranking" if kind == "rerank" else "--embedding"
        return (mode, "--batch-size", str(context), "--ubatch-size", str(context))

    def _environment(self, spec: SlotSpec) -> tuple[tuple[str, str], ...]:
        # Threads that wait for work spin by default; two backends on one machine would then starve each other.
        env = {"OMP_WAIT_POLICY": "passive"}
        gpus = spec.config.gpus
        if gpus is not None:
            env |= visible_gpus(gpus, self._facts.gpus, slot=spec.name)
        return tuple(sorted({**env, **spec.config.env}.items()))

    def _device(self, spec: SlotSpec, engine: Engine) -> str:
        """Which GPUs it computes on; "auto" where a llama-server decides that by itself."""
        return "cpu" if spec.config.gpus is None and engine.is_builtin else device_of(spec.config.gpus)

    # The running backend --------------------------------------------------------------------------------------------

    async def probe(self, spec: SlotSpec, endpoint: Endpoint) -> Probe:
        try:
            health = await fetch(endpoint, "GET", "/health", timeout_seconds=HEALTH_TIMEOUT_SECONDS)
        except TimeoutError:
            return Loading()
        except OSError:
            return NotUp()
        except BrokenAnswer:  # a stranger, or ours dying: as something answers, the owner of the port is checked next
            return Loading()
        if health.status == 503:
            return Loading()
        if health.status != 200:
            return Unfit(f"/health answers {health.status}")
        proof = PROOFS[spec.kind]
        try:
            answer = await fetch(endpoint, "POST", proof.path, proof.body, timeout_seconds=PROOF_TIMEOUT_SECONDS)
        except (OSError, BrokenAnswer) as error:
            return Unfit(f"it broke off {proof.what}: {error}")
        reason = judge(proof, answer)
        return Ready() if reason is None else Unfit(reason)

    async def is_alive(self, endpoint: Endpoint) -> bool:
        try:
            return (await fetch(endpoint, "GET", "/health", timeout_seconds=HEALTH_TIMEOUT_SECONDS)).status == 200
        except (OSError, BrokenAnswer):
            return False

    def failure_reason(self, output: Sequence[str]) -> str | None:
        return failure_reason(output)
