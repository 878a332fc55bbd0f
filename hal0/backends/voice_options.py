"""The command line that the programs with a voice have in common."""

import argparse
from typing import NoReturn

from hal0.backends.serving import EXIT_USAGE
from hal0.backends.sound import FORMATS


class Parser(argparse.ArgumentParser):
    """Ends the program with a status and a last line like any other failure does."""

    def __init__(self, program: str) -> None:
        super().__init__(prog=program, allow_abbrev=False, usage=argparse.SUPPRESS)
        self.add_argument("--port", type=int, required=True, help="port to listen on, on 127.0.0.1")
        self.add_argument("--default-voice", default=None, help="the voice of requests that name none")
        self.add_argument("--default-format", choices=tuple(FORMATS), default="wav", help="likewise")
        self.add_argument("--parallel", type=int, default=1, help="sentences computed at the same time")

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"error: {message}\n")
