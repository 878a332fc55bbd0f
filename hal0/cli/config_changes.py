"""What a configuration did or would do, in words: for `hal0 plan` and after each write."""

from collections.abc import Sequence

from hal0.cli.output import Cell, say, table
from hal0.tui.effects import words_for
from hal0.wire import ConfigView, Effect, SlotEffect

STYLES: dict[Effect, str] = {"keep": "dim", "live": "green", "restart": "yellow", "add": "green", "remove": "yellow"}


def print_effects(effects: Sequence[SlotEffect]) -> None:
    rows = []
    for each in effects:
        detail = Cell(each.problem, "red") if each.problem else Cell("; ".join(each.changes))
        rows.append((each.name, Cell(words_for(each), STYLES[each.effect]), detail))
    table(("SLOT", "EFFECT", "WHY"), rows)


def print_written(view: ConfigView) -> None:
    """What a write came to."""
    say(f"revision {view.revision} is live, {view.path}:")
    for change in view.changes:
        say(f"  {change}")
    touched = [each for each in view.effects if each.effect != "keep" or each.problem]
    if touched:
        print_effects(touched)
    if view.needs_restart:
        say(Cell("waits for a restart of the daemon: ", "yellow"), ", ".join(view.needs_restart))
