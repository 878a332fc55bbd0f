"""`hal0 tui`: the dashboard of a daemon that runs."""

from argparse import ArgumentParser, Namespace

from hal0.cli.options import add_host

ABOUT = "Open the dashboard of a running daemon. `?` in it lists its keys; `q` leaves it, the daemon goes on."


def configure(parser: ArgumentParser) -> None:
    add_host(parser)
    parser.add_argument("--ascii", action="store_true", help="draw with ASCII only")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    from hal0.tui.__main__ import main

    return main([*(["--host", args.host] if args.host else []), *(["--ascii"] if args.ascii else [])])
