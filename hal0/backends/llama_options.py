"""The command line of the built-in engine: llama-server's own words, each with the engine's attribute it sets.

Only words with an effect are here; any other is refused. Attribute names drift between releases of the wheel, so a
test compares this table with the installed one, and `apply` names what is missing.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

EXIT_USAGE = 2


class Drift(Exception):  # noqa: N818 - it says what happened
    """The installed engine has no such attribute."""


@dataclass(frozen=True, slots=True)
class Option:
    """One word of the command line. `read` makes the attribute's value of the text; a switch has a fixed `value`."""

    words: tuple[str, ...]
    attribute: str  # dotted path below CommonParams
    help: str
    read: Callable[[str], Any] = str
    value: Any = None  # of a switch, which takes no text

    @property
    def name(self) -> str:
        return self.words[-1].lstrip("-")


@dataclass(frozen=True, slots=True)
class Enum:
    """A value of one of the engine's enumerations: the end of a member's name, in small letters."""

    type: str
    member: str


def enum(type_: str, prefix: str, **members: str) -> Callable[[str], Enum]:
    """Accepts the words given (each with the end of its member's name)."""

    def read(text: str) -> Enum:
        if text not in members:
            raise argparse.ArgumentTypeError(f"one of {', '.join(members)}, not {text!r}")
        return Enum(type_, prefix + members[text])

    return read


def text_of_file(path: str) -> str:
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise argparse.ArgumentTypeError(f"{path}: {error}") from error


def gpu_layers(text: str) -> int:
    return {"auto": -1, "all": -2}.get(text) or int(text)


_cache_type = enum(
    "ggml_type",
    "GGML_TYPE_",
    f32="F32",
    f16="F16",
    bf16="BF16",
    q8_0="Q8_0",
    q4_0="Q4_0",
    q4_1="Q4_1",
    iq4_nl="IQ4_NL",
    q5_0="Q5_0",
    q5_1="Q5_1",
)
_pooling = enum(
    "llama_pooling_type", "LLAMA_POOLING_TYPE_", none="NONE", mean="MEAN", cls="CLS", last="LAST", rank="RANK"
)
_flash = enum("llama_flash_attn_type", "LLAMA_FLASH_ATTN_TYPE_", on="ENABLED", off="DISABLED", auto="AUTO")
_reasoning = {"none": "NONE", "deepseek": "DEEPSEEK", "deepseek-legacy": "DEEPSEEK_LEGACY", "auto": "AUTO"}
_scaling = enum("llama_rope_scaling_type", "LLAMA_ROPE_SCALING_TYPE_", none="NONE", linear="LINEAR", yarn="YARN")

OPTIONS = (
    Option(("-m", "--model"), "model.path", "the GGUF file"),
    Option(("-a", "--alias"), "model_alias", "the model's name in answers", lambda text: set(text.split(","))),
    Option(("--host",), "hostnames", "address to listen on", lambda text: [text]),
    Option(("--port",), "port", "port to listen on", int),
    Option(("-c", "--ctx-size"), "n_ctx", "tokens of context, of all parallel requests together", int),
    Option(("-np", "--parallel"), "n_parallel", "requests computed at the same time", int),
    Option(("-kvu", "--kv-unified"), "kv_unified", "the parallel requests share the context", value=True),
    Option(("-b", "--batch-size"), "n_batch", "tokens of a prompt taken at a time", int),
    Option(("-ub", "--ubatch-size"), "n_ubatch", "tokens computed at a time", int),
    Option(("-t", "--threads"), "cpuparams.n_threads", "threads that generate", int),
    Option(("-tb", "--threads-batch"), "cpuparams_batch.n_threads", "threads that read prompts", int),
    Option(("--threads-http",), "n_threads_http", "threads that speak HTTP", int),
    Option(("-n", "--predict", "--n-predict"), "n_predict", "most tokens of an answer; -1: no limit", int),
    Option(("-ngl", "--gpu-layers", "--n-gpu-layers"), "n_gpu_layers", "layers on the GPU", gpu_layers),
    Option(("-cram", "--cache-ram"), "cache_ram_mib", "MiB of RAM that keep earlier prompts; 0: none", int),
    Option(("--embedding", "--embeddings"), "embedding", "serve embeddings", value=True),
    Option(("--rerank", "--reranking"), "embedding", "serve scores", value=True),
    Option(("--pooling",), "pooling_type", "how token vectors become one", _pooling),
    Option(("--jinja",), "use_jinja", "use the model's own chat template", value=True),
    Option(("--no-jinja",), "use_jinja", "use a built-in chat template", value=False),
    Option(("--chat-template",), "chat_template", "a chat template instead of the model's"),
    Option(("--chat-template-file",), "chat_template", "a file with a chat template", text_of_file),
    Option(
        ("--reasoning-format",),
        "reasoning_format",
        "where a model's thoughts go",
        enum("common_reasoning_format", "COMMON_REASONING_FORMAT_", **_reasoning),
    ),
    Option(("-fa", "--flash-attn"), "flash_attn_type", "on, off or auto", _flash),
    Option(("-ctk", "--cache-type-k"), "cache_type_k", "type of the cached keys", _cache_type),
    Option(("-ctv", "--cache-type-v"), "cache_type_v", "type of the cached values", _cache_type),
    Option(("--rope-scaling",), "rope_scaling_type", "how the context is stretched", _scaling),
    Option(("--rope-freq-base",), "rope_freq_base", "base frequency", float),
    Option(("--rope-freq-scale",), "rope_freq_scale", "scale of the frequency", float),
    Option(("--yarn-orig-ctx",), "yarn_orig_ctx", "context the model was trained with", int),
    Option(("-mm", "--mmproj"), "mmproj.path", "the file of the image projector"),
    Option(("--context-shift",), "ctx_shift", "forget the beginning when the context is full", value=True),
    Option(("--no-context-shift",), "ctx_shift", "stop when the context is full", value=False),
    Option(("--warmup",), "warmup", "compute once before serving", value=True),
    Option(("--no-warmup",), "warmup", "do not compute before serving", value=False),
    Option(("--metrics",), "endpoint_metrics", "answer /metrics", value=True),
    Option(("--props",), "endpoint_props", "let /props be changed", value=True),
    Option(("--slots",), "endpoint_slots", "answer /slots", value=True),
    Option(("--no-slots",), "endpoint_slots", "do not answer /slots", value=False),
    Option(("--no-webui", "--no-ui"), "ui", "no web page", value=False),
    Option(("-s", "--seed"), "sampling.seed", "default seed", int),
    Option(("--temp", "--temperature"), "sampling.temp", "default temperature", float),
    Option(("--top-k",), "sampling.top_k", "default top-k", int),
    Option(("--top-p",), "sampling.top_p", "default top-p", float),
    Option(("--min-p",), "sampling.min_p", "default min-p", float),
    Option(("-lv", "--verbosity"), "verbosity", "how much is logged, 0 to 5", int),
)

