"""What the commands' parsers share: how their help is set, and some options."""

import textwrap
from argparse import ArgumentParser, HelpFormatter
from itertools import groupby
from shutil import get_terminal_size

WIDEST = 100  # columns; longer lines are hard to read


class Help(HelpFormatter):
    """Paragraphs are wrapped to the terminal; lines that are indented, examples, stay as they are."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=min(get_terminal_size().columns, WIDEST) - 2)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines: list[str] = []
        for is_kept, group in groupby(text.splitlines(), lambda line: not line or line.startswith(" ")):
            part = list(group)
            lines += part if is_kept else textwrap.wrap(" ".join(part), width, break_on_hyphens=False)
        return "\n".join(indent + line for line in lines)


def sentence(summary: str) -> str:
    """A line of a list of commands, as the first sentence of that command's own help; names keep their letters."""
    return f"{summary[:1].upper()}{summary[1:]}."


def add_json(parser: ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON, also for a failure (on stderr)")


def add_host(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--host",
        metavar="URL",
        help="address of the daemon, such as https://box:8080, with a key in HAL0_KEY where it wants one; default: "
        "HAL0_URL, else the Unix socket",
    )
