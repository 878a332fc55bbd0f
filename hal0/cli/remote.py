"""`hal0 remote`: the providers elsewhere that answer beside the slots."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from hal0.cli.connection import Daemon, part
from hal0.cli.options import Help, add_host, add_json, sentence
from hal0.cli.output import Cell, print_answer, say, table
from hal0.tui import figures
from hal0.wire import RemoteView, Wire

ABOUT = (
    "A remote is a provider elsewhere whose models can be asked for like those of slots: [remotes.NAME] in hal0.toml."
)
ALONE = "list"


class Remotes(Wire):
    remotes: list[RemoteView]


def configure(parser: ArgumentParser) -> None:
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, summary: str, run: Callable[[Namespace], int]) -> ArgumentParser:
        sub = commands.add_parser(name, help=summary, description=sentence(summary), formatter_class=Help)
        add_json(sub)
        add_host(sub)
        sub.set_defaults(run=run)
        return sub

    add("list", "list the remotes and how they are", list_remotes)
    add("models", "list the models that a remote offers", list_models).add_argument("name", metavar="REMOTE")
    add("test", "ask a remote for its models now, with its key", test).add_argument("name", metavar="REMOTE")


def list_remotes(args: Namespace) -> int:
    daemon = Daemon.at(args.host)
    body = daemon.ask("GET", "/api/remotes")
    if args.json:
        print_answer(body)
        return 0
    remotes = daemon.parse(body, Remotes).remotes
    if not remotes:
        say("no remotes; [remotes.NAME] in hal0.toml makes one")
        return 0
    rows = (
        (
            Cell(each.name, "bold"),
            each.kind,
            each.url,
            str(len(each.models)),
            str(each.in_flight),
            str(each.requests or ""),
            f"{figures.count(each.prompt_tokens)} + {figures.count(each.tokens)}" if each.requests else "",
            "" if each.cost is None else figures.dollars(each.cost),
            _state(each),
        )
        for each in remotes
    )
    headers = ("REMOTE", "KIND", "URL", "MODELS", "IN FLIGHT", "REQUESTS", "TOKENS", "COST", "STATE")
    table(headers, rows, right=frozenset({"MODELS", "IN FLIGHT", "REQUESTS", "TOKENS", "COST"}))
    return 0


def list_models(args: Namespace) -> int:
    daemon = Daemon.at(args.host)
    body = daemon.ask("GET", f"/api/remotes/{part(args.name)}")
    if args.json:
        print_answer(body)
        return 0
    for model in daemon.parse(body, RemoteView).models:
        say(model)
    return 0


def test(args: Namespace) -> int:
    daemon = Daemon.at(args.host)
    body = daemon.ask("POST", f"/api/remotes/{part(args.name)}/test")
    if args.json:
        print_answer(body)
        return 0
    remote = daemon.parse(body, RemoteView)
    say(f"{remote.name} answers at {remote.url}; it offers {len(remote.models)} models")
    return 0


def _state(remote: RemoteView) -> Cell:
    if remote.error is not None:
        return Cell(f"{remote.error.message} ({remote.error.code})", "red")
    if remote.blocked_seconds is not None:
        return Cell(f"failed too often; asked again in {figures.span(remote.blocked_seconds)}", "red")
    return Cell("ok" if remote.fetched_at else "its models are being fetched", "green" if remote.fetched_at else "")
