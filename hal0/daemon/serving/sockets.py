"""Listening sockets, TCP and Unix; failures to listen get a code."""

import errno
import os
import socket
from contextlib import suppress
from pathlib import Path

from hal0.errors import Hal0Error

UNIX_UMASK = 0o117  # the socket gets mode 0660: its owner and group may ask


def listen_tcp(host: str, port: int) -> socket.socket:
    """Bind an address; port 0 takes a free one. Raises `system.address_in_use` or `system.address_unusable`."""
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _bind(sock, (host, port), told=f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    return sock


def listen_unix(path: Path) -> socket.socket:
    """Bind a socket file. One that a dead daemon left is replaced; one that somebody answers on is not."""
    if _is_answered(path):
        raise Hal0Error("system.address_in_use", address=str(path), reason="another daemon answers there")
    with suppress(OSError):
        if path.is_socket():
            path.unlink()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    umask = os.umask(UNIX_UMASK)
    try:
        _bind(sock, str(path), told=str(path))
    finally:
        os.umask(umask)
    return sock


def remove_unix(path: Path, bound: os.stat_result) -> None:
    """Delete the socket file, unless another daemon has put its own there in the meantime."""
    with suppress(OSError):
        now = path.stat()
        if (now.st_ino, now.st_dev) == (bound.st_ino, bound.st_dev):
            path.unlink()


def _bind(sock: socket.socket, address: tuple[str, int] | str, *, told: str) -> None:
    try:
        sock.bind(address)
        sock.setblocking(False)
    except (OSError, OverflowError) as error:  # gaierror is an OSError, but its number is not one of errno's
        sock.close()
        number = error.errno if isinstance(error, OSError) and not isinstance(error, socket.gaierror) else None
        reason = os.strerror(number) if number else str(error)
        code = "system.address_in_use" if number == errno.EADDRINUSE else "system.address_unusable"
        raise Hal0Error(code, address=told, reason=reason) from error


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(path))
        except OSError as error:
            # A full backlog means that somebody is there; every other failure is left to bind.
            return error.errno == errno.EAGAIN or isinstance(error, TimeoutError)
        return True
