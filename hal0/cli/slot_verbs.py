"""`hal0 slot load | unload | restart`: ask for it, then wait until it is so, for one slot or for several.

Several are asked first and awaited then, so that they start side by side. One that fails ends nothing for the others.
"""

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence

from hal0.cli.connection import Daemon, part
from hal0.cli.model_fit import print_fit
from hal0.cli.output import Cell, Progress, print_json, report, say
from hal0.cli.slot_words import Slots, state_cell
from hal0.cli.waiting import await_outcome
from hal0.errors import Hal0Error
from hal0.tui import figures
from hal0.wire import Accepted, FitView, SlotView

VERBS = {
    "load": "start the slot's backend and wait until it is ready",
    "unload": "let its requests finish, then stop its backend",
    "restart": "let its requests finish, stop its backend and start it anew",
}
ALL_OF = {
    "load": "every slot",
    "unload": "every slot that runs",
    "restart": "every slot that is not offline",
}
DRAIN = (
    "how long its requests may go on: as long as they take, for the slot's drain_timeout (the default), or not at all; "
    "said again while it drains, the sharper word holds"
)


def configure(parser: ArgumentParser, verb: str) -> None:
    parser.set_defaults(verb=verb, usage_error=parser.error)
    parser.add_argument("names", metavar="SLOT", nargs="*", help="one or several")
    parser.add_argument("--all", action="store_true", help=ALL_OF[verb])
    add_waiting(parser)
    if verb == "load":
        parser.add_argument(
            "--dry-run", action="store_true", help="start nothing; tell whether it fits and who would go"
        )
    else:
        add_drain(parser)


def add_waiting(parser: ArgumentParser) -> None:
    parser.add_argument("--no-wait", action="store_true", help="end as soon as the daemon has accepted it")


def add_drain(parser: ArgumentParser) -> None:
    parser.add_argument("--drain", choices=("wait", "grace", "now"), default="grace", help=DRAIN)


def act(args: Namespace) -> int:
    """The exit status: 1 if any of them failed."""
    if args.all == bool(args.names):
        args.usage_error("--all is every slot: name none" if args.all else "name at least one slot, or --all")
    daemon = Daemon.at(args.host)
    if args.verb == "load" and args.dry_run:
        return _preview(daemon, args)
    slots = _all(daemon, args.verb) if args.all else [daemon.get(_path(name), SlotView) for name in args.names]
    progress, ended, failures = Progress(), [], 0
    asked: list[tuple[SlotView, float]] = []
    for before in slots:
        try:
            accepted = _ask(daemon, before.name, args)
        except Hal0Error as error:
            failures += _failed(error, args, only=len(slots) == 1)
            continue
        asked.append((before, time.monotonic()))
        if args.no_wait:
            ended.append(accepted.model_dump())
            if not args.json:
                say(f"{before.name}: {args.verb} accepted")
    for before, begun in [] if args.no_wait else asked:
        try:
            slot = await_outcome(daemon, args.verb, before, lambda slot, since=begun: show(progress, slot, since))  # type: ignore[misc]
        except Hal0Error as error:
            failures += _failed(error, args, only=len(slots) == 1)
            continue
        finally:
            progress.clear()
        ended.append(slot.model_dump(mode="json"))
        if not args.json:
            say(Cell(slot.name, "bold"), ": ", state_cell(slot), _ending(args.verb, before, slot, begun))
    if args.json:
        print_json(ended[0] if len(args.names) == 1 else {"slots": ended})
    elif not slots:
        say(f"{args.verb}: there is no such slot now")
    return 1 if failures else 0


def _preview(daemon: Daemon, args: Namespace) -> int:
    """The exit status: 1 if one of them cannot fit. Each is judged as if it were the only one to start."""
    slots = daemon.get("/api/slots", Slots).slots if args.all else [daemon.get(_path(n), SlotView) for n in args.names]
    fits = {slot.name: daemon.get(f"{_path(slot.name)}/fit", FitView) for slot in slots}
    if args.json:
        told = {name: fit.model_dump(mode="json") for name, fit in fits.items()}
        print_json(told[slots[0].name] if len(args.names) == 1 else {"slots": told})
    else:
        for slot in slots:
            if slot.pid is not None:
                say(Cell(slot.name, "bold"), ": ", state_cell(slot), " already, nothing would be started")
            else:
                say(Cell(slot.name, "bold"))
                print_fit(fits[slot.name])
    return 1 if any(fit.verdict == "impossible" for fit in fits.values()) else 0


def show(progress: Progress, slot: SlotView, since: float, *, doing: str = "") -> None:
    """How far a slot is, while somebody waits for it; `since` on the monotonic clock."""
    done = f" {slot.progress:.0%}" if slot.progress is not None else ""
    busy = f", {slot.in_flight} in flight" if slot.in_flight else ""
    remark = f", {slot.remark}" if slot.remark else ""
    took = figures.stopwatch(time.monotonic() - since)
    progress.show(f"{slot.name}  {doing}{'  ' if doing else ''}{slot.state}{done}{busy}{remark}  {took}")


def _all(daemon: Daemon, verb: str) -> Sequence[SlotView]:
    slots = daemon.get("/api/slots", Slots).slots
    return [slot for slot in slots if verb == "load" or slot.state != "offline"]


def _ask(daemon: Daemon, name: str, args: Namespace) -> Accepted:
    path = f"{_path(name)}/{args.verb}"
    if args.verb == "load":
        return daemon.post(path, Accepted)
    return daemon.parse(daemon.send("POST", path, {"drain": args.drain}), Accepted)


def _ending(verb: str, before: SlotView, slot: SlotView, begun: float) -> str:
    if (verb == "load" and before.is_up and slot.run == before.run) or (verb == "unload" and before.state == "offline"):
        return " already"
    return f" after {time.monotonic() - begun:.1f} s"


def _failed(error: Hal0Error, args: Namespace, *, only: bool) -> int:
    """Tell of one slot's failure and go on; that of the only slot is the command's own."""
    if only:
        raise error
    report(error, as_json=args.json)
    return 1


def _path(name: str) -> str:
    return f"/api/slots/{part(name)}"
