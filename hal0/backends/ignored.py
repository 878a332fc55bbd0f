"""Fields of a request that have no effect are named in a header of its answer. No I/O here.

Clients send some of them by habit, so they are no reason to refuse; but nobody shall believe that they were heeded.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

HEADER = b"x-hal0-ignored"
LONGEST_HEADER = 1000
# Said with these, a field leaves the choice to whoever answers.
NOTHING_ASKED = (None, "", "auto")


def without_effect(body: Mapping[str, Any], *, heeded: Collection[str]) -> tuple[str, ...]:
    """The names in a JSON body that ask for something and are not heeded, in the order of the alphabet."""
    return tuple(sorted(name for name, value in body.items() if name not in heeded and value not in NOTHING_ASKED))


def ignored_header(names: Iterable[str]) -> list[tuple[bytes, bytes]]:
    """The header that names them; none if there is nothing to say."""
    told = ", ".join(name for name in names if name.isprintable()).encode("ascii", "backslashreplace")
    told = told[:LONGEST_HEADER].strip()  # with a space at an end it would be no header
    return [(HEADER, told)] if told else []
