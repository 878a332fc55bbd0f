"""Who may use the admin API: programs on this machine, and no web page in anyone's browser."""

import ipaddress
from urllib.parse import urlsplit

from quart import request

from hal0.daemon.config.schema import Server
from hal0.errors import Hal0Error

WRITES = {"POST", "PUT", "PATCH"}


def check_caller(server: Server) -> None:
    """Raises `system.forbidden` or `dispatch.unsupported_media`."""
    client = request.scope.get("client")
    if client is not None and client[0]:  # None: the Unix socket, guarded by its mode
        _check_peer(client[0])
        _check_host(request.headers.get("host", ""), server.trusted_hosts)
    if origin := request.headers.get("origin"):
        raise Hal0Error("system.forbidden", reason=f"the admin API takes no requests from web pages ({origin})")
    if request.method in WRITES and request.mimetype != "application/json":
        given = request.mimetype or "without a Content-Type"
        raise Hal0Error("dispatch.unsupported_media", wanted="application/json", given=given)


def _check_peer(address: str) -> None:
    if not is_loopback(address):
        raise Hal0Error("system.forbidden", reason=f"{address} is not this machine")


def _check_host(host: str, trusted: tuple[str, ...]) -> None:
    """A page that got its own name resolved to 127.0.0.1 still sends that name."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        name = ""
    if name != "localhost" and name not in trusted and not is_loopback(name):
        raise Hal0Error("system.forbidden", reason=f"the Host header names {name!r}, which is not in trusted_hosts")


def is_loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback
