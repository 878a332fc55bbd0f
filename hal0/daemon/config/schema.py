"""The shape of hal0.toml: every table and key with its default, its unit and a sentence about it.

Values only: no file is read here. Unknown keys are refused; `docs/config.md` is made from these models.
A field marked `AT_START` is read once, when the daemon starts; every other change has its effect at once.
"""

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
)

from hal0.daemon.config.units import parse_bytes, parse_seconds


@dataclass(frozen=True, slots=True)
class Unit:
    """What a number counts."""

    name: str


@dataclass(frozen=True, slots=True)
class Like:
    """A pattern in words, for the message when a text does not fit it."""

    words: str


@dataclass(frozen=True, slots=True)
class WordForNone:
    """A word that may stand for 0."""

    word: str


@dataclass(frozen=True, slots=True)
class AtStart:
    """The running daemon keeps the value it was started with."""


AT_START = AtStart()


def _beside_the_file(value: str, info: ValidationInfo) -> str:
    """Relative paths are meant from the folder of hal0.toml; `~` is the home of the daemon's user."""
    folder = (info.context or {}).get("folder")
    if folder is None:
        return value
    try:
        return str(Path(folder) / Path(value).expanduser())
    except RuntimeError as error:  # "~nobody-here/models"
        raise ValueError("no such home directory") from error


def _program(value: str, info: ValidationInfo) -> str:
    """A bare word is looked up in PATH later, so only what has a slash is a place in the file system."""
    return _beside_the_file(value, info) if "/" in value else value


def _model(value: str, info: ValidationInfo) -> str:
    """A path is told from a name by how it begins, since names may have slashes: "Qwen/Qwen2.5-7B-Instruct"."""
    return _beside_the_file(value, info) if value.startswith(("/", "~", "./", "../")) else value


def _projector(value: str, info: ValidationInfo) -> str:
    return value if value == "auto" else _beside_the_file(value, info)


def _split(value: object) -> object:
    """A command line in one text becomes its words, as a shell splits them; nothing else of a shell is done."""
    if not isinstance(value, str):
        return value
    try:
        return tuple(shlex.split(value))
    except ValueError as error:
        raise ValueError("no closing quotation mark, or a backslash at the end") from error


