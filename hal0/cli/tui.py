"""`hal0 tui`: the dashboard of a daemon that runs. Its options are those of `hal0-tui`."""

import os
from argparse import ArgumentParser, Namespace

ABOUT = """\
Open the dashboard of a running daemon. `?` in it lists its keys; `q` leaves it, and the daemon goes on.

Takes the options of `hal0-tui`: `hal0-tui --help` lists them."""


def configure(parser: ArgumentParser) -> None:
    parser.set_defaults(run=run, takes_more=True)


def run(args: Namespace) -> int:
    from hal0.tui.__main__ import main

    url = os.environ.get("HAL0_URL")
    named = any(word.startswith(("--host", "--socket", "--replay")) for word in args.more)
    return main([*(["--host", url] if url and not named else []), *args.more])
