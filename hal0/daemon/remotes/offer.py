"""Which models a remote offers here: its own list, as far as the configuration lets it in. Pure but for the file.

The list is kept on disk, so that a daemon that starts offline still knows it.
"""

import json
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from hal0.daemon.config.schema import Price as PriceTable

MOST_MODELS = 20_000
LONGEST_ID = 256
LONGEST_FILE_BYTES = 16 * 2**20
VERSION = 2  # of the file's shape

log = logging.getLogger("hal0.remotes")


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost, in dollars."""

    input: float
    output: float
    cached: float | None = None  # of the prompt, from a cache; None: as any other
    cache_write: float | None = None

    def of(self, *, prompt: int, completion: int, cached: int = 0, cache_written: int = 0) -> float:
        """Dollars for so many tokens; those of the prompt that came from a cache, or went into one, are among its."""
        plain = max(0, prompt - cached - cache_written)
        read = self.input if self.cached is None else self.cached
        written = self.input if self.cache_write is None else self.cache_write
        in_all = plain * self.input + cached * read + cache_written * written + completion * self.output
        return in_all / 1_000_000


@dataclass(frozen=True, slots=True)
class Offered:
    """One model of a remote, as far as its list tells."""

    id: str
    context: int | None = None  # tokens
    max_tokens: int | None = None  # of an answer
    thinking: tuple[str, ...] = ()  # the ways in which it can be told to think, as Anthropic names them
    efforts: tuple[str, ...] = ()
    price: Price | None = None


def read_list(body: Any) -> tuple[Offered, ...]:
    """The models of an answer to `GET /models`; raises ValueError if it is none."""
    entries = body.get("data") if isinstance(body, dict) else body
    if not isinstance(entries, list):
        raise ValueError("it is not a list of models")
    found: dict[str, Offered] = {}
    for entry in entries[:MOST_MODELS]:
        id = entry.get("id") if isinstance(entry, dict) else None
        if isinstance(id, str) and 0 < len(id) <= LONGEST_ID and id.isprintable():
            found[id] = _offered(id, entry)
    return tuple(found.values())


def _offered(id: str, entry: dict[str, Any]) -> Offered:
    """OpenRouter's, Anthropic's and vLLM's lists tell more than names, each its own."""
    capabilities = _table(entry.get("capabilities"))
    return Offered(
        id,
        context=_count(entry, "context_length", "max_input_tokens", "max_model_len"),
        max_tokens=_count(entry, "max_tokens"),
        thinking=_supported(_table(_table(capabilities.get("thinking")).get("types"))),
        efforts=_supported(_table(capabilities.get("effort"))),
        price=_price(_table(entry.get("pricing"))),
    )


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(entry: dict[str, Any], *names: str) -> int | None:
    for name in names:
        value = entry.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
    return None


def _supported(capabilities: dict[str, Any]) -> tuple[str, ...]:
    return tuple(name for name, each in capabilities.items() if _table(each).get("supported") is True)


def _price(pricing: dict[str, Any]) -> Price | None:
    """Of OpenRouter's list, which has dollars for one token, as texts; -1 is its word for "it depends"."""
    given: dict[str, float] = {}
    for name in ("prompt", "completion", "input_cache_read", "input_cache_write"):
        try:
            dollars = float(pricing[name]) * 1_000_000
        except (KeyError, TypeError, ValueError):
            continue
        if 0 <= dollars < math.inf:
            given[name] = dollars
    if "prompt" not in given or "completion" not in given:
        return None
    return Price(given["prompt"], given["completion"], given.get("input_cache_read"), given.get("input_cache_write"))


def let_in(offered: Sequence[Offered], *, models: Sequence[str], exclude: Sequence[str]) -> tuple[Offered, ...]:
    """Those that the globs name; no globs name all."""
    return tuple(each for each in offered if is_let_in(each.id, models=models or ("*",), exclude=exclude))


def is_let_in(model: str, *, models: Sequence[str], exclude: Sequence[str]) -> bool:
    def matches(globs: Sequence[str]) -> bool:
        return any(fnmatchcase(model, glob) for glob in globs)

    return matches(models) and not matches(exclude)


def price_of(prices: Mapping[str, PriceTable], offered: Offered | None, model: str) -> Price | None:
    """What the model costs: by the first glob of the configuration that matches, else by the remote's own list."""
    for glob, price in prices.items():
        if fnmatchcase(model, glob):
            return Price(price.input, price.output, price.cached, price.cache_write)
    return None if offered is None else offered.price


def remember(file: Path, url: str, offered: Sequence[Offered]) -> None:
    """Blocks for a small file; one that cannot be written costs the list after a start offline."""
    temporary = file.with_name(file.name + ".new")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = {"version": VERSION, "url": url, "models": [asdict(each) for each in offered]}
        temporary.write_text(json.dumps(kept), encoding="utf-8")
        temporary.replace(file)
    except OSError as error:
        log.warning("cannot write %s: %s", file, error.strerror)


def recall(file: Path, url: str) -> tuple[Offered, ...]:
    """What was remembered of the remote at this address; nothing if the file is of another, or damaged, or older."""
    try:
        with file.open("rb") as opened:
            kept = json.loads(opened.read(LONGEST_FILE_BYTES))
        if kept["url"] != url or kept["version"] != VERSION:
            return ()
        return tuple(_recalled(entry) for entry in kept["models"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ()


def _recalled(entry: dict[str, Any]) -> Offered:
    lists = {name: tuple(entry[name]) for name in ("thinking", "efforts")}
    price = entry["price"]
    return Offered(**{**entry, **lists, "price": price and Price(**price)})
