"""The end of what a backend printed, as far as it is of its last run. Pure."""

import re
from collections.abc import Sequence

OWN_LINE = "--- "  # a line of hal0's own, which begins a run
LONGEST = 300

# What a line that tells of a failure says, whatever program wrote it.
COMPLAINT = re.compile(
    r"\b\w*(?:Error|Exception)\b|\b(?:error|fatal|panic(?:ked)?|failed|cannot|can't|could not|unable|refused|denied"
    r"|no such|not found|invalid|unrecognized|usage|out of memory|aborted|abort)\b",
    re.IGNORECASE,
)
STYLE = re.compile(r"\x1b\[[0-9;]*m")
NEAR_THE_END = 15


def of_last_run(output: Sequence[str]) -> list[str]:
    lines = list(output)
    for index in range(len(lines) - 1, -1, -1):
        if lines[index].startswith(OWN_LINE):
            return lines[index + 1 :]
    return lines


def last_complaint(output: Sequence[str]) -> str | None:
    """The last line near the end that tells of a failure; None if there is none."""
    for line in reversed(of_last_run(output)[-NEAR_THE_END:]):
        plain = STYLE.sub("", line).strip()
        if COMPLAINT.search(plain):
            return cut(plain)
    return None


def cut(text: str) -> str:
    text = text.strip()
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
