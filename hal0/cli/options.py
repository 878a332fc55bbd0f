"""What the commands' parsers share: how their help is set, how wrong words are answered, and some options."""

import re
import textwrap
from argparse import ArgumentParser, HelpFormatter
from itertools import groupby
from shutil import get_terminal_size
from typing import NoReturn

from hal0.errors import did_you_mean

WIDEST = 100  # columns; longer lines are hard to read
INVALID = re.compile(r"argument (\S+): invalid choice: '(.*)' \(choose from (.*)\)", re.DOTALL)
COMMAND = "COMMAND"  # how the place of a command below another is called


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


class Parser(ArgumentParser):
    """Says which known word a wrong one is nearest to. Parsers of commands below it are of this class too."""

    def error(self, message: str) -> NoReturn:
        if found := INVALID.fullmatch(message):
            place, given, known = found.groups()
            near = did_you_mean(given, re.findall(r"[^\s',]+", known))
            if place == COMMAND:
                self.exit(2, f"{self.prog}: there is no command {given!r}{near}\n`{self.prog} --help` lists them.\n")
            message += near
        super().error(message)

    def unrecognised(self, words: list[str]) -> NoReturn:
        """End with what no parser took."""
        wrong = next((word for word in words if word.startswith("--")), "")
        near = did_you_mean(wrong.partition("=")[0], self._long_options()) if wrong else ""
        self.error(f"unrecognized arguments: {' '.join(words)}{near}")

    def _long_options(self) -> list[str]:
        found = [option for option in self._option_string_actions if option.startswith("--")]
        below = [
            each for action in self._actions if isinstance(action.choices, dict) for each in action.choices.values()
        ]
        return found + [option for each in below if isinstance(each, Parser) for option in each._long_options()]


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
