"""`hal0 status`: what the dashboard's home screen says, once, on one screen."""

from argparse import ArgumentParser, Namespace

from hal0.cli.config import print_config
from hal0.cli.connection import Daemon
from hal0.cli.devices import print_devices
from hal0.cli.model_progress import print_pulls
from hal0.cli.options import add_host, add_json
from hal0.cli.output import Cell, heading, print_answer, say, table
from hal0.cli.requests import print_requests
from hal0.cli.slot import print_slots
from hal0.tui import figures
from hal0.wire import ErrorRecord, State

ABOUT = "The daemon, its configuration, slots, requests in flight and recent errors, on one screen."
ERRORS_SHOWN = 5


def configure(parser: ArgumentParser) -> None:
    add_json(parser)
    add_host(parser)
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    daemon = Daemon.at(args.host)
    body = daemon.ask("GET", "/api/state")
    if args.json:
        print_answer(body)
    else:
        _print_state(daemon.parse(body, State))
    return 0


def _print_state(state: State) -> None:
    up = figures.span(state.now - state.started_at)
    say(
        Cell("hal0 ", "bold"),
        f"{state.version} on {state.host}, pid {state.pid}, up {up}  ",
        Cell(" ".join(state.listen), "cyan"),
    )
    if state.draining:
        say(Cell("stopping: ", "yellow"), "requests in flight may finish, new ones are refused")
    if state.keeps_backends:
        say(Cell("backends go on when the daemon ends; the next one takes them back", "dim"))
    print_config(state.config)
    for warning in state.warnings:
        say(Cell("warning: ", "yellow"), warning)
    print_devices(state.devices)
    heading(f"slots {len(state.slots)}")
    print_slots(state.slots)
    if state.pulls:
        heading(f"models on their way {len(state.pulls)}")
        print_pulls(state.pulls)
    in_flight = [request for request in state.requests if request.phase != "finished"]
    heading(f"requests in flight {len(in_flight)}")
    if in_flight:
        print_requests(in_flight, now=state.now)
    totals = state.totals
    say(Cell(f"since start: {totals.requests} requests, {totals.failed} failed, {totals.tokens} tokens", "dim"))
    if state.errors:
        _print_errors(state.errors)


def _print_errors(errors: list[ErrorRecord]) -> None:
    newest = sorted(errors, key=lambda record: record.last_at, reverse=True)
    heading(f"errors {len(errors)}")
    rows = (
        (
            figures.clock(record.last_at),
            f"×{record.count}",
            Cell(record.error.code, "red"),
            record.slot,
            record.error.message,
        )
        for record in newest[:ERRORS_SHOWN]
    )
    table(("LAST", "N", "CODE", "SLOT", "MESSAGE"), rows)
    say(Cell("`hal0 explain CODE` tells the cause and what to do", "dim"))
