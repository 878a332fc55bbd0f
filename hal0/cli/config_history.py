"""`hal0 config history | diff | rollback`: the revisions that ran, what was between them, and the way back."""

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from hal0.cli.config_changes import print_written
from hal0.cli.connection import Daemon
from hal0.cli.output import Cell, print_answer, say, table
from hal0.cli.person import person
from hal0.wire import ConfigView, Revision, Wire

Add = Callable[[str, str, Callable[[Namespace], int]], ArgumentParser]

STYLES = {"+": "green", "-": "red", "@": "cyan"}


class Revisions(Wire):
    revisions: list[Revision]


class Difference(Wire):
    lines: list[str]


def configure(add: Add) -> None:
    add("history", "the last 50 revisions: when, by whom, why, and what each changed", run_history)
    diff = add("diff", "what differs between two revisions, or between one and the files on disk", run_diff)
    diff.add_argument("first", nargs="?", type=int, metavar="A", help="default: the revision that runs")
    diff.add_argument("second", nargs="?", type=int, metavar="B", help="default: the files on disk")
    rollback = add("rollback", "write an earlier revision again, with its comments; that makes a new one", run_rollback)
    rollback.add_argument("revision", type=int, metavar="REVISION")
    rollback.add_argument("--why", default="", metavar="TEXT", help="said in the history")


def run_history(args: Namespace) -> int:
    daemon = Daemon.at(args.host)
    body = daemon.ask("GET", "/api/config/history")
    if args.json:
        print_answer(body)
        return 0
    revisions = daemon.parse(body, Revisions).revisions
    running = daemon.get("/api/config", ConfigView).revision
    table(
        ("REVISION", "WHEN", "BY", "WHY", "CHANGES"),
        [
            (
                Cell(f"{each.revision}", "bold" if each.revision == running else ""),
                time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(each.at)),
                each.by,
                each.why,
                "; ".join(each.changes),
            )
            for each in revisions
        ],
        right=frozenset({"REVISION"}),
    )
    return 0


def run_diff(args: Namespace) -> int:
    daemon = Daemon.at(args.host)
    wanted = {"from": args.first, "to": args.second}
    query = "&".join(f"{name}={value}" for name, value in wanted.items() if value is not None)
    body = daemon.ask("GET", f"/api/config/diff?{query}")
    if args.json:
        print_answer(body)
        return 0
    lines = daemon.parse(body, Difference).lines
    if not lines:
        say("no difference")
    for line in lines:
        say(Cell(line, STYLES.get(line[:1], "")))
    return 0


def run_rollback(args: Namespace) -> int:
    daemon = Daemon.at(args.host)
    tag = daemon.get("/api/config", ConfigView).tag
    value = {"revision": args.revision, "by": person(), "why": args.why}
    body = daemon.send("POST", "/api/config/rollback", value, headers={"If-Match": f'"{tag}"'})
    if args.json:
        print_answer(body)
    else:
        print_written(daemon.parse(body, ConfigView))
    return 0
