"""`hal0 slot`: look at slots, start and stop them, read what their backends print."""

import json
import math
import sys
import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable

from hal0.cli import slot_swap, slot_tables, slot_verbs
from hal0.cli.connection import Daemon, part
from hal0.cli.options import Help, add_host, add_json, sentence
from hal0.cli.output import (
    Cell,
    clean,
    facts,
    heading,
    print_answer,
    print_json,
    say,
    table,
)
from hal0.cli.slot_words import STATES, Slots, next_try, state_cell
from hal0.errors import Hal0Error
from hal0.tui import figures, slot_facts
from hal0.wire import CommandView, LogLines, SlotView

ABOUT = """\
A slot is one named model with its backend process.

create, edit and delete work without a daemon too; what they write takes effect when one starts."""
ALONE = "list"


def configure(parser: ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, summary: str, run: Callable[[Namespace], int], *, named: bool = True) -> ArgumentParser:
        sub = commands.add_parser(name, help=summary, description=sentence(summary), formatter_class=Help)
        if named:
            sub.add_argument("name", metavar="SLOT")
        add_json(sub)
        add_host(sub)
        sub.set_defaults(run=run)
        return sub

    add("list", "list the slots and their states", list_slots, named=False)
    add("show", "everything about one slot, its command line and its last failure", show_slot)
    add("command", "print the command line of a slot's backend, as a shell takes it", show_command)
    for verb, summary in slot_verbs.VERBS.items():
        slot_verbs.configure(add(verb, summary, slot_verbs.act, named=False), verb)
    slot_swap.configure_swap(add("swap", slot_swap.SWAP, slot_swap.run_swap))
    for verb, summary in (
        ("pin", "never unload the slot to make room for others"),
        ("unpin", "let the slot make room for others again"),
    ):
        add(verb, summary, slot_swap.run_pin).set_defaults(pinned=verb == "pin")
    create = add("create", "add a slot to hal0.toml", slot_tables.run_create)
    create.add_argument("model", nargs="?", metavar="MODEL", help="the model it serves, by its name in the registry")
    edit = add("edit", "change keys of a slot in hal0.toml", slot_tables.run_edit)
    edit.add_argument("--unset", action="append", default=[], metavar="KEY", help="take a key out; may be repeated")
    for sub in (create, edit):
        sub.set_defaults(usage_error=sub.error)
        sub.add_argument("keys", nargs="*", metavar="KEY=VALUE", help="such as context=8192 unload_after=30m gpus=[0]")
    add("delete", "take a slot out of hal0.toml; it ends when its requests are done", slot_tables.run_delete)
    logs = add("logs", "print what the slot's backend has printed", show_logs)
    logs.add_argument(
        "-n", "--lines", type=int, metavar="N", help="how many lines back (default: 200, or all there are with --since)"
    )
    logs.add_argument("--since", type=_seconds, metavar="TIME", help="only what came in this time, such as 10m or 2h")
    logs.add_argument("-f", "--follow", action="store_true", help="go on with what it prints, until Ctrl-C")


def list_slots(args: Namespace) -> int:
    daemon = Daemon.at(args.host)
    body = daemon.ask("GET", "/api/slots")
    if args.json:
        print_answer(body)
    else:
        print_slots(daemon.parse(body, Slots).slots)
    return 0


def print_slots(slots: list[SlotView]) -> None:
    """The table that `slot list` and `status` share; its words are the dashboard's."""
    if not slots:
        say("no slots")
        return
    headers = ("", "SLOT", "STATE", "KIND", "MODEL", "DEV", "MEM", "TOK/S", "TTFT", "REQ", "NOTE")
    rows = (
        (
            Cell(*STATES[slot.state]),
            Cell(slot.name, "bold"),
            state_cell(slot),
            slot.use,
            slot.model,
            slot.device if slot.device != "cpu" else "",
            figures.size(slot.memory_bytes),
            figures.rate(slot.tokens_per_second),
            figures.milliseconds(slot.ttft_ms),
            f"{slot.in_flight}+{slot.waiting}" if slot.waiting else str(slot.in_flight),
            _note(slot),
        )
        for slot in slots
    )
    table(headers, rows, right=frozenset({"MEM", "TOK/S", "TTFT", "REQ"}))


