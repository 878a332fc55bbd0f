"""`hal0 slot swap | pin | unpin`: edits of hal0.toml that have words of their own."""

import time
from argparse import ArgumentParser, Namespace

from hal0.cli.config_changes import show_written
from hal0.cli.configuration import Configuration
from hal0.cli.connection import Daemon, part
from hal0.cli.options import sentence
from hal0.cli.output import Cell, Progress, print_json, say
from hal0.cli.slot_verbs import add_drain, add_waiting, show
from hal0.cli.waiting import POLL_SECONDS
from hal0.errors import CATALOGUE, Hal0Error
from hal0.person import person
from hal0.wire import Accepted, ErrorView, SlotView, SwapView

SWAP = "give the slot another model; if that one does not become ready, the old one is brought back"
SWAP_MORE = """
What is done: the model is looked at (does it exist, is it of the slot's kind, does it fit once the old one is gone),
`model` of the slot is changed in hal0.toml, its requests may finish, then its backend is started anew.

The exit status is 0 once the new model is ready, and 1 if it is not."""


def configure_swap(parser: ArgumentParser) -> None:
    parser.description = f"{sentence(SWAP)}\n{SWAP_MORE}"
    parser.add_argument("model", metavar="MODEL", help="its name in the registry (`hal0 model list`)")
    add_waiting(parser)
    add_drain(parser)


def run_swap(args: Namespace) -> int:
    daemon = Daemon.at(args.host)
    path = f"/api/slots/{part(args.name)}"
    wish = {"model": args.model, "drain": args.drain}
    body = daemon.send("POST", f"{path}/swap", wish, headers={"X-Hal0-By": person()})
    accepted = daemon.parse(body, Accepted)
    if args.no_wait:
        print_json(accepted.model_dump()) if args.json else say(f"{args.name}: swap to {args.model} accepted")
        return 0
    begun = time.monotonic()
    slot = _await_end(daemon, path, accepted.operation, begun)
    assert slot.swap is not None
    if slot.swap.step == "called off":
        raise Hal0Error("slot.swap_called_off", slot=slot.name, model=args.model)
    if slot.swap.error is not None:
        raise _failure(slot.swap.error, slot)
    if args.json:
        print_json(slot.model_dump(mode="json"))
    else:
        say(Cell(slot.name, "bold"), f": {slot.model} is ready after {time.monotonic() - begun:.1f} s")
    return 0


def run_pin(args: Namespace) -> int:
    return show_written(Configuration(args.host).edit_slot(args.name, {"pinned": args.pinned}), args)


def _await_end(daemon: Daemon, path: str, operation: str, begun: float) -> SlotView:
    """The slot once this swap is over."""
    progress = Progress()
    try:
        while True:
            slot = daemon.get(path, SlotView)
            swap = slot.swap
            if swap is None or swap.operation != operation:  # the next one has begun already
                raise Hal0Error("slot.swap_called_off", slot=slot.name, model=swap.before if swap else slot.model)
            if swap.step not in ("under way", "going back"):
                return slot
            show(progress, slot, begun, doing=_doing(swap))
            time.sleep(POLL_SECONDS)
    finally:
        progress.clear()


def _doing(swap: SwapView) -> str:
    return f"to {swap.model}" if swap.step == "under way" else f"back to {swap.before or 'no model'}"


def _failure(error: ErrorView, slot: SlotView) -> Hal0Error:
    if error.code not in CATALOGUE:
        return Hal0Error("slot.load_failed", slot=slot.name, reason=f"{error.code}: {error.message}")
    return Hal0Error(error.code, **error.details)
