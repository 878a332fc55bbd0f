"""The shape of hal0.toml: every table and key with its default, its unit and a sentence about it.

Values only: no file is read here. Unknown keys are refused; `docs/config.md` is made from these models.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from hal0.wire import Kind

Seconds = Annotated[float, Field(ge=0)]  # also written "30s", "5m", "2h"; see `units`


class Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Server(Table):
    """The API that clients use."""

    host: str = Field("0.0.0.0", description="Address to listen on; HAL0_HOST wins.")
    port: int = Field(8080, ge=1, le=65535, description="Port to listen on; HAL0_PORT wins.")
    body_limit: int = Field(
        64 * 2**20, ge=1024, description="Largest request body, in bytes; images and audio are sent in it."
    )
    header_limit: int = Field(64 * 2**10, ge=1024, description="Largest request head, in bytes.")
    request_timeout: Seconds = Field(60.0, description="How long a client may take to send one request, in seconds.")
    keep_alive: Seconds = Field(75.0, description="How long an idle client connection is kept open, in seconds.")
    cors_origins: tuple[str, ...] = Field(
        (), description='Web origins that may call /v1, such as "https://chat.lan"; "*" for all.'
    )
    trusted_hosts: tuple[str, ...] = Field(
        (), description="Host names, besides localhost and addresses, under which the admin API may be asked."
    )


class Daemon(Table):
    """The daemon itself."""

    ports: tuple[int, int] = Field((8081, 8099), description="First and last port that backends get, on 127.0.0.1.")
    drain_timeout: Seconds = Field(
        30.0,
        description="How long requests in flight may go on after the daemon was asked to stop, in seconds.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="How much hal0d logs.")


class Dispatch(Table):
    """How requests find their slot, and how long they may wait."""

    chat: str = Field("primary", description="Slot for chat and completions when `model` is left out.")
    embedding: str = Field("embed", description="Slot for embeddings and rerank when `model` is left out.")
    start_timeout: Seconds = Field(180.0, gt=0, description="How long a slot may take to become ready, in seconds.")
    stream_idle_timeout: Seconds = Field(
        300.0, gt=0, description="Longest silence of a backend in an answer, in seconds."
    )
    stream_total_timeout: Seconds = Field(
        0.0, description="Longest time one answer may take, in seconds; 0 = no limit."
    )


class Model(Table):
    """One model file, under the name that requests use."""

    path: str = Field(description="The GGUF file (the first part, if it is split).")
    aliases: tuple[str, ...] = Field((), description="Other names for it.")
    sha256: str | None = Field(None, pattern="^[0-9a-f]{64}$", description="Checksum, verified at first use.")


class Models(Table):
    """The model files hal0 knows."""

    folders: tuple[str, ...] = Field((), description="Folders whose *.gguf files are models, by file name.")
    files: dict[str, Model] = Field({}, description="Single models, as [models.files.NAME].")


class Slot(Table):
    """One named backend process."""

    provider: Literal["llama"] = Field("llama", description="Which kind of backend.")
    model: str = Field(description="The model it serves, by its name in the registry.")
    kind: Kind | None = Field(None, description="What it is for; left out: told from the model file.")
    context: int | None = Field(None, ge=16, description="Tokens per request; left out: 8192 or the model's own limit.")
    parallel: int = Field(1, ge=1, le=64, description="Requests computed at the same time; each has the whole context.")
    threads: int | None = Field(None, ge=1, description="CPU threads; left out: chosen from the machine and the model.")
    gpus: tuple[int, ...] | None = Field(None, description="Indices of the GPUs it may use; [] = CPU only.")
    gpu_layers: int | None = Field(None, ge=0, description="Layers put on the GPU; left out: as many as fit.")
    port: int | None = Field(None, ge=1, le=65535, description="A fixed port; left out: one of daemon.ports.")
    binary: str | None = Field(
        None,
        description='A llama-server to run; "builtin" for the one in the package; left out: the system\'s if any.',
    )
    args: tuple[str, ...] = Field((), description="Further words for the backend's command line; they win.")
    env: dict[str, str] = Field({}, description="Further environment variables for the backend.")
    autostart: bool = Field(False, description="Start with the daemon instead of at the first request.")
    idle_after: Seconds = Field(300.0, description="Quiet time after which it counts as idle, in seconds.")
    unload_after: Seconds = Field(0.0, description="Idle time after which it is unloaded, in seconds; 0 = never.")
    drain_timeout: Seconds = Field(30.0, description="How long its requests may go on when it is unloaded, in seconds.")
    stop_timeout: Seconds = Field(10.0, description="Time between SIGTERM and SIGKILL, in seconds.")
    aliases: tuple[str, ...] = Field((), description="Other names that requests may use for it.")


class Observe(Table):
    """What hal0 remembers of requests."""

    capture: bool = Field(
        True, description="Keep the text of recent requests in memory for the dashboard; never on disk."
    )


class Settings(Table):
    """The whole file."""

    server: Server = Server()
    daemon: Daemon = Daemon()
    dispatch: Dispatch = Dispatch()
    models: Models = Models()
    slots: dict[str, Slot] = {}
    observe: Observe = Observe()
