"""A problem of a configuration file, shown as compilers show theirs."""

from collections.abc import Sequence

from hal0.cli.output import Cell, say
from hal0.wire import Problem


def print_problem(problem: Problem, style: str = "red") -> None:
    """Place and message, the line itself, a caret under the fault, and what would be right."""
    say(Cell(place_of(problem), "bold"), " ", Cell(problem.code, style), f" {problem.message}")
    if problem.source:
        say(f"    {problem.source}")
        if problem.column is not None:
            # Tabs stay tabs, so that the caret stands under its character whatever their width.
            lead = "".join("\t" if char == "\t" else " " for char in problem.source[: problem.column - 1])
            say(f"    {lead}", Cell("^", style))
    if problem.hint:
        say(Cell("    → ", "dim"), problem.hint)


def print_warnings(warnings: Sequence[Problem]) -> None:
    """What does not keep a configuration from being taken over."""
    for warning in warnings:
        print_problem(warning, "yellow")


def many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def place_of(problem: Problem) -> str:
    """`file:line:column:`, as compilers write it."""
    numbers = [str(number) for number in (problem.line, problem.column) if number is not None]
    return ":".join([problem.file, *numbers]) + ":"