def _program_first(value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    return (_program(value[0], info), *value[1:])


def _json(value: object) -> object:
    """What a request can hold: dates and endless numbers are TOML's, and JSON has neither."""
    match value:
        case bool() | int() | str():
            return value
        case float() if math.isfinite(value):
            return value
        case list() | tuple():
            return tuple(_json(each) for each in value)
        case dict():
            return {str(name): _json(each) for name, each in value.items()}
    raise ValueError("no date and no endless number can stand in a request")


K = TypeVar("K")
V = TypeVar("V")
Named = Annotated[Mapping[K, V], AfterValidator(MappingProxyType), PlainSerializer(dict)]

Text = Annotated[str, Field(min_length=1)]
Location = Annotated[Text, AfterValidator(_beside_the_file)]
Seconds = Annotated[
    float,
    BeforeValidator(parse_seconds),
    Field(ge=0, le=10 * 365 * 86_400, allow_inf_nan=False),
    Unit("seconds"),
]
Bytes = Annotated[int, BeforeValidator(parse_bytes), Field(ge=0, le=2**40), Unit("bytes")]
# What is reserved for a slot; "ignore": nothing.
Reserved = Annotated[
    int,
    BeforeValidator(lambda value: 0 if value == "ignore" else parse_bytes(value)),
    Field(ge=0, le=2**44),
    Unit("bytes"),
    WordForNone("ignore"),
]
Port = Annotated[int, Field(ge=1, le=65535), Unit("port")]
ListenPort = Annotated[int, Field(ge=0, le=65535), Unit("port")]
Name = Annotated[
    str,
    Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,39}$"),
    Like("a name of up to 40 small letters, digits, `.`, `_` and `-`, that begins with a letter or digit"),
]
# Model ids are what clients send: "Qwen/Qwen2.5-0.5B-Instruct:Q4" must be possible.
ModelName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}$"),
    Like("a name of up to 128 letters, digits and `._:/@+-`, that begins with a letter or digit"),
]
Origin = Annotated[
    str,
    Field(pattern=r"^(\*|[a-z][a-z0-9+.-]*://[^/\s,]+)$"),
    Like('an origin such as "https://chat.lan", without a path, or "*"'),
]
HostName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9_]([A-Za-z0-9._-]{0,252})$"),
    Like('a host name such as "box.lan", without a port'),
]
UrlPath = Annotated[str, Field(pattern=r"^/[A-Za-z0-9._~%/?=&-]*$"), Like('a path such as "/health", without a host')]
UrlPrefix = Annotated[
    str, Field(pattern=r"^(/[A-Za-z0-9._~%-]+)*$"), Like('a path such as "/openai/v1", no slash at its end, or ""')
]
CommandLine = Annotated[
    tuple[Text, ...],
    BeforeValidator(_split),
    Field(min_length=1),
    AfterValidator(_program_first),
    Like("a command line in quotes, or a list of its words"),
]
EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"), Like("a name of an environment variable")]
RemoteUrl = Annotated[
    str,
    Field(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$", max_length=2048),
    Like('a URL such as "https://api.example.com/v1", without a user, a query or a fragment'),
]
ModelUrl = Annotated[
    str,
    Field(pattern=r"^(hf:|https?://)[^\s#]+$", max_length=2000),
    Like('an address such as "https://example.com/model.gguf", or "hf:OWNER/REPOSITORY:FILE"'),
]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"), Like("a name of an HTTP header")]
HeaderValue = Annotated[
    str, Field(pattern=r"^[\x20-\x7e]*$"), Like("the value of an HTTP header: printable ASCII on one line")
]
# A glob over ids of models.
Glob = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9*?!._:/@+\[\]-]{1,128}$"), Like('a model id, or a glob such as "claude-*"')
]
Dollars = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False), Unit("dollars")]
# Fields of a request, as clients send them, and their values.
FieldName = Annotated[
    str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,63}$"), Like('a field of a request such as "temperature"')
]
FieldValue = Annotated[
    Any,
    AfterValidator(_json),
    Like("a number, a text, true, false, a list or a table"),
    WithJsonSchema({"anyOf": [{"type": name} for name in ("boolean", "number", "string", "array", "object")]}),
]
Fields = Named[FieldName, FieldValue]
MostTokens = Annotated[int | None, Unit("tokens")]


def _no_fields() -> Mapping[str, Any]:
    return MappingProxyType({})


class Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Server(Table):
    """The API that clients use."""

    host: Annotated[Text, AT_START] = Field("0.0.0.0", description="Address to listen on; HAL0_HOST wins.")
    port: Annotated[ListenPort, AT_START] = Field(
        8080, description="Port to listen on, 0 = any free one; HAL0_PORT wins."
    )
    tls_cert: Annotated[Location | None, AT_START] = Field(
        None, description="Certificate with its chain, in PEM form: the port speaks HTTPS instead of HTTP."
    )
    tls_key: Annotated[Location | None, AT_START] = Field(
        None, description="The certificate's private key, in PEM form and without a password."
    )
    body_limit: Bytes = Field(64 * 2**20, ge=1024, description="Largest request body; images and audio are sent in it.")
    header_limit: Annotated[Bytes, AT_START] = Field(
        64 * 2**10, ge=1024, le=16 * 2**20, description="Largest request head."
    )
    request_timeout: Annotated[Seconds, AT_START] = Field(
        60.0, gt=0, description="How long a client may take to send one request."
    )
    keep_alive: Annotated[Seconds, AT_START] = Field(
        75.0, description="How long an idle client connection is kept open."
    )
    cors_origins: tuple[Origin, ...] = Field(
        (), description='Web origins that may call /v1, such as "https://chat.lan"; "*" for all.'
    )
    trusted_hosts: tuple[HostName, ...] = Field(
        (), description="Host names, besides localhost and addresses, under which the admin API may be asked."
    )


