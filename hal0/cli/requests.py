"""`hal0 requests`: what is asked of the slots now, and what was asked last."""

import time
from argparse import ArgumentParser, Namespace

from hal0.cli.connection import Daemon
from hal0.cli.options import add_host, add_json
from hal0.cli.output import Cell, print_answer, say, table
from hal0.tui import figures
from hal0.wire import RequestView, Wire

ABOUT = """\
Requests in flight, then the last finished ones, newest first.

Their text is shown in the dashboard (`hal0 tui`); `hal0 cancel ID` ends one that is in flight."""


NAME_CHARACTERS = 32  # of a slot, or of whatever a client asked for instead of one


class RequestList(Wire):
    requests: list[RequestView]


def configure(parser: ArgumentParser) -> None:
    parser.add_argument(
        "-n", "--lines", type=int, default=20, metavar="N", help="at most N finished ones (default: 20)"
    )
    add_json(parser)
    add_host(parser)
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    daemon = Daemon.at(args.host)
    body = daemon.ask("GET", "/api/requests")
    if args.json:
        print_answer(body)
        return 0
    requests = daemon.parse(body, RequestList).requests
    in_flight = [request for request in requests if request.phase != "finished"]
    finished = sorted(
        (request for request in requests if request.phase == "finished"),
        key=lambda request: request.finished_at or request.started_at,
        reverse=True,
    )
    shown = in_flight + finished[: max(0, args.lines)]
    if shown:
        print_requests(shown, now=time.time())
    else:
        say("no requests yet")
    return 0


def print_requests(requests: list[RequestView], *, now: float) -> None:
    headers = (
        "ID",
        "AT",
        "SLOT",
        "PATH",
        "CLASS",
        "PHASE",
        "TOOK",
        "TOKENS",
        "TOK/S",
        "TTFT",
        "COST",
        "FROM",
        "KEY",
        "NOTE",
    )
    rows = (
        (
            request.id,
            figures.clock(request.started_at),
            Cell(_name(request.slot or request.asked), "bold"),
            request.path.removeprefix("/v1/"),
            Cell("background" if request.background else "", "dim"),
            _phase(request),
            figures.milliseconds(max(0.0, (request.finished_at or now) - request.started_at) * 1000),
            figures.count(request.tokens),
            figures.rate(request.tokens_per_second),
            figures.milliseconds(request.ttft_ms),
            "" if request.cost is None else figures.dollars(request.cost),
            request.client,
            request.key,
            Cell(request.error.code, "red") if request.error else "",
        )
        for request in requests
    )
    table(headers, rows, right=frozenset({"TOOK", "TOKENS", "TOK/S", "TTFT", "COST"}), whole=frozenset({"ID"}))


def _name(text: str) -> str:
    """One short word of what may be anything: clients choose what they ask for."""
    line = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[:NAME_CHARACTERS])
    return line if len(text) <= NAME_CHARACTERS else f"{line[:-1]}…"


def _phase(request: RequestView) -> Cell:
    if request.phase != "finished":
        return Cell(request.doing or request.phase, "cyan")
    outcome = request.outcome or "finished"
    return Cell(outcome, {"ok": "green", "failed": "red"}.get(outcome, "yellow"))
