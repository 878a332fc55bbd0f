"""Slips in the configuration that are certain: the file with the right words, and what that changes. Pure."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hal0.wire import PlanView, Problem


@dataclass(frozen=True, slots=True)
class Fix:
    """One file with its slips corrected, and what the daemon says of it."""

    file: str
    text: str
    difference: list[str]
    tag: str  # of the files that it is based on
    plan: PlanView


def is_certain(problem: Problem) -> bool:
    return bool(problem.right and problem.line and problem.column)


def corrected(text: str, problems: Iterable[Problem]) -> str:
    """The text with the right word at each place, where the wrong one still stands."""
    lines = text.split("\n")
    for problem in sorted(filter(is_certain, problems), key=lambda each: (each.line, each.column), reverse=True):
        assert problem.line is not None
        assert problem.column is not None
        if problem.line > len(lines):
            continue
        line, at = lines[problem.line - 1], problem.column - 1
        # A mark of UTF-8 is in the text, and in no column.
        at += problem.line == 1 and line.startswith("\ufeff")
        if line[at:].startswith(problem.wrong):
            lines[problem.line - 1] = line[:at] + problem.right + line[at + len(problem.wrong) :]
    return "\n".join(lines)


def difference(before: str, after: str, file: str) -> list[str]:
    """As `diff -u` has it."""
    names = (f"{file} (now)", f"{file} (corrected)")
    return list(difflib.unified_diff(before.splitlines(), after.splitlines(), *names, lineterm="", n=2))


def words(problems: Sequence[Problem]) -> str:
    """What is corrected, in a sentence."""
    return ", ".join(f"{each.wrong} becomes {each.right} in line {each.line}" for each in problems if is_certain(each))
