"""The program around an engine: command line, loading, serving, the end, as of every backend of hal0's own."""

import argparse
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from hal0.backends.serving import EXIT_USAGE, KEY_ENV, App, CannotServe, end, run
from hal0.backends.transcription.answers import Transcripts
from hal0.backends.transcription.engine import Engine


class Parser(argparse.ArgumentParser):
    """Ends the program with a status and a last line like any other failure does."""

    def __init__(self, program: str) -> None:
        super().__init__(prog=program, allow_abbrev=False, usage=argparse.SUPPRESS)
        self.add_argument("--port", type=int, required=True, help="port to listen on, on 127.0.0.1")

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"error: {message}\n")


def serve(port: int, load: Callable[[], Engine]) -> NoReturn:
    """Load and serve until SIGTERM. Ends the process, with status 3 or 4 and the reason if `load` cannot."""
    transcripts = Transcripts()

    def load_engine() -> None:
        transcripts.engine = load()

    app = App(
        transcripts.routes(),
        key=os.environ.pop(KEY_ENV, ""),
        is_ready=lambda: transcripts.engine is not None,
        read=transcripts.read,
    )
    try:
        run(app, port=port, load=load_engine)
    except CannotServe as failure:
        end(failure.status, str(failure))
    except OSError as error:  # its port
        sys.exit(f"error: {error}")
