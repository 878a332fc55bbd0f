"""Finds, in what llama.cpp printed last, the line that says why it ended.

Newer servers mark lines: `0.00.007.382 E llama_model_load: error loading model: …`; older ones print them bare.
The first error of the last cluster is the cause; those after it are its consequences.
"""

import re
from collections.abc import Sequence

from hal0.daemon.providers.last_words import cut, of_last_run

NEAR_THE_END = 15  # an error further up was survived
GAP = 4  # this many other lines between two errors, and they are two stories

MARKED = re.compile(r"^\d+\.\d+\.\d+\.\d+ E (?P<text>.*)$")
PLACE = re.compile(r"^(?:\w+ +)?\S+: ")  # the module and function that speak
# What ends a process wherever it stands, and errors of servers that do not mark lines.
FATAL = re.compile(
    r"GGML_ASSERT|GGML_ABORT|CUDA error|ROCm error|ggml_vulkan: .*rror|terminate called|what\(\):|out of memory"
    r"|failed to allocate|error loading model|error while loading shared libraries|Illegal instruction"
)
PLAIN = re.compile(r"^error: (?P<text>.*)$|^(?P<other>.*: no such program)$")


def failure_reason(output: Sequence[str]) -> str | None:
    """The backend's own words, without the marks around them."""
    lines = of_last_run(output)[-NEAR_THE_END:]
    plain = next((match for line in reversed(lines) if (match := PLAIN.match(line))), None)
    if plain is not None:
        return cut(plain["text"] or plain["other"])
    cause = _first_of_last_cluster(lines)
    if cause is None:
        return None
    text = PLACE.sub("", cause.strip(), count=1)
    return cut(text.removeprefix("error loading model: "))


def _first_of_last_cluster(lines: Sequence[str]) -> str | None:
    found, distance = None, 0
    for line in reversed(lines):
        marked = MARKED.match(line)
        if marked or FATAL.search(line):
            found = marked["text"] if marked else line
            distance = 0
        else:
            distance += 1
            if distance > GAP and found is not None:
                break
    return found