class Daemon(Table):
    """The daemon itself."""

    state_dir: Annotated[Location | None, AT_START] = Field(
        None,
        description="Where locks, history, logs and pulled models are; HAL0_STATE_DIR wins; left out: "
        "`~/.local/state/hal0`, or what systemd gives. Nothing is moved there, and kept backends are not taken along.",
    )
    ports: tuple[Port, Port] = Field(
        (8081, 8099), description="First and last port that backends get, on 127.0.0.1, as `[first, last]`."
    )
    drain_timeout: Seconds = Field(
        30.0, description="How long requests in flight may go on after the daemon was asked to stop."
    )
    idle_after: Seconds = Field(300.0, description="Quiet time after which a slot counts as idle.")
    unload_after: Seconds = Field(0.0, description="Idle time after which a slot is unloaded; 0 = never.")
    memory_reserve: Bytes = Field(
        256 * 2**20, description="RAM that no slot is given: it stays free for everything else on the machine."
    )
    memory_limit: Annotated[int | None, BeforeValidator(parse_bytes), Unit("bytes")] = Field(
        None, ge=2**20, le=2**44, description="The most RAM that all slots together are given; left out: what is free."
    )
    keep_backends: Annotated[bool | None, AT_START] = Field(
        None,
        description="Whether backends outlive the daemon, for the next one to take back; left out: under systemd only.",
    )
    auto_rollback: bool = Field(
        False,
        description="Go back to the last good revision when a slot that an edit starts anew does not become ready.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="How much hal0d logs.")


class Auth(Table):
    """Who may ask. Keys are made by `hal0 key add`; see [security.md](security.md)."""

    keys_file: Location | None = Field(
        None,
        description="File of the API keys, hashed; left out: `keys.toml` in the state directory. Once one is named "
        "here, or that one is there, /v1 wants a key.",
    )
    admin: Literal["local", "key"] = Field(
        "local",
        description="Who may use the admin API on the port: `local`, the daemon's user and root on this machine, and "
        "whoever has an admin key; `key`, only the latter. The Unix socket is guarded by its mode.",
    )


class Dispatch(Table):
    """How requests find their slot, and how long they may wait."""

    chat: Name = Field("primary", description="Slot for chat and completions when `model` is left out.")
    embedding: Name = Field("embed", description="Slot for embeddings and rerank when `model` is left out.")
    image: Name = Field("img", description="Slot for images when `model` is left out.")
    start_timeout: Seconds = Field(180.0, gt=0, description="How long a slot may take to become ready.")
    stream_idle_timeout: Seconds = Field(300.0, gt=0, description="Longest silence of a backend in an answer.")
    stream_total_timeout: Seconds = Field(0.0, description="Longest time one answer may take; 0 = no limit.")
    heartbeat: bool = Field(
        False,
        description="Whether a stream of text that waits for its slot gets comments meanwhile, for proxies that end "
        "what is silent. Its head is then sent early: what goes wrong is told in the stream, with status 200.",
    )


class Model(Table):
    """One model, under the name that requests use: a file that lies here, or one that is pulled when it is needed."""

    path: Location | None = Field(
        None, description="The GGUF file (the first part, if it is split); left out: `url` says where it is."
    )
    url: ModelUrl | None = Field(
        None,
        description="Where it is pulled from into `store` when a slot needs it, or by `hal0 model pull NAME`, if it is "
        "not there yet.",
    )
    aliases: tuple[ModelName, ...] = Field((), description="Other names for it.")
    sha256: Annotated[str | None, Like("64 hexadecimal digits in small letters")] = Field(
        None, pattern="^[0-9a-f]{64}$", description="Checksum, verified at first use, and when it is pulled."
    )
    mmproj: Location | None = Field(
        None,
        description="Its image projector, a GGUF file, for slots whose `mmproj` is `auto`; left out: the one that was "
        "pulled with it or lies beside it.",
    )
    licence: str = Field(
        "", max_length=200, description="Under which licence it is used; shown with it and when it is pulled."
    )


class Models(Table):
    """The models hal0 knows: those it pulls into `store`, `folders`, and single files as `[models.NAME]`."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[ModelName, Model]

    folders: tuple[Location, ...] = Field((), description="Folders whose *.gguf files are models, by file name.")
    store: Location | None = Field(
        None, description="Where pulled models are kept; left out: `models` in the state directory."
    )
    scan: bool = Field(
        True,
        description="Whether what Ollama, LM Studio, llama.cpp and Hugging Face have stored can be used in place.",
    )
    connections: Annotated[int, Unit("connections")] = Field(
        4, ge=1, le=16, description="Connections per model that is pulled, where its server allows several."
    )
    hf_token_file: Location | None = Field(
        None,
        description="File (mode 0600) with the access token for Hugging Face; left out: HF_TOKEN, else where "
        "`hf auth login` leaves it.",
    )

    @property
    def files(self) -> Mapping[str, Model]:
        """The `[models.NAME]` tables by name."""
        return MappingProxyType(self.__pydantic_extra__ or {})


class Slot(Table):
    """One named backend process."""

    provider: Literal["llama", "vllm", "flm", "kokoro", "espeak", "moonshine", "sphinx", "comfyui", "command"] = Field(
        "llama",
        description="Which kind of backend: llama.cpp, vLLM, FastFlowLM (AMD NPUs), the voices Kokoro and eSpeak NG, "
        "the ears Moonshine and PocketSphinx (`sphinx`), ComfyUI, or any program (`command`).",
    )
    model: Annotated[Text, AfterValidator(_model)] | None = Field(
        None,
        description="The model it serves: its name in the registry; for vllm a folder, or `owner/name` of the cache of "
        "Hugging Face; for flm its tag; for kokoro the .onnx file or its folder; for moonshine its folder; for comfyui "
        "one of those with a graph in hal0, or any name with `workflow`; for a command what it needs, if anything.",
    )
    # In the order of `wire.Kind`: typing takes the two for one, and gives out whichever was made first.
    kind: Literal["chat", "embedding", "rerank", "transcription", "speech", "image"] | None = Field(
        None, description="What it is for; left out: told from the model file."
    )
    context: Annotated[int | None, Unit("tokens")] = Field(
        None, ge=16, le=2**24, description="Tokens per request; left out: 8192 or the model's own limit."
    )
    parallel: Annotated[int, Unit("requests")] = Field(
        1, ge=1, le=64, description="Requests computed at the same time; each has the whole context."
    )
    max_in_flight: Annotated[int | None, Unit("requests")] = Field(
        None, ge=1, le=10_000, description="Requests given to the backend at a time; left out: as many as it computes."
    )
    queue_limit: Annotated[int, Unit("requests")] = Field(
        512,
        ge=0,
        le=100_000,
        description="Requests that may wait for their turn; more are refused with a time to retry.",
    )
    threads: Annotated[int | None, Unit("threads")] = Field(
        None, ge=1, le=1024, description="CPU threads; left out: chosen from the machine and the model."
    )
    gpus: tuple[Annotated[int, Field(ge=0, le=255), Unit("index")], ...] | None = Field(
        None,
        description="GPUs it may use, all of one vendor, by the numbers of `hal0 status`; [] = CPU only; left out: its "
        "program chooses.",
    )
    mmproj: Annotated[Text, AfterValidator(_projector)] | None = Field(
        None,
        description="The image projector with which a chat model of llama sees pictures: its GGUF file, or `auto`, the "
        "one that came with the model or lies beside it; left out: none.",
    )
    gpu_layers: Annotated[int | None, Unit("layers")] = Field(
        None, ge=0, le=10_000, description="Layers put on the GPU; left out: as many as fit."
    )
    port: Port | None = Field(None, description="A fixed port; left out: one of daemon.ports.")
    binary: Annotated[Text, AfterValidator(_program)] | None = Field(
        None,
        description="The llama-server, vllm or flm to run; left out: the one in PATH. For llama also `builtin`, the "
        "one in the package, which runs too if there is none in PATH. For comfyui the Python of its checkout; left "
        "out: that of `.venv` or `venv` in it, else `python3`.",
    )
    args: tuple[str, ...] = Field((), description="Further words for the backend's command line; they win.")
    command: CommandLine | None = Field(
        None, description="The program of a `command` slot and its words, with `${port}` and other placeholders."
    )
    cwd: Location | None = Field(
        None,
        description="The folder a command is run in; left out: the daemon's. For comfyui the checkout with its "
        "`main.py`.",
    )
    url: RemoteUrl | None = Field(
        None, description="Where a ComfyUI runs already, instead of one that hal0 starts in `cwd`."
    )
    workflow: Location | None = Field(
        None,
        description="A graph of your own for comfyui, as its Export (API) writes it, with `${prompt}` and other "
        "parameters; left out: that of the `model`.",
    )
    health_path: UrlPath | None = Field(
        None, description="Where a command answers 200 while it is well; left out: `/health`."
    )
    ready_path: UrlPath | None = Field(
        None, description="Where a command answers 200 once its model is loaded; left out: as `health_path`."
    )
    proof: bool | None = Field(
        None,
        description="Whether a command is ready only after one real token, embedding or ranking; left out: true.",
    )
    api_path: UrlPrefix | None = Field(
        None, description="Where a command serves what OpenAI's API has under `/v1`; left out: there."
    )
    voices: Location | None = Field(
        None, description="The file of Kokoro's voices; left out: the `voices*.bin` beside the model."
    )
    default_voice: Text | None = Field(
        None,
        description="The voice of requests that name none; left out: `af_bella`, or `en-us` of eSpeak NG.",
    )
    default_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] | None = Field(
        None, description="The format of speech for requests that name none; left out: `wav`."
    )
    serves: tuple[Literal["chat", "completion", "embedding", "speech", "transcription", "image"], ...] | None = Field(
        None, min_length=1, description="What a command can be asked for; left out: what its `kind` says."
    )
    env: Named[EnvName, str] = Field(
        default_factory=lambda: MappingProxyType({}), description="Further environment variables for the backend."
    )
    autostart: bool = Field(
        False, description="Start by itself, with the daemon or when it comes, instead of at the first request."
    )
    start_timeout: Seconds | None = Field(
        None,
        gt=0,
        description="How long it may take to become ready; left out: as in [dispatch], with vllm at least 15 minutes.",
    )
    idle_after: Seconds | None = Field(
        None, description="Quiet time after which it counts as idle; left out: as in [daemon]."
    )
    unload_after: Seconds | None = Field(
        None, description="Idle time after which it is unloaded, 0 = never; left out: as in [daemon]."
    )
    drain_timeout: Seconds = Field(30.0, description="How long its requests may go on when it is unloaded.")
    stop_timeout: Seconds = Field(10.0, description="Time between SIGTERM and SIGKILL.")
    aliases: tuple[ModelName, ...] = Field((), description="Other names that requests may use for it.")
    background: tuple[ModelName, ...] = Field(
        (),
        description="Further names, for requests that no person waits for (titles, tags): those go last. Each is "
        "listed as a model of its own, for clients that cannot send `X-Hal0-Priority`.",
    )
    memory: Reserved | None = Field(
        None,
        description='What is reserved for it, on its GPUs or else in RAM; left out: estimated; "ignore": nothing, so '
        "that it starts whatever is free.",
    )
    pinned: bool = Field(False, description="Never unloaded to make room for another slot.")
    priority: Annotated[int, Unit("rank")] = Field(
        0, ge=-1000, le=1000, description="Who stays when room is needed: of idle slots the lowest goes first."
    )
    group: Name | None = Field(
        None, description="Slots of one group take turns, if one of the two that meet is `exclusive`."
    )
    exclusive: bool = Field(False, description="No other slot of its `group` runs while this one does.")
    restore_after: Seconds = Field(
        0.0,
        description="Quiet time after which an exclusive slot gives way to those of its group that it took over from; "
        "0 = never.",
    )
    fallback: tuple[Text, ...] = Field(
        (),
        description="What answers instead if it cannot, in this order: names as in `model` of a request. Only before "
        "the first byte of an answer.",
    )
    max_tokens: MostTokens = Field(
        None,
        ge=1,
        le=2**24,
        description="The most tokens an answer may have: what a request does not limit, or limits higher, ends there.",
    )
    defaults: Fields = Field(
        default_factory=_no_fields,
        description="Fields for chats and completions that do not have them, such as `temperature`, `top_p`, `seed`, "
        "`max_tokens`.",
    )
    set: Fields = Field(
        default_factory=_no_fields,
        description="Fields that chats and completions get whatever they ask for.",
    )
    strip: tuple[FieldName, ...] = Field(
        (), description="Fields that are taken out of chats and completions, for a backend that does not take them."
    )


class Price(Table):
    """What a million tokens cost, in dollars."""

    input: Dollars = Field(description="Tokens of the prompt.")
    output: Dollars = Field(0.0, description="Tokens of the answer.")
    cached: Dollars | None = Field(None, description="Tokens of the prompt that come from a cache; left out: `input`.")
    cache_write: Dollars | None = Field(
        None, description="Tokens of the prompt that are put into a cache; left out: `input`."
    )


class Remote(Table):
    """A provider elsewhere that speaks OpenAI's API or Anthropic's, or another hal0."""

    kind: Literal["openai", "openrouter", "anthropic", "custom"] = Field(
        "custom",
        description="Who it is; openai, openrouter and anthropic have their `url` already, custom is any other that "
        "speaks OpenAI's API.",
    )
    url: RemoteUrl | None = Field(
        None, description="Where its API begins, up to and with `/v1`; left out: the kind's own."
    )
    key_env: EnvName | None = Field(
        None, description="Environment variable of the daemon that holds the key. The key itself never stands here."
    )
    key_file: Location | None = Field(
        None, description="File that holds the key and that only the daemon's user can read (mode 600)."
    )
    models: tuple[Text, ...] = Field(
        (),
        description='Which of its models may be used, as globs such as "qwen/*"; left out: all that it lists. What a '
        "glob matches can be asked for even while the list is not known.",
    )
    exclude: tuple[Text, ...] = Field((), description="Globs of models that may not be used after all.")
    aliases: Named[ModelName, Text] = Field(
        default_factory=lambda: MappingProxyType({}), description="Other names for its models: `name = model id`."
    )
    headers: Named[HeaderName, HeaderValue] = Field(
        default_factory=lambda: MappingProxyType({}), description="Further headers for each request to it."
    )
    connect_timeout: Seconds = Field(10.0, gt=0, description="How long a connection to it may take.")
    first_byte_timeout: Seconds = Field(120.0, gt=0, description="How long it may take to begin an answer.")
    idle_timeout: Seconds | None = Field(
        None, gt=0, description="Its longest silence in an answer; left out: `stream_idle_timeout` of [dispatch]."
    )
    refresh: Seconds = Field(3600.0, ge=10, description="How often its list of models is fetched.")
    prices: Named[Glob, Price] = Field(
        default_factory=lambda: MappingProxyType({}),
        description='What a million tokens of its models cost, in dollars: `"glob" = { input = 3, output = 15 }`, also '
        "`cached` and `cache_write`; the first glob that matches counts. Left out: what its list says.",
    )
    max_tokens: MostTokens = Field(
        None,
        ge=1,
        le=2**24,
        description="The most tokens an answer may have: what a request does not limit, or limits higher, ends there.",
    )
    defaults: Fields = Field(
        default_factory=_no_fields,
        description="Fields for chats and completions that do not have them, such as `temperature`, `top_p`, `seed`, "
        "`max_tokens`.",
    )
    set: Fields = Field(
        default_factory=_no_fields,
        description="Fields that chats and completions get whatever they ask for.",
    )
    strip: tuple[FieldName, ...] = Field(
        (), description="Fields that are taken out of chats and completions, for a backend that does not take them."
    )
    fallback: tuple[Text, ...] = Field(
        (), description="What answers instead if it cannot, in this order: names as in `model` of a request."
    )


class Observe(Table):
    """What hal0 remembers of requests."""

    capture: bool = Field(
        True, description="Keep the text of recent requests in memory for the dashboard; never on disk."
    )


# What runs when the configuration names no slot: the two models that ship in the package, an ear that comes with it and
# a voice. These two wait until they are asked for; without the extra `hal0[espeak]` the voice cannot start.
EMBEDDED_SLOTS: Mapping[str, Slot] = MappingProxyType(
    {
        "primary": Slot(model="hal0-starter", autostart=True),
        "embed": Slot(model="all-minilm-l6-v2", autostart=True),
        "stt": Slot(provider="sphinx"),
        "tts": Slot(provider="espeak"),
    }
)


class Settings(Table):
    """The whole file."""

    server: Server = Server()
    daemon: Daemon = Daemon()
    auth: Auth = Auth()
    dispatch: Dispatch = Dispatch()
    models: Models = Models()
    slots: Named[Name, Slot] = Field(
        default_factory=lambda: EMBEDDED_SLOTS, description="The slots, as [slots.NAME]; none = the embedded default."
    )
    remotes: Named[Name, Remote] = Field(
        default_factory=lambda: MappingProxyType({}), description="Providers elsewhere, as [remotes.NAME]."
    )
    observe: Observe = Observe()
