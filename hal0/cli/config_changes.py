"""What a configuration did or would do, in words: for `hal0 plan` and after each write."""

import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout

from hal0.cli.connection import Daemon
from hal0.cli.output import Cell, print_answer, say, table
from hal0.cli.problems import print_problem
from hal0.errors import Hal0Error
from hal0.tui.effects import words_for
from hal0.wire import ConfigView, Effect, Problem, SlotEffect

STYLES: dict[Effect, str] = {"keep": "dim", "live": "green", "restart": "yellow", "add": "green", "remove": "yellow"}


def print_effects(effects: Sequence[SlotEffect]) -> None:
    rows = []
    for each in effects:
        detail = Cell(each.problem, "red") if each.problem else Cell("; ".join(each.changes))
        rows.append((each.name, Cell(words_for(each), STYLES[each.effect]), detail))
    table(("SLOT", "EFFECT", "WHY"), rows)


def write_and_show(write: Callable[[], bytes], args: Namespace) -> int:
    """Make a write and tell what it came to, or all that is wrong with it; the command's exit status."""
    try:
        return show_written(write(), args)
    except Hal0Error as error:
        if not args.json and print_problems_of(error):
            raise told(error) from error
        raise


def show_written(body: bytes, args: Namespace) -> int:
    """What a write came to, from the answer to it; the command's exit status."""
    if args.json:
        print_answer(body)
    else:
        _print_written(Daemon.at(args.host).parse(body, ConfigView))
    return 0


def told(error: Hal0Error) -> Hal0Error:
    """A refusal whose problems stand on the screen, which need not be said again."""
    return Hal0Error(error.code, **{**error.details, "first": "told above"})


def print_problems_of(error: Hal0Error) -> list[Problem]:
    """The problems of a configuration that was refused, on stderr as any failure; none for other failures."""
    problems = [Problem.model_validate(each) for each in error.details.get("problems", ())]
    with redirect_stdout(sys.stderr):
        for problem in problems:
            print_problem(problem)
    return problems


def _print_written(view: ConfigView) -> None:
    say(f"revision {view.revision} is {'live' if view.live else 'written'}, {view.path}:")
    for change in view.changes:
        say(f"  {change}")
    touched = [each for each in view.effects if each.effect != "keep" or (each.problem and each.running)]
    if touched:
        print_effects(touched)
    if view.needs_restart:
        say(Cell("waits for a restart of the daemon: ", "yellow"), ", ".join(view.needs_restart))
    if not view.live:
        say(Cell("no daemon runs: ", "yellow"), "it takes effect when one starts")
