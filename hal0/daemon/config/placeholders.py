"""The placeholders in the command line and the environment of a `command` slot. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping

# Placeholder: what stands there at each start.
PLACEHOLDERS: Mapping[str, str] = {
    "port": "the port it must listen on, on 127.0.0.1",
    "model": "the path of the model's file or folder",
    "model_id": "the model's name, as requests to it have it",
    "ctx": "tokens of context, from `context`",
    "parallel": "requests at a time, from `parallel`",
    "key": "the secret that hal0 sends as `Authorization: Bearer`, new at each start",
}

_PLACEHOLDER = re.compile(r"\$\{([^{}]*)\}")


def named(text: str) -> Iterator[str]:
    """The names in `${…}` of a text."""
    return (match[1] for match in _PLACEHOLDER.finditer(text))


def used(texts: Iterable[str]) -> frozenset[str]:
    """The placeholders that these texts name."""
    return frozenset(name for text in texts for name in named(text))


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with the placeholders that have a value filled in, once: what a value holds stays as it is."""
    return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), text)
