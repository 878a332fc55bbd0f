"""What a provider is: how one kind of backend is started, proven ready, and spoken to.

A provider holds no state. It renders a frozen `Launch` from a frozen `SlotSpec`; two equal launches need no restart.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.http.endpoint import API_PATH, HEALTH_PATH, Endpoint
from hal0.daemon.models.file import ModelFile as ModelFile
from hal0.errors import Hal0Error
from hal0.wire import Kind


class Api(Enum):
    """What a client asks for, whatever path it used."""

    CHAT = "/v1/chat/completions"
    COMPLETION = "/v1/completions"
    EMBEDDINGS = "/v1/embeddings"
    RERANK = "/v1/rerankings"
    SPEECH = "/v1/audio/speech"
    IMAGES = "/v1/images/generations"
    TRANSCRIPTION = "/v1/audio/transcriptions"


# What `serves` of a slot can name. Scores can be had of any embeddings.
SERVED = {
    "chat": (Api.CHAT,),
    "completion": (Api.COMPLETION,),
    "embedding": (Api.EMBEDDINGS, Api.RERANK),
    "speech": (Api.SPEECH,),
    "image": (Api.IMAGES,),
    "transcription": (Api.TRANSCRIPTION,),
}


@dataclass(frozen=True, slots=True)
class SlotSpec:
    """A slot as configured, with its model found: everything its provider needs."""

    name: str
    config: SlotConfig
    model: ModelFile
    revision: int

    @property
    def kind(self) -> Kind:
        return self.config.kind or self.model.kind


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a command line and where it came from."""

    text: str
    origin: str = field(compare=False)  # "config slots.NAME.KEY", "hal0", "provider llama", "machine"


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start a backend. Comparing two launches tells whether a slot needs a restart.

    `{port}` in a word and in `env` stands for the port, chosen at each start. The key is put into the environment
    variable `key_env`, also at each start; it is on the command line, where everyone can read it, only if a person
    asked for that, and then `key_mark` is what stands for it in words and in `env`. With neither there is no key.
    """

    command: tuple[Word, ...]
    env: tuple[tuple[str, str], ...] = ()  # added to the daemon's environment, sorted
    key_env: str = ""
    key_mark: str = ""
    cwd: str = ""  # empty: the daemon's own
    api_path: str = API_PATH  # where it serves what OpenAI has under /v1
    health_path: str = HEALTH_PATH
    names_model: bool = False  # whether each request must name the model
    speaks_hal0: bool = False  # a program of hal0's: it tells how far it is, and failures by their codes
    engine: str = ""  # for people: "llama.cpp (built in)" or the path of a binary
    device: str = "cpu"  # or GPU indices as "0" or "0,1", "npu", or "auto": the binary chooses
    context: int | None = None  # tokens per request
    parallel: int = 1

    @property
    def takes_key(self) -> bool:
        return bool(self.key_env or self.key_mark)

    @property
    def engine_name(self) -> str:
        """The engine without the folder it lies in, which is nobody's business outside of this machine."""
        return self.engine.rpartition("/")[2]

    def argv(self, port: int, *, key: str = "") -> list[str]:
        """The words; without a key, for people, its mark stays where it is."""
        return [self._filled(word.text, port, key) for word in self.command]

    def environment(self, port: int, key: str) -> dict[str, str]:
        """What it gets beside the daemon's own environment."""
        added = {name: self._filled(value, port, key) for name, value in self.env}
        if self.key_env:
            added[self.key_env] = key
        return added

    def endpoint(self, port: int, key: str) -> Endpoint:
        """Where it answers once it was started on this port; a program that takes no key is sent none."""
        key = key if self.takes_key else ""
        return Endpoint(
            port,
            key,
            api_path=self.api_path,
            health_path=self.health_path,
            names_model=self.names_model,
            speaks_hal0=self.speaks_hal0,
        )

    def _filled(self, text: str, port: int, key: str) -> str:
        text = text.replace("{port}", str(port))
        return text.replace(self.key_mark, key) if self.key_mark and key else text


@dataclass(frozen=True, slots=True)
class NotUp:
    """The port does not answer yet."""


@dataclass(frozen=True, slots=True)
class Loading:
    """The port answers; the model is not loaded yet."""

    progress: float | None = None  # 0..1


@dataclass(frozen=True, slots=True)
class Ready:
    """Proven: it produced a token, an embedding or a score."""


@dataclass(frozen=True, slots=True)
class Unfit:
    """It answers, but wrongly: waiting longer will not help."""

    reason: str
    error: Hal0Error | None = None  # what its failure is called, where that is known


Probe = NotUp | Loading | Ready | Unfit


class Provider(Protocol):
    """One kind of backend."""

    name: str
    engine: str  # what it runs, for people; a launch may tell it more exactly
    patience_seconds: float  # a start may take at least so long, whatever `dispatch.start_timeout` says
    answers_while_busy: bool  # its health check answers also while it computes

    def model(self, slot: str, config: SlotConfig, find: Callable[[str], ModelFile]) -> ModelFile:
        """The model of a slot; `find` looks into the registry. Raises `model.*` or `config.invalid`."""
        ...

    def apis(self, kind: Kind) -> frozenset[Api]:
        """What a slot of this kind can answer."""
        ...

    def launch(self, spec: SlotSpec) -> Launch:
        """Render the command line; raises `slot.engine_missing` if the machine lacks what the engine needs."""
        ...

    async def probe(self, spec: SlotSpec, endpoint: Endpoint) -> Probe:
        """Ask the backend how far it is; at the end prove it with real work. Misbehaviour is a result, not a raise."""
        ...

    async def is_alive(self, endpoint: Endpoint) -> bool:
        """A cheap health check of a ready backend."""
        ...

    def failure_reason(self, output: Sequence[str]) -> str | None:
        """The backend's own words for why it failed, from the last lines it printed; None if it gave none."""
        ...


def named_model(slot: str, config: SlotConfig) -> str:
    """The `model` of a slot that cannot be without one."""
    if config.model is None:  # the check of a file refuses it with its place
        raise Hal0Error("config.invalid", place=f"slots.{slot}.model", reason="it is missing")
    return config.model


def spec_of(
    slot: str, config: SlotConfig, *, provider: Provider, find: Callable[[str], ModelFile], revision: int = 0
) -> SlotSpec:
    """A slot as configured, its model found; raises `model.*` or `config.invalid`."""
    return SlotSpec(slot, config, provider.model(slot, config, find), revision)


def apis_of(config: SlotConfig, *, kind: Kind, provider: Provider) -> frozenset[Api]:
    """What a slot answers: what its configuration names, else what its provider has for its kind."""
    if config.serves is None:
        return provider.apis(kind)
    return frozenset(api for name in config.serves for api in SERVED[name])
