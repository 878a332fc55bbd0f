"""What stands on a command line. Pure."""

from collections.abc import Iterable, Sequence


def last_value(words: Sequence[str], names: Iterable[str]) -> str | None:
    """What follows the last of these words, or stands behind its `=`; None: it is not there."""
    known = set(names)
    found = None
    for index, word in enumerate(words):
        name, is_joined, value = word.partition("=")
        if name.replace("_", "-") in known:  # llama.cpp and vLLM take both spellings
            found = value if is_joined else words[index + 1] if index + 1 < len(words) else None
    return found


def last_count(words: Sequence[str], names: Iterable[str]) -> int | None:
    """The same as a number above 0; None also if it is none."""
    value = last_value(words, names)
    return int(value) if value is not None and value.isdecimal() and int(value) > 0 else None
