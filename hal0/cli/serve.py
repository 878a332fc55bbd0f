"""`hal0 serve`: the daemon in the foreground."""

from argparse import ArgumentParser, Namespace

ABOUT = """\
Run the daemon in the foreground, until SIGTERM or Ctrl-C. It then finishes the requests in flight and ends.

The same program as `hal0d`. HAL0_PORT and HAL0_HOST name the address of its API."""


def configure(parser: ArgumentParser) -> None:
    parser.add_argument("--config", metavar="FILE", help="hal0.toml; default: HAL0_CONFIG, else the usual places")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    from hal0.daemon.main import main

    return main(["--config", args.config] if args.config else [])
