"""What a provider is: how one kind of backend is started, proven ready, and spoken to.

A provider holds no state. It renders a frozen `Launch` from a frozen `SlotSpec`; two equal launches need no restart.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from hal0.daemon.config.schema import Slot as SlotConfig
from hal0.daemon.http.endpoint import Endpoint
from hal0.daemon.models.file import ModelFile as ModelFile
from hal0.wire import Kind


class Api(Enum):
    """What a client asks for, whatever path it used."""

    CHAT = "/v1/chat/completions"
    COMPLETION = "/v1/completions"
    EMBEDDINGS = "/v1/embeddings"
    RERANK = "/v1/rerankings"


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

    `{port}` in a word and in `env` stands for the port, chosen at each start. The key never is on the command line
    (everyone can read it there): it is put into the environment variable `key_env`, also at each start.
    """

    command: tuple[Word, ...]
    env: tuple[tuple[str, str], ...] = ()  # added to the daemon's environment, sorted
    key_env: str = ""
    engine: str = ""  # for people: "llama.cpp (built in)" or the path of a binary
    device: str = "cpu"  # or GPU indices as "0" or "0,1", or "auto": the binary chooses
    context: int | None = None  # tokens per request
    parallel: int = 1

    def argv(self, port: int) -> list[str]:
        return [word.text.replace("{port}", str(port)) for word in self.command]


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


Probe = NotUp | Loading | Ready | Unfit


class Provider(Protocol):
    """One kind of backend."""

    name: str

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
