"""Which models a remote offers here: its own list, as far as the configuration lets it in. Pure but for the file.

The list is kept on disk, so that a daemon that starts offline still knows it.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

MOST_MODELS = 20_000
LONGEST_ID = 256
LONGEST_FILE_BYTES = 16 * 2**20

log = logging.getLogger("hal0.remotes")


@dataclass(frozen=True, slots=True)
class Offered:
    """One model of a remote."""

    id: str
    context: int | None = None  # tokens, if the remote says so


def read_list(body: Any) -> tuple[Offered, ...]:
    """The models of an answer to `GET /models`; raises ValueError if it is none."""
    entries = body.get("data") if isinstance(body, dict) else body
    if not isinstance(entries, list):
        raise ValueError("it is not a list of models")
    found: dict[str, Offered] = {}
    for entry in entries[:MOST_MODELS]:
        id = entry.get("id") if isinstance(entry, dict) else None
        if isinstance(id, str) and 0 < len(id) <= LONGEST_ID and id.isprintable():
            context = entry.get("context_length")
            has_context = isinstance(context, int) and not isinstance(context, bool) and context > 0
            found[id] = Offered(id, context if has_context else None)
    return tuple(found.values())


def let_in(offered: Sequence[Offered], *, models: Sequence[str], exclude: Sequence[str]) -> tuple[Offered, ...]:
    """Those that the globs name; no globs name all."""
    return tuple(each for each in offered if is_let_in(each.id, models=models or ("*",), exclude=exclude))


def is_let_in(model: str, *, models: Sequence[str], exclude: Sequence[str]) -> bool:
    def matches(globs: Sequence[str]) -> bool:
        return any(fnmatchcase(model, glob) for glob in globs)

    return matches(models) and not matches(exclude)


def remember(file: Path, url: str, offered: Sequence[Offered]) -> None:
    """Blocks for a small file; one that cannot be written costs the list after a start offline."""
    entries = [{"id": each.id, "context_length": each.context} for each in offered]
    temporary = file.with_name(file.name + ".new")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary.write_text(json.dumps({"url": url, "data": entries}), encoding="utf-8")
        temporary.replace(file)
    except OSError as error:
        log.warning("cannot write %s: %s", file, error.strerror)


def recall(file: Path, url: str) -> tuple[Offered, ...]:
    """What was remembered of the remote at this address; nothing if the file is of another or damaged."""
    try:
        with file.open("rb") as opened:
            kept = json.loads(opened.read(LONGEST_FILE_BYTES))
        return read_list(kept) if kept["url"] == url else ()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ()
