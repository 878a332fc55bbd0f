"""What a slot's `provider` makes of its other keys: those it needs, and those that would have no effect on it.

Pure, over the values as they stand in the files. A key that a provider cannot honour is refused, not ignored.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from hal0.daemon.config.document import dotted
from hal0.daemon.config.findings import Finding, nearest, shown
from hal0.daemon.config.placeholders import PLACEHOLDERS, named, used
from hal0.daemon.config.positions import Key
from hal0.daemon.config.schema import Slot
from hal0.wire import Kind
from hal0.workflows import CURATED

# Key: the providers on which it has an effect; a key that is not here has one on all.
EFFECTIVE: Mapping[str, tuple[str, ...]] = {
    "model": ("llama", "vllm", "flm", "kokoro", "moonshine", "comfyui", "command"),
    "context": ("llama", "vllm", "flm", "command"),
    "parallel": ("llama", "vllm", "kokoro", "espeak", "command"),
    "threads": ("llama", "kokoro"),
    "gpus": ("llama", "vllm", "comfyui", "command"),
    "gpu_layers": ("llama",),
    "mmproj": ("llama",),
    "binary": ("llama", "vllm", "flm", "comfyui"),
    "args": ("llama", "vllm", "flm", "moonshine", "comfyui"),
    "command": ("command",),
    "cwd": ("comfyui", "command"),
    "url": ("comfyui",),
    "workflow": ("comfyui",),
    "health_path": ("command",),
    "ready_path": ("command",),
    "proof": ("command",),
    "api_path": ("command",),
    "serves": ("command",),
    "voices": ("kokoro",),
    "default_voice": ("kokoro", "espeak"),
    "default_format": ("kokoro", "espeak"),
}
KINDS: Mapping[str, tuple[Kind, ...]] = {
    "llama": ("chat", "embedding", "rerank"),
    "vllm": ("chat", "embedding"),
    "flm": ("chat", "embedding"),
    "kokoro": ("speech",),
    "espeak": ("speech",),
    "moonshine": ("transcription",),
    "sphinx": ("transcription",),
    "comfyui": ("image",),
    "command": ("chat", "embedding", "rerank", "speech", "transcription", "image"),
}
ALL_KINDS = frozenset(kind for kinds in KINDS.values() for kind in kinds)
# The key without which a provider has nothing to run.
NEEDED: Mapping[str, str] = {"command": "command", "espeak": "", "sphinx": ""}
# What belongs to a ComfyUI that hal0 starts, and so not to one that runs already.
OF_A_CHECKOUT = ("binary", "args", "gpus")
# Key of the slot: the placeholder through which alone it reaches the program.
BY_PLACEHOLDER = {"context": "ctx"}


def usual_kind(provider: str) -> Kind:
    """What a slot is for as long as its model, which would tell, is not there."""
    return KINDS[provider][0]


def effective_keys(provider: object) -> list[str]:
    """The keys of a slot that have an effect with a provider, llama if it is None; all with one that does not exist."""
    name = "llama" if provider is None else provider
    if not isinstance(name, str) or name not in KINDS:
        return list(Slot.model_fields)
    return [key for key in Slot.model_fields if name in EFFECTIVE.get(key, KINDS)]


def backends(tree: Mapping[str, Any]) -> Iterator[Finding]:
    """What is missing, has no effect, or names what does not exist."""
    slots = tree.get("slots")
    for name, slot in slots.items() if isinstance(slots, dict) else ():
        provider = slot.get("provider", "llama") if isinstance(slot, dict) else None
        if not isinstance(provider, str) or provider not in KINDS:
            continue  # refused by the schema
        key: Key = ("slots", name)
        yield from _missing(key, slot, provider)
        yield from _without_effect(key, slot, provider)
        if provider == "command" and slot.get("command"):
            yield from _command(key, slot)
        if provider == "comfyui":
            yield from _comfyui(key, slot)


def _missing(key: Key, slot: Mapping[str, Any], provider: str) -> Iterator[Finding]:
    wanted = NEEDED.get(provider, "model")
    if wanted and wanted not in slot and "workflow" not in slot:
        about = Slot.model_fields[wanted].description or ""
        hint = f"add `{wanted} = …`: {about[:1].lower()}{about[1:]}"
        yield Finding("config.invalid", f"`{wanted}` is missing in [{dotted(key)}]", (*key, wanted), hint, "table")


def _without_effect(key: Key, slot: Mapping[str, Any], provider: str) -> Iterator[Finding]:
    for name in slot:
        providers = EFFECTIVE.get(name)
        if providers is not None and provider not in providers:
            message = f"`{name}` has no effect with `provider = {shown(provider)}`"
            hint = "leave it out; it is for " + " and ".join(providers)
            yield Finding("config.invalid", message, (*key, name), hint, "key")
    kind = slot.get("kind")
    if isinstance(kind, str) and kind not in KINDS[provider] and kind in ALL_KINDS:
        message = f"`provider = {shown(provider)}` cannot be used for {shown(kind)}"
        yield Finding("config.invalid", message, (*key, "kind"), f"it serves {' and '.join(KINDS[provider])}")


def _command(key: Key, slot: Mapping[str, Any]) -> Iterator[Finding]:
    texts = dict(_texts(slot))
    for place, text in texts.items():
        for name in named(text):
            if name not in PLACEHOLDERS:
                near = nearest(name, list(PLACEHOLDERS))
                known = "the placeholders: " + ", ".join(f"${{{each}}}" for each in PLACEHOLDERS)
                hint = f"did you mean ${{{near}}}?" if near else f"{known}; a variable of a shell is written $NAME"
                yield Finding("config.invalid", f"unknown placeholder ${{{name}}}", (*key, *place), hint)
    names = used(texts.values())
    if "port" not in names and "port" not in slot:
        message = "nothing tells the program its port"
        yield Finding(
            "config.invalid", message, (*key, "command"), "write ${port} where it takes one, or give it a fixed `port`"
        )
    if "model" in names and "model" not in slot:
        message = f"${{model}} is used, and `model` is missing in [{dotted(key)}]"
        yield Finding("config.invalid", message, (*key, "command"), "add `model = …`, or name the file itself")
    for each, placeholder in BY_PLACEHOLDER.items():
        if each in slot and placeholder not in names:
            message = f"`{each}` has no effect: the command line does not say ${{{placeholder}}}"
            yield Finding("config.invalid", message, (*key, each), "write it there, or leave the key out", "key")


def _comfyui(key: Key, slot: Mapping[str, Any]) -> Iterator[Finding]:
    if "cwd" not in slot and "url" not in slot:
        message = f"nothing in [{dotted(key)}] tells where ComfyUI is"
        hint = "add `cwd = …`, the folder of a checkout for hal0 to start, or `url = …` of a ComfyUI that runs already"
        yield Finding("config.invalid", message, (*key, "cwd"), hint, "table")
    elif "url" in slot:
        for name in ("cwd", *OF_A_CHECKOUT):
            if name in slot:
                message = f"`{name}` has no effect with `url`, as hal0 does not start that ComfyUI"
                yield Finding("config.invalid", message, (*key, name), f"leave out `{name}` or `url`", "key")
    model = slot.get("model")
    if isinstance(model, str) and "workflow" not in slot and model not in CURATED:
        near = nearest(model, list(CURATED))
        known = f"the models with a graph of their own: {', '.join(CURATED)}"
        message = f"hal0 has no graph for the model {shown(model)}"
        hint = f"did you mean {shown(near)}?" if near else f"{known}; for any other give it a `workflow`"
        yield Finding("config.invalid", message, (*key, "model"), hint, right=shown(near) if near else "")


def _texts(slot: Mapping[str, Any]) -> Iterator[tuple[Key, str]]:
    """Every text in which a placeholder can stand, and its place below the slot."""
    command, env = slot["command"], slot.get("env")
    if isinstance(command, str):
        yield ("command",), command
    elif isinstance(command, list | tuple):
        yield from ((("command", index), word) for index, word in enumerate(command) if isinstance(word, str))
    if isinstance(env, dict):
        yield from ((("env", name), value) for name, value in env.items() if isinstance(value, str))
