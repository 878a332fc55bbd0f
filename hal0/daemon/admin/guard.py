"""Who may use the admin API: the daemon's user and root on this machine, and no web page in anyone's browser.

Writing the configuration is running programs as the daemon's user, and reading requests is reading what others asked.
So a connection to the port is admitted by the user it comes from; the Unix socket is guarded by its mode.
"""

import asyncio
import ipaddress
import os
from typing import Any
from urllib.parse import urlsplit

from quart import request

from hal0.daemon.admin.peers import Address, user_of
from hal0.daemon.config.schema import Server
from hal0.errors import Hal0Error

WRITES = {"POST", "PUT", "PATCH"}
ROOT = 0


async def check_caller(server: Server) -> None:
    """Raises `system.forbidden` or `dispatch.unsupported_media`."""
    client: Address | None = request.scope.get("client")
    if client is not None:  # None: the Unix socket
        _check_peer(client[0])
        _check_host(request.headers.get("host", ""), server.trusted_hosts)
        _check_not_forwarded()
        here: Any = request.scope["server"]
        await _check_user(client, here)
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


def _check_not_forwarded() -> None:
    """What a proxy of this machine sends is asked by someone elsewhere."""
    for name in request.headers.keys():  # noqa: SIM118  # iterating headers gives pairs
        lower = name.lower()
        if lower in ("forwarded", "via", "x-real-ip") or lower.startswith("x-forwarded-"):
            raise Hal0Error("system.forbidden", reason=f"the request came through a proxy ({name})")


async def _check_user(client: Address, here: Address) -> None:
    """Looked up anew for each request: a port may change hands between two connections."""
    user = await asyncio.to_thread(user_of, client, here)
    if user is None:
        raise Hal0Error("system.forbidden", reason="the kernel does not tell which user the connection comes from")
    if user not in (ROOT, os.geteuid()):
        raise Hal0Error("system.forbidden", reason=f"the connection comes from user {user}, who does not run hal0d")


def is_loopback(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed).is_loopback
