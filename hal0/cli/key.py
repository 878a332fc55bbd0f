"""`hal0 key`: the API keys. The text of a key goes to stdout once, when it is made; hal0 keeps a hash of it."""

import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING

from hal0.cli.connection import part
from hal0.cli.keeper import Keeper
from hal0.cli.options import Help, add_host, add_json, sentence
from hal0.cli.output import Cell, clean, print_answer, say, table
from hal0.wire import KeysView, NewKey

if TYPE_CHECKING:
    from hal0.cli.vacant import Vacant

ABOUT = """\
API keys say who may use the models (scope inference), or do everything, from other machines too (scope admin). Once
there is one, /v1 and /metrics want a key; /health wants none, and the Unix
socket is guarded by its mode.

  hal0 key add laptop                       for every slot
  hal0 key add editor --slots code,embed    for these only
  hal0 key add desk --scope admin           opens the admin API from elsewhere

All of it works without a daemon too."""
ALONE = "list"


def configure(parser: ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, summary: str, run: Callable[[Namespace], int]) -> ArgumentParser:
        sub = commands.add_parser(name, help=summary, description=sentence(summary), formatter_class=Help)
        add_json(sub)
        add_host(sub)
        sub.set_defaults(run=run)
        return sub

    make = add("add", "make a key and print it, this once", add_key)
    make.add_argument("name", metavar="NAME", help="who or what has it; requests are shown with it")
    make.add_argument(
        "--scope", choices=("inference", "admin"), default="inference", help="what it opens (default: inference)"
    )
    make.add_argument(
        "--slots", default="", metavar="A,B", help="the slots and remotes it may reach; left out: all of them"
    )
    add("list", "list the keys, without their texts", list_keys)
    add("revoke", "let a key open nothing any more", revoke).add_argument("name", metavar="NAME")
    add("off", "remove every key and want none any more", turn_off)


def add_key(args: Namespace) -> int:
    keeper = Keeper(args.host)
    slots = tuple(dict.fromkeys(name.strip() for name in args.slots.split(",") if name.strip()))
    wanted = {"name": args.name, "scope": args.scope, "slots": slots}

    def by_hand(vacant: "Vacant") -> NewKey:
        return vacant.add_key(args.name, args.scope, slots)

    body = keeper.either(lambda: keeper.daemon.send("POST", "/api/keys", wanted), by_hand)
    if args.json:
        print_answer(body)
        return 0
    key = keeper.parse(body, NewKey)
    print(key.key, flush=True)
    _remark(f"{key.name}: {key.scope}, for {', '.join(key.slots) or 'every slot'}. The key is shown this once.")
    if len(_view(keeper).keys) == 1:
        _remark("It is the first: from now on /v1 and /metrics want a key.")
    return 0


def list_keys(args: Namespace) -> int:
    keeper = Keeper(args.host)
    body = _ask(keeper)
    if args.json:
        print_answer(body)
        return 0
    view = keeper.parse(body, KeysView)
    rows = (
        (
            Cell(key.name, "bold"),
            key.scope,
            ", ".join(key.slots) or "all",
            time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(key.created_at)),
        )
        for key in view.keys
    )
    if view.keys:
        table(("KEY", "SCOPE", "SLOTS", "MADE"), rows)
    else:
        say(_without_keys(view))
    return 0


def revoke(args: Namespace) -> int:
    keeper = Keeper(args.host)
    body = keeper.either(
        lambda: keeper.daemon.ask("DELETE", f"/api/keys/{part(args.name)}"),
        lambda vacant: vacant.revoke_key(args.name),
    )
    if args.json:
        print_answer(body)
        return 0
    view = keeper.parse(body, KeysView)
    say(Cell(args.name, "bold"), " opens nothing any more; requests that it has in flight may end")
    if not view.keys:
        say(Cell(_without_keys(view), "yellow"))
    return 0


def turn_off(args: Namespace) -> int:
    keeper = Keeper(args.host)
    body = keeper.either(lambda: keeper.daemon.ask("DELETE", "/api/keys"), lambda vacant: vacant.remove_keys())
    if args.json:
        print_answer(body)
        return 0
    view = keeper.parse(body, KeysView)
    if view.required:
        say(f"every key is gone; `keys_file` in [auth] still asks for one: take it out too ({view.path})")
    else:
        say(_without_keys(view))
    return 0


def _without_keys(view: KeysView) -> str:
    if view.required:
        return (
            "no key is left: whoever comes by the port is refused; `hal0 key add NAME` makes one, `hal0 key off` lets "
            "everybody in"
        )
    return "no keys: anybody who reaches the API may use the models; `hal0 key add NAME` makes one"


def _view(keeper: Keeper) -> KeysView:
    return keeper.parse(_ask(keeper), KeysView)


def _ask(keeper: Keeper) -> bytes:
    return keeper.either(lambda: keeper.daemon.ask("GET", "/api/keys"), lambda vacant: vacant.keys())


def _remark(text: str) -> None:
    print(clean(text, sys.stderr), file=sys.stderr)
