"""Options that several commands share."""

from argparse import ArgumentParser


def add_json(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, also for a failure (on stderr)")


def add_host(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--host",
        metavar="URL",
        help="address of the daemon, such as http://localhost:8080; default: HAL0_URL, else the Unix socket",
    )
