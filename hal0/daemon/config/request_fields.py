"""What `defaults`, `set` and `strip` of a slot or a remote may hold: fields of requests, with values that make sense.

Pure, over the values as they stand in the files. Backends differ in the fields they know, so names that hal0 does not
know pass; of those that it knows the value is checked, as a mistake would fail every request.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hal0.daemon.config.document import dotted
from hal0.daemon.config.findings import Finding, shown
from hal0.daemon.config.positions import Key

# What a request is made of, or how hal0 itself carries it; to change these would answer another request.
NEVER = ("model", "messages", "prompt", "stream", "stream_options", "tools", "functions", "n")


@dataclass(frozen=True, slots=True)
class Span:
    """The numbers that a field takes."""

    low: float
    high: float
    whole: bool = False

    def takes(self, value: object) -> bool:
        kinds = int if self.whole else (int, float)
        return isinstance(value, kinds) and not isinstance(value, bool) and self.low <= value <= self.high

    def __str__(self) -> str:
        return f"a {'whole ' if self.whole else ''}number from {self.low:g} to {self.high:g}"


TOKENS = Span(1, 2**24, whole=True)
SPANS: Mapping[str, Span] = {
    "temperature": Span(0, 2),
    "top_p": Span(0, 1),
    "top_k": Span(-1, 2**20, whole=True),  # 0 and -1: all, as llama.cpp and vLLM say it
    "min_p": Span(0, 1),
    "typical_p": Span(0, 1),
    "presence_penalty": Span(-2, 2),
    "frequency_penalty": Span(-2, 2),
    "repeat_penalty": Span(0, 10),
    "repetition_penalty": Span(0, 10),
    "seed": Span(-(2**63), 2**63, whole=True),
    "max_tokens": TOKENS,
    "max_completion_tokens": TOKENS,
}


def request_fields(table: str, named: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    """What is wrong with the fields of requests in these tables."""
    for name, each in named.items():
        key = (table, name)
        stripped = each.get("strip")
        for index, field in enumerate(stripped if isinstance(stripped, list | tuple) else ()):
            if field in NEVER:
                yield _never((*key, "strip", index), str(field))
        given = {part: each[part] for part in ("defaults", "set") if isinstance(each.get(part), dict)}
        for part, fields in given.items():
            for field, value in fields.items():
                yield from _field((*key, part, field), field, value)
        for field in given.get("set", {}):
            if field in given.get("defaults", {}):
                message = f"the default of `{field}` has no effect: `set` has it too"
                yield Finding("config.clash", message, (*key, "defaults", field), "leave one of them out", "key")
        yield from _above_the_most(key, each, given)


def _field(key: Key, field: str, value: object) -> Iterator[Finding]:
    if field in NEVER:
        yield _never(key, field)
    elif (span := SPANS.get(field)) is not None and not span.takes(value):
        yield Finding("config.invalid", f"`{dotted(key)}` must be {span}, not {shown(value)}", key)


def _never(key: Key, field: str) -> Finding:
    message = f"`{field}` is what a request is made of; it cannot be changed on its way"
    return Finding("config.invalid", message, key, "leave it out")


def _above_the_most(key: Key, each: Mapping[str, Any], given: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    most = each.get("max_tokens")
    if not isinstance(most, int):
        return
    for part, fields in given.items():
        for field in ("max_tokens", "max_completion_tokens"):
            value = fields.get(field)
            if isinstance(value, int) and value > most:
                message = f"`{part}` gives more tokens than `max_tokens` of [{dotted(key)}] allows"
                yield Finding("config.clash", message, (*key, part, field), f"{shown(most)} at most")
