"""The files of one model: a large one is split into `NAME-00001-of-00003.gguf` and so on, told by its first."""

import re
from collections.abc import Iterator
from pathlib import Path

PART = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf", re.IGNORECASE)


def parts(first: Path) -> Iterator[Path]:
    """Every file of a model that is split into several, else the one."""
    yield first
    if part := PART.fullmatch(first.name):
        for number in range(2, int(part["count"]) + 1):
            yield first.with_name(f"{part['stem']}-{number:05}-of-{part['count']}.gguf")
