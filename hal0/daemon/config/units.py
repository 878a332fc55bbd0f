"""Durations and sizes as people write them: numbers, or "30s", "1h30m", "64MiB".

Pure. Both raise ValueError for what they do not understand; pydantic turns that into a problem at its place.
"""

import re

SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3_600, "d": 86_400}
BYTES = {
    "B": 1,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
}

_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,9})?"
_DURATION = re.compile(rf"({_NUMBER})\s*(ms|s|m|h|d)\s*")
_SIZE = re.compile(rf"({_NUMBER})\s*([A-Za-z]+)")
_BYTES_ANY_CASE = {unit.lower(): factor for unit, factor in BYTES.items()}


def parse_seconds(value: object) -> object:
    """Seconds from "30s", "5m", "2h", "1h30m"; what is not text is left to the type that follows."""
    if not isinstance(value, str):
        return value
    total, end, smallest = 0.0, 0, float("inf")
    for part in _DURATION.finditer(value.strip()):
        factor = SECONDS[part[2]]
        if part.start() != end or factor >= smallest:  # a gap, or "30s5m": more likely a mistake than meant
            raise ValueError("not a duration")
        total, end, smallest = total + float(part[1]) * factor, part.end(), factor
    if end == 0 or end != len(value.strip()):
        raise ValueError("not a duration")
    return total


def parse_bytes(value: object) -> object:
    """Bytes from "64MiB", "8GiB", "10MB"; what is not text is left to the type that follows."""
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip())
    factor = _BYTES_ANY_CASE.get(match[2].lower()) if match else None
    if match is None or factor is None:
        raise ValueError("not a size")
    size = float(match[1]) * factor if "." in match[1] else int(match[1]) * factor
    return round(size)


def show_seconds(seconds: float) -> str:
    """The shortest way to write a duration: 90 → "90s", 300 → "5m"."""
    for unit in ("d", "h", "m"):
        if seconds and seconds % SECONDS[unit] == 0:
            return f"{seconds / SECONDS[unit]:g}{unit}"
    return f"{seconds:g}s"


def show_bytes(size: int) -> str:
    """The shortest way to write a size: 67108864 → "64MiB"."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size and size % BYTES[unit] == 0:
            return f"{size // BYTES[unit]}{unit}"
    return f"{size}B"
