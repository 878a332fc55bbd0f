"""What a configuration did or would do, in words: for `hal0 plan` and after each write."""

from argparse import Namespace
from collections.abc import Sequence

from hal0.cli.connection import Daemon
from hal0.cli.output import Cell, print_answer, say, table
from hal0.tui.effects import words_for
from hal0.wire import ConfigView, Effect, SlotEffect

STYLES: dict[Effect, str] = {"keep": "dim", "live": "green", "restart": "yellow", "add": "green", "remove": "yellow"}


def print_effects(effects: Sequence[SlotEffect]) -> None:
    rows = []
    for each in effects:
        detail = Cell(each.problem, "red") if each.problem else Cell("; ".join(each.changes))
        rows.append((each.name, Cell(words_for(each), STYLES[each.effect]), detail))
    table(("SLOT", "EFFECT", "WHY"), rows)


def show_written(body: bytes, args: Namespace) -> int:
    """What a write came to, from the answer to it; the command's exit status."""
    if args.json:
        print_answer(body)
    else:
        _print_written(Daemon.at(args.host).parse(body, ConfigView))
    return 0


def _print_written(view: ConfigView) -> None:
    say(f"revision {view.revision} is {'live' if view.live else 'written'}, {view.path}:")
    for change in view.changes:
        say(f"  {change}")
    touched = [each for each in view.effects if each.effect != "keep" or each.problem]
    if touched:
        print_effects(touched)
    if view.needs_restart:
        say(Cell("waits for a restart of the daemon: ", "yellow"), ", ".join(view.needs_restart))
    if not view.live:
        say(Cell("no daemon runs: ", "yellow"), "it takes effect when one starts")