# Set before the command line is applied. Web pages must not reach a slot: no permission for any origin, no page of
# its own. Prompts are cached in RAM only as far as the command line allows.
DEFAULTS: tuple[tuple[str, Any], ...] = (
    ("hostnames", ["127.0.0.1"]),
    ("ui", False),
    ("cors_origins", ""),
    ("cors_credentials", False),
    ("cache_ram_mib", 0),
)
# What `--rerank` means besides serving vectors.
RANK = ("pooling_type", Enum("llama_pooling_type", "LLAMA_POOLING_TYPE_RANK"))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"error: {message}\n")


class _Collect(argparse.Action):
    """Keep the settings in the order of the command line, so that a later word wins."""

    def __init__(self, *, option: Option, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.option = option

    def __call__(
        self, parser: object, namespace: argparse.Namespace, values: Any, option_string: object = None
    ) -> None:
        option = self.option
        settings: list[tuple[str, Any]] = namespace.settings
        settings.append((option.attribute, option.value if self.nargs == 0 else values))
        if "--rerank" in option.words:
            settings.append(RANK)


def parse(argv: Sequence[str]) -> list[tuple[str, Any]]:
    """The attributes to set, in order; ends the program with status 2 if a word is wrong."""
    parser = _Parser(prog="hal0.backends.llama", allow_abbrev=False, usage=argparse.SUPPRESS, add_help=False)
    parser.set_defaults(settings=[])
    parser.add_argument("-h", "--help", action="help")
    for option in OPTIONS:
        kwargs: dict[str, Any] = {"nargs": 0} if option.value is not None else {"type": option.read}
        parser.add_argument(*option.words, action=_Collect, option=option, dest=option.name, help=option.help, **kwargs)
    namespace, unknown = parser.parse_known_args(argv)
    if unknown:
        parser.error(f"invalid argument: {unknown[0]}")
    settings: list[tuple[str, Any]] = namespace.settings
    given = dict(settings)
    for attribute, word in (("model.path", "--model"), ("port", "--port")):
        if attribute not in given:
            parser.error(f"{word} is needed")
    if given.get("cache_ram_mib", 0) == 0:
        settings.append(("cache_idle_slots", False))  # it needs that memory
    return settings


def apply(settings: Sequence[tuple[str, Any]], params: Any, engine: Any) -> None:
    """Set the attributes; raises `Drift`."""
    for attribute, value in (*DEFAULTS, *settings):
        if isinstance(value, Enum):
            try:
                value = getattr(getattr(engine, value.type), value.member)
            except AttributeError as error:
                raise Drift(f"{value.type}.{value.member}") from error
        owner, _, last = attribute.rpartition(".")
        try:
            setattr(getattr(params, owner) if owner else params, last, value)
        except AttributeError as error:
            raise Drift(f"CommonParams.{attribute}") from error
