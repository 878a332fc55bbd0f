"""What the daemon keeps, as commands change it: by the daemon, or by the same code within the command where none runs.

Whether a daemon runs is found out anew at each call, for an editor may be open for hours.
"""

import json
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from hal0.cli.connection import Daemon
from hal0.errors import Hal0Error

if TYPE_CHECKING:
    from hal0.cli.vacant import Vacant

NOBODY_THERE = (FileNotFoundError, ConnectionRefusedError)  # at the socket
START_SECONDS = 10.0  # for a daemon to open its socket
POLL_SECONDS = 0.1


class Keeper:
    """`host` is the one of the command line; a daemon that is named there is never done without."""

    def __init__(self, host: str | None, *, patience_seconds: float = START_SECONDS) -> None:
        self.daemon = Daemon.at(host)
        self.parse = self.daemon.parse
        self._is_named = bool(host or os.environ.get("HAL0_URL"))
        self._patience_seconds = patience_seconds

    def either(
        self, by_daemon: Callable[[], bytes], by_hand: Callable[["Vacant"], BaseModel | dict[str, Any]]
    ) -> bytes:
        """The JSON of the daemon's answer, or of what the command itself did in its place."""
        began = time.monotonic()
        while True:
            try:
                return by_daemon()
            except Hal0Error as error:
                if self._is_named or not isinstance(error.__cause__, NOBODY_THERE):
                    raise
                unreached = error
            from hal0.cli.vacant import Vacant  # slow to load, and most commands find a daemon

            try:
                answer = by_hand(Vacant())
            except Hal0Error as error:
                if error.code != "system.already_running":
                    raise
                if time.monotonic() - began > self._patience_seconds:
                    raise unreached from None
                time.sleep(POLL_SECONDS)  # it starts, and has no socket yet
            else:
                return (answer.model_dump_json() if isinstance(answer, BaseModel) else json.dumps(answer)).encode()
