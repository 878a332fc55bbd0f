"""`hal0 config history | diff | rollback`: the revisions that ran, what was between them, and the way back."""

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from hal0.cli.config_changes import write_and_show
from hal0.cli.configuration import Configuration
from hal0.cli.output import Cell, print_answer, say, table
from hal0.wire import Revision, Wire

Add = Callable[[str, str, Callable[[Namespace], int]], ArgumentParser]

STYLES = {"+": "green", "-": "red", "@": "cyan"}


class Revisions(Wire):
    revisions: list[Revision]
    running: int | None = None  # 0: no daemon runs


class Difference(Wire):
    lines: list[str]


def configure(add: Add) -> None:
    add("history", "the last 50 revisions: when, by whom, why, and what each changed", run_history)
    diff = add("diff", "what differs between two revisions, or between one and the files on disk", run_diff)
    diff.add_argument("first", nargs="?", type=int, metavar="A", help="default: the revision that runs, or ran last")
    diff.add_argument("second", nargs="?", type=int, metavar="B", help="default: the files on disk")
    rollback = add("rollback", "write an earlier revision again, with its comments; that makes a new one", run_rollback)
    rollback.add_argument("revision", type=int, metavar="REVISION")
    rollback.add_argument("--why", default="", metavar="TEXT", help="said in the history")


def run_history(args: Namespace) -> int:
    configuration = Configuration(args.host)
    body = configuration.history()
    if args.json:
        print_answer(body)
        return 0
    history = configuration.parse(body, Revisions)
    if not history.revisions:
        say("no revisions yet")
        return 0
    table(
        ("REVISION", "WHEN", "BY", "WHY", "CHANGES"),
        [
            (
                Cell(f"{each.revision}", "bold" if each.revision == history.running else ""),
                time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(each.at)),
                each.by,
                each.why,
                "; ".join(each.changes),
            )
            for each in history.revisions
        ],
        right=frozenset({"REVISION"}),
    )
    if history.running == 0:
        say(Cell("no daemon runs", "yellow"))
    return 0


def run_diff(args: Namespace) -> int:
    configuration = Configuration(args.host)
    body = configuration.difference(args.first, args.second)
    if args.json:
        print_answer(body)
        return 0
    lines = configuration.parse(body, Difference).lines
    if not lines:
        say("no difference")
    for line in lines:
        say(Cell(line, STYLES.get(line[:1], "")))
    return 0


def run_rollback(args: Namespace) -> int:
    return write_and_show(lambda: Configuration(args.host).roll_back(args.revision, why=args.why), args)
