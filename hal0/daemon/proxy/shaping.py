"""What a slot or a remote makes of a request before it gets it: fields out, defaults in, fields set, tokens bounded.

Nothing is done, and no body parsed, where nothing of it is configured. No I/O here.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from hal0.daemon.providers.base import Api


class Shaping(Protocol):
    """The keys of a slot or a remote."""

    @property
    def kind(self) -> str | None: ...
    @property
    def max_tokens(self) -> int | None: ...
    @property
    def defaults(self) -> Mapping[str, Any]: ...
    @property
    def set(self) -> Mapping[str, Any]: ...
    @property
    def strip(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Words:
    """How an API calls what others call otherwise."""

    limits: tuple[str, ...]  # the fields that bound an answer; the first is the one to add
    names: Mapping[str, str]  # chat's name → its own


LIMITS = ("max_tokens", "max_completion_tokens", "n_predict")  # the last one is llama.cpp's own
WORDS: Mapping[str, Words] = {
    Api.CHAT.value: Words(LIMITS, {}),
    Api.COMPLETION.value: Words(LIMITS, {}),
    "/v1/messages": Words(("max_tokens",), {"stop": "stop_sequences", "max_completion_tokens": "max_tokens"}),
    "/v1/responses": Words(
        ("max_output_tokens",), {"max_tokens": "max_output_tokens", "max_completion_tokens": "max_output_tokens"}
    ),
}
# OpenAI's newer models take the newer name alone.
OPENAI = Words(("max_completion_tokens", "max_tokens"), {"max_tokens": "max_completion_tokens"})


def shaped(raw: bytes, path: str, config: Shaping) -> bytes:
    """The body of a request to `path` as the upstream is to get it."""
    if not (config.max_tokens or config.defaults or config.set or config.strip):
        return raw
    words = WORDS.get(path)
    if words is None:
        return raw
    if path == Api.CHAT.value and config.kind == "openai":
        words = OPENAI
    body: dict[str, Any] = json.loads(raw)
    for name in _named(config.strip, words):
        body.pop(name, None)
    for name, value in config.defaults.items():
        _add(body, words.names.get(name, name), value, words)
    for name, value in config.set.items():
        own = words.names.get(name, name)
        for other in words.limits if own in words.limits else ():
            body.pop(other, None)
        body[own] = value
    if config.max_tokens is not None:
        _bound(body, config.max_tokens, words)
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def _named(names: Sequence[str], words: Words) -> set[str]:
    return {*names, *(words.names[name] for name in names if name in words.names)}


def _add(body: dict[str, Any], name: str, value: Any, words: Words) -> None:
    """A default; a limit under any of its names is one."""
    given = words.limits if name in words.limits else (name,)
    if all(body.get(each) is None for each in given):
        body[name] = value


def _bound(body: dict[str, Any], most: int, words: Words) -> None:
    """-1 is llama.cpp's word for no limit."""
    given = [name for name in words.limits if body.get(name) is not None]
    for name in given or words.limits[:1]:
        value = body.get(name)
        if type(value) is not int or not 0 <= value <= most:
            body[name] = most
