"""`hal0 why`: what happened to a slot and what caused it."""

import time
from argparse import ArgumentParser, Namespace

from hal0.cli.connection import Daemon, part
from hal0.cli.options import add_host, add_json
from hal0.cli.output import Cell, print_answer, say, table
from hal0.wire import LedgerEntry, Wire

ABOUT = """\
The ledger of a slot: each start, stop, failure and edit, oldest first, with who or what caused it.

It is kept on disk and goes back over restarts of the daemon. REQUEST is the id of the request that started the slot;
CRASH is the id of a bundle that `hal0 crash show ID` prints."""


class Entries(Wire):
    entries: list[LedgerEntry]


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("slot", metavar="SLOT")
    parser.add_argument("-n", "--lines", type=int, default=30, metavar="N", help="the last N entries (default: 30)")
    add_json(parser)
    add_host(parser)
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    daemon = Daemon.at(args.host)
    body = daemon.ask("GET", f"/api/slots/{part(args.slot)}/why")
    if args.json:
        print_answer(body)
        return 0
    entries = daemon.parse(body, Entries).entries
    if not entries:
        say(f"nothing has happened to {args.slot} yet")
        return 0
    shown = entries[-max(1, args.lines) :]
    rows = [
        (
            time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(entry.at)),
            Cell(entry.state, "red" if entry.state == "error" else "bold"),
            str(entry.run),
            f"r{entry.revision}",
            Cell(entry.error, "red"),
            entry.request,
            entry.crash,
            entry.cause,
        )
        for entry in shown
    ]
    table(("AT", "STATE", "RUN", "CONFIG", "ERROR", "REQUEST", "CRASH", "CAUSE"), rows)
    return 0
