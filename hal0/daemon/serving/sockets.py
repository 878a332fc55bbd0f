"""Listening sockets, TCP and Unix, made by Hypercorn's configuration; failures to listen get a code."""

import errno
import os
import socket
from contextlib import suppress
from pathlib import Path

from hypercorn.config import Config

from hal0.errors import Hal0Error

UNIX_UMASK = 0o117  # the socket gets mode 0660: its owner and group may ask


def listen_tcp(host: str, port: int) -> socket.socket:
    """Bind an address; port 0 takes a free one. Raises `system.address_in_use`."""
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return _bind(where, where)


def listen_unix(path: Path) -> socket.socket:
    """Bind a socket file. One that a dead daemon left is replaced; one that somebody answers on is not."""
    if _is_answered(path):
        raise Hal0Error("system.address_in_use", address=str(path), reason="another daemon answers there")
    return _bind(f"unix:{path}", str(path))


def remove_unix(path: Path, bound: os.stat_result) -> None:
    """Delete the socket file, unless another daemon has put its own there in the meantime."""
    with suppress(OSError):
        now = path.stat()
        if (now.st_ino, now.st_dev) == (bound.st_ino, bound.st_dev):
            path.unlink()


def _bind(where: str, address: str) -> socket.socket:
    config = Config()
    config.bind = [where]
    config.umask = UNIX_UMASK
    try:
        (sock,) = config.create_sockets().insecure_sockets
    except (OSError, OverflowError) as error:
        reason = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        raise Hal0Error("system.address_in_use", address=address, reason=reason) from error
    sock.set_inheritable(False)  # a backend must never hold the port of a daemon that died
    return sock


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except OSError as error:
            # A full backlog means that somebody is there; every other failure is left to bind.
            return error.errno == errno.EAGAIN or isinstance(error, TimeoutError)
        return True
