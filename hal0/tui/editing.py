"""The configuration in a person's editor, from within the dashboard; the daemon sees by itself what was saved.

That works only where the daemon's files are: on this machine.
"""

import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hal0.editor import edit, find_editor
from hal0.errors import Hal0Error
from hal0.tui.client import Address


def require_here(path: Path, address: Address, host: str) -> None:
    """Raise `config.elsewhere` unless the daemon at `address`, which calls its machine `host`, has this very file.

    The name of the machine is asked for too: a loopback address or a socket may lead through an SSH tunnel.
    """
    if not address.is_near or host != socket.gethostname():
        raise Hal0Error("config.elsewhere", path=path, host=host or address)
    if not path.is_file():
        raise Hal0Error("config.not_found", path=path)


def edit_file(path: Path, line: int | None) -> bool:
    """Have the file edited; whether it is another one then. Raises `config.no_editor`, `config.unreadable`."""
    editor = find_editor()
    before = _read(path)
    with _interrupts_left_to_the_editor():
        edit(editor, path, line)
    return _read(path) != before


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise Hal0Error("config.unreadable", path=path, reason=error.strerror) from error


@contextmanager
def _interrupts_left_to_the_editor() -> Iterator[None]:
    """Ctrl-C reaches every process of the terminal; the dashboard must not end of one that the editor is meant by."""
    before = signal.signal(signal.SIGINT, lambda *_: None)  # a handler, which the editor does not inherit
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