def show_slot(args: Namespace) -> int:
    daemon = Daemon.at(args.host)
    path = f"/api/slots/{part(args.name)}"
    body = daemon.ask("GET", path)
    try:
        command_body = daemon.ask("GET", f"{path}/command")
    except Hal0Error as error:  # its model or its engine is not there; the rest is worth showing all the more
        command_body = error.body()
    if args.json:
        print_json({**json.loads(body), "command": json.loads(command_body)})
        return 0
    slot = daemon.parse(body, SlotView)
    say(
        Cell(*STATES[slot.state]),
        " ",
        Cell(slot.name, "bold"),
        "  ",
        state_cell(slot),
        f"  {slot_facts.lasting(slot, time.time())}",
    )
    facts(slot_facts.facts(slot, time.time()))
    if slot.error:
        heading("last failure")
        say(Cell(slot.error.code, "red"), f"  {slot.error.message}")
        say(Cell(next_try(slot), "dim"))
        for line in slot.log_tail:
            say(f"  {line}")
    heading("command line")
    if failure := Hal0Error.from_envelope(json.loads(command_body)):
        say(Cell(failure.code, "red"), f"  {failure.message}")
        say(Cell(failure.remedy, "dim"))
    else:
        _print_command(daemon.parse(command_body, CommandView))
    return 0


def show_command(args: Namespace) -> int:
    """One line that a shell takes, and nothing else, so that it can be copied or piped."""
    daemon = Daemon.at(args.host)
    body = daemon.ask("GET", f"/api/slots/{part(args.name)}/command")
    if args.json:
        print_answer(body)
    else:
        say(slot_facts.shell_line(daemon.parse(body, CommandView)))
    return 0


def _print_command(command: CommandView) -> None:
    say(slot_facts.shell_line(command))
    if command.cwd:
        say(Cell(f"in the folder {command.cwd}", "dim"))
    if command.key == "":
        say(Cell("it takes no key: any program of this machine can ask it", "yellow"))
    heading("where it comes from")
    table(("WORDS", "FROM"), slot_facts.origins(command))


def show_logs(args: Namespace) -> int:
    daemon = Daemon.at(args.host)
    asked = {"lines": None if args.lines is None else max(0, args.lines), "seconds": args.since}
    if args.follow:
        asked["follow"] = 1
    query = "&".join(f"{name}={value}" for name, value in asked.items() if value is not None)
    path = f"/api/slots/{part(args.name)}/logs" + (f"?{query}" if query else "")
    if not args.follow:
        body = daemon.ask("GET", path)
        if args.json:
            print_answer(body)
        else:
            _print_lines(daemon.parse(body, LogLines))
        return 0
    for data in daemon.follow(path):
        if args.json:
            print(data.decode(), flush=True)
        else:
            _print_lines(daemon.parse(data, LogLines))
    return 0


def _seconds(text: str) -> int:
    """Whole seconds of a time as the configuration has them."""
    from hal0.daemon.config.units import parse_seconds

    try:
        seconds = parse_seconds(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no time such as 90s, 10m or 1h30m") from None
    assert isinstance(seconds, float)
    return math.ceil(seconds)


def _print_lines(log: LogLines) -> None:
    for line in log.lines:
        print(clean(line))
    sys.stdout.flush()


def _note(slot: SlotView) -> Cell:
    if slot.remark:
        return Cell(slot.remark, "yellow")
    if slot.state == "error" and slot.error:
        return Cell(f"{slot.error.code} ×{max(1, slot.failures)}, {next_try(slot)}", "red")
    if slot.state == "idle" and slot.unload_at:
        return Cell(f"unload in {figures.span(slot.unload_at - time.time())}", "dim")
    if slot.waiting:
        return Cell(f"{slot.waiting} waiting", "yellow")
    return Cell("pinned" if slot.pinned else "", "dim")
