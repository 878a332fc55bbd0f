"""How the kernel's small files are read.

One that is missing, unreadable or strange, or that vanishes meanwhile, is None: it costs its value, never the look.
"""

from pathlib import Path

LONGEST_NUMBER = 20  # digits of 2**64, or a sign and those of 2**63


def read_text(file: Path) -> str | None:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return None


def read_number(file: Path) -> int | None:
    text = read_text(file)
    return None if text is None else as_number(text)


def read_amount(file: Path) -> int | None:
    """A number that cannot be negative; where it is, a driver says that it failed."""
    number = read_number(file)
    return number if number is not None and number >= 0 else None


def as_number(text: str) -> int | None:
    """A number as drivers write it: decimal digits, no longer than 64 bits."""
    if len(text) > LONGEST_NUMBER or not text.isascii() or not text.removeprefix("-").isdecimal():
        return None
    return int(text)


def read_lines(file: Path) -> list[str]:
    """Its lines; none if it cannot be read."""
    return (read_text(file) or "").splitlines()


def find(folder: Path, pattern: str) -> list[Path]:
    """The files that match, in order; none if the folder cannot be looked through."""
    try:
        return sorted(folder.glob(pattern))
    except OSError:
        return []


def parse_fields(text: str, separator: str) -> dict[str, str]:
    """Lines of a name and a value."""
    pairs = (line.partition(separator) for line in text.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs}
