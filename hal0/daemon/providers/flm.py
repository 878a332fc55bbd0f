"""FastFlowLM, `flm serve`: models on the NPU of AMD's Ryzen AI processors, named by their tags.

FastFlowLM fetches a model it lacks by itself, over connections whose certificates it does not check; here it finds no
way out, and the failure says which `flm pull` is needed. It takes no key. It loads whatever model a request names, so
every request must name the slot's own.
"""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.http.endpoint import Endpoint
from hal0.daemon.providers.base import Api, Launch, ModelFile, Probe, SlotSpec, Unfit, Word, named_model
from hal0.daemon.providers.last_words import STYLE, cut, last_complaint, of_last_run
from hal0.daemon.providers.program import find_program
from hal0.daemon.providers.proving import Proven
from hal0.errors import Hal0Error
from hal0.wire import Kind

PROGRAM = "flm"
HOW_TO_GET = (
    "Install FastFlowLM (github.com/FastFlowLM/FastFlowLM; it needs an AMD NPU of the XDNA2 kind and its "
    "driver; `flm validate` tells)"
)
HEALTH_PATH = "/api/version"  # answered without the NPU, so also while it computes
DEFAULT_CONTEXT = 8192
SMALLEST_CONTEXT = 512
CONNECTIONS = 128  # its own default of 10 would turn away health checks

EMBEDDING_MODEL = "embed-gemma:300m"  # the only one it has for that, loaded by a switch and not by its tag
APIS: Mapping[Kind, frozenset[Api]] = {
    "chat": frozenset({Api.CHAT, Api.COMPLETION}),
    "embedding": frozenset({Api.EMBEDDINGS, Api.RERANK}),
}
RESERVED = {
    "--host": "nothing: backends listen on 127.0.0.1 only",
    "--port": "`port`",
    "-p": "`port`",
    "--ctx-len": "`context`",
    "-c": "`context`",
    "--embed": '`kind = "embedding"`',
    "-e": '`kind = "embedding"`',
    "--cors": "nothing: web pages have no business with a backend",
}
# Port 9 is "discard": nothing listens there, so what goes through this proxy fails at once.
NO_WAY_OUT = {"https_proxy": "http://127.0.0.1:9", "no_proxy": "localhost,127.0.0.1", "NO_PROXY": "localhost,127.0.0.1"}

MARKED = re.compile(r"^\[ *(?:ERROR|Error) *\] *(?P<text>.+)$")
NOT_LOADED = re.compile(r"failed to load \S+ model|no embedding model|another shape", re.IGNORECASE)


class FlmProvider(Proven):
    """Renders command lines for `flm serve` and tells how far it is."""

    name = "flm"
    engine = "FastFlowLM"
    patience_seconds = 0.0
    answers_while_busy = False

    def __init__(self, *, environ: Mapping[str, str] = os.environ) -> None:
        self._environ = environ

    def model(self, slot: str, config: SlotConfig, find: Callable[[str], ModelFile]) -> ModelFile:
        tag = named_model(slot, config)
        kind: Kind = "embedding" if tag == EMBEDDING_MODEL else "chat"
        return ModelFile(tag, Path(), kind, 0, owner="flm", format="elsewhere")

    def apis(self, kind: Kind) -> frozenset[Api]:
        return APIS.get(kind, frozenset())

    def launch(self, spec: SlotSpec) -> Launch:
        """Render; raises `slot.engine_missing` or, for settings that cannot be meant, `config.invalid`."""
        _check(spec)
        config = spec.config
        program = find_program(spec, PROGRAM, environ=self._environ, how_to_get=HOW_TO_GET)
        words = [program, Word("serve", "provider flm")]
        from_slot = f"config slots.{spec.name}."

        def add(origin: str, *texts: str) -> None:
            words.extend(Word(text, origin) for text in texts)

        context: int | None = None
        if spec.kind == "embedding":
            add(from_slot + "model", "--embed", "1")
        else:
            add(from_slot + "model", spec.model.id)
            context = _rounded(config.context or DEFAULT_CONTEXT)
            add(from_slot + "context" if config.context else "provider flm", "--ctx-len", str(context))
        add("hal0", "--host", "127.0.0.1", "--port", "{port}", "--cors", "0")
        add("provider flm", "--socket", str(CONNECTIONS), "--q-len", str(CONNECTIONS))
        add(from_slot + "args", *config.args)
        return Launch(
            command=tuple(words),
            env=tuple(sorted({**NO_WAY_OUT, **config.env}.items())),
            health_path=HEALTH_PATH,
            names_model=True,
            engine=program.text,
            device="npu",
            context=context,
        )

    # The running backend --------------------------------------------------------------------------------------------

    async def probe(self, spec: SlotSpec, endpoint: Endpoint) -> Probe:
        proven = await super().probe(spec, endpoint)
        if isinstance(proven, Unfit) and NOT_LOADED.search(proven.reason):
            return Unfit(f"{proven.reason}; if it is not on this machine, fetch it with `flm pull {spec.model.id}`")
        return proven

    def failure_reason(self, output: Sequence[str]) -> str | None:
        for line in reversed(of_last_run(output)):
            if (marked := MARKED.match(STYLE.sub("", line).strip())) is not None:
                return cut(marked["text"])
        return last_complaint(output)


def _check(spec: SlotSpec) -> None:
    """Refuse what could only fail later, or work otherwise than it reads."""
    where = f"slots.{spec.name}"
    if (spec.kind == "embedding") != (spec.model.id == EMBEDDING_MODEL):
        reason = f"flm embeds with {EMBEDDING_MODEL}, and with no other model; it does nothing else"
        raise Hal0Error("config.invalid", place=f"{where}.kind", reason=reason)
    for word in spec.config.args:
        if (instead := RESERVED.get(word.partition("=")[0])) is not None:
            raise Hal0Error("config.invalid", place=f"{where}.args", reason=f"{word} is hal0's own; use {instead}")


def _rounded(context: int) -> int:
    """What flm makes of a wanted context: the next power of two, 512 at least."""
    return max(SMALLEST_CONTEXT, 1 << (context - 1).bit_length())
