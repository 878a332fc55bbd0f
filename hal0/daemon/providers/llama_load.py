"""How llama-server will load a model, read from its command line. Of words that are given twice the last one wins."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from hal0.daemon.models.memory import Load

MIB = 2**20
ALL_LAYERS = 10_000

# Words with a value, by the field of `Load` that they set.
NUMBERS: Mapping[str, str] = {
    "-c": "context", "--ctx-size": "context",
    "-np": "parallel", "--parallel": "parallel",
    "-b": "batch", "--batch-size": "batch",
    "-ub": "ubatch", "--ubatch-size": "ubatch",
    "-ncmoe": "expert_layers_on_cpu", "--n-cpu-moe": "expert_layers_on_cpu",
    "--ctx-checkpoints": "checkpoints", "--swa-checkpoints": "checkpoints",
}  # fmt: skip
TEXTS: Mapping[str, str] = {
    "-ctk": "key_type", "--cache-type-k": "key_type",
    "-ctv": "value_type", "--cache-type-v": "value_type",
}  # fmt: skip
SWITCHES: Mapping[str, tuple[str, object]] = {
    "--swa-full": ("whole_window", True),
    "-kvu": ("unified", True), "--kv-unified": ("unified", True), "--no-kv-unified": ("unified", False),
    "--embedding": ("embedding", True), "--embeddings": ("embedding", True),
    "--rerank": ("embedding", True), "--reranking": ("embedding", True),
    "-nkvo": ("cache_on_gpu", False), "--no-kv-offload": ("cache_on_gpu", False),
    "-cmoe": ("expert_layers_on_cpu", ALL_LAYERS), "--cpu-moe": ("expert_layers_on_cpu", ALL_LAYERS),
}  # fmt: skip
LAYERS = ("-ngl", "--gpu-layers", "--n-gpu-layers")
FLASH = ("-fa", "--flash-attn")
PROMPT_CACHE = ("-cram", "--cache-ram")
PROJECTOR = ("-mm", "--mmproj")
FILES = (*PROJECTOR, "-md", "--model-draft", "--lora", "--control-vector")
# What moves memory about in ways that are not followed here.
VAGUE = ("-ot", "--override-tensor", "--lora-scaled", "-sm", "--split-mode", "--rpc", "-cd", "--ctx-size-draft")


def load_of(words: Sequence[str], *, device: str, is_builtin: bool) -> Load:
    """The settings that matter for memory. Files named beside the model are looked at for their size."""
    fields: dict[str, object] = {
        "context": 4096,
        "is_builtin": is_builtin,
        "prompt_cache_bytes": 0 if is_builtin else 8192 * MIB,
    }
    layers = ALL_LAYERS
    more = 0
    for index, word in enumerate(words):
        name, _, given = word.partition("=") if word.startswith("--") else (word, "", "")
        value = given or (words[index + 1] if index + 1 < len(words) else "")
        if (field := NUMBERS.get(name)) is not None:
            if value.isdecimal() and int(value) > 0:
                fields[field] = int(value)
        elif (field := TEXTS.get(name)) is not None:
            fields[field] = value
        elif (switch := SWITCHES.get(name)) is not None:
            fields[switch[0]] = switch[1]
        elif name in LAYERS:
            layers = int(value) if value.isdecimal() else ALL_LAYERS
        elif name in FLASH:
            fields["flash_attention"] = value not in ("off", "0", "false")
        elif name in PROMPT_CACHE and value.lstrip("-").isdecimal():
            fields["prompt_cache_bytes"] = max(0, int(value)) * MIB if int(value) >= 0 else 8192 * MIB
        elif name in FILES:
            more += _size(Path(value))
        elif name in VAGUE:
            fields["is_vague"] = True
    if is_builtin or device == "cpu":
        layers = 0
    return Load(**fields, gpu_layers=layers, more_bytes=more)  # type: ignore[arg-type]  # the tables name its fields


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # it will not start either, and say so then
        return 0
