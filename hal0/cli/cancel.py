"""`hal0 cancel`: end a request in flight."""

from argparse import ArgumentParser, Namespace

from hal0.cli.connection import Daemon, part
from hal0.cli.options import add_host, add_json
from hal0.cli.output import print_answer, say
from hal0.wire import RequestView

ABOUT = """\
End a request in flight: its backend stops working on it, and its client gets the error `dispatch.cancelled`.

`hal0 requests` shows the ids."""


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID")
    add_json(parser)
    add_host(parser)
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    daemon = Daemon.at(args.host)
    body = daemon.ask("DELETE", f"/api/requests/{part(args.id)}")
    request = daemon.parse(body, RequestView)
    if args.json:
        print_answer(body)
    else:
        say(f"{request.id} on {request.slot or 'no slot yet'}: cancelled after {request.tokens} tokens")
    return 0
