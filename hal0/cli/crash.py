"""`hal0 crash`: what was known when a backend failed."""

import time
from argparse import ArgumentParser, Namespace

from hal0.cli.connection import Daemon, part
from hal0.cli.options import Help, add_host, add_json, sentence
from hal0.cli.output import Cell, clean, facts, print_answer, say, table
from hal0.tui import figures
from hal0.wire import CrashBundle, Wire

ABOUT = """\
Crash bundles: command line, exit status, memory, requests in flight and the last lines of output of each failed
backend. The last 50 are kept, in the daemon's state folder. An error that a client got names its bundle in
`details.crash`."""
LIST = "the bundles that are kept, newest first"
SHOW = "one bundle whole"
ALONE = "list"


class Bundles(Wire):
    crashes: list[CrashBundle]


def configure(parser: ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = verbs.add_parser("list", help=LIST, description=sentence(LIST), formatter_class=Help)
    listing.set_defaults(run=list_crashes)
    showing = verbs.add_parser("show", help=SHOW, description=sentence(SHOW), formatter_class=Help)
    showing.add_argument("id", metavar="ID")
    showing.set_defaults(run=show_crash)
    for each in (listing, showing):
        add_json(each)
        add_host(each)


def list_crashes(args: Namespace) -> int:
    daemon = Daemon.at(args.host)
    body = daemon.ask("GET", "/api/crashes")
    if args.json:
        print_answer(body)
        return 0
    bundles = daemon.parse(body, Bundles).crashes
    if not bundles:
        say("no backend has failed")
        return 0
    rows = [(bundle.id, Cell(bundle.slot, "bold"), bundle.error.code, bundle.error.message) for bundle in bundles]
    table(("ID", "SLOT", "ERROR", "MESSAGE"), rows)
    return 0


def show_crash(args: Namespace) -> int:
    from hal0.daemon.slots.process import describe_exit

    daemon = Daemon.at(args.host)
    body = daemon.ask("GET", f"/api/crashes/{part(args.id)}")
    if args.json:
        print_answer(body)
        return 0
    bundle = daemon.parse(body, CrashBundle)
    say(Cell(bundle.error.code, "red"), f"  {bundle.error.message}")
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(bundle.at))
    memory = " ".join(figures.size(value) for value in bundle.memory_bytes[-10:])
    has_died = "exit" in bundle.error.details  # else hal0 ended it: it hung, or answered wrongly
    known = {
        "slot": f"{bundle.slot}, run {bundle.run}, configuration r{bundle.revision}",
        "when": f"{when}, {bundle.state} for {figures.span(bundle.ran_seconds)} since its start",
        "exit": describe_exit(bundle.exit, out_of_memory=bundle.out_of_memory) if has_died else "not by itself",
        "memory": memory or "not looked at yet",
        "requests": " ".join(bundle.requests) or "none in flight",
        "command": " ".join(bundle.argv),
    }
    facts(known.items())
    say("")
    for line in bundle.output:
        print(clean(line))
    return 0
