"""Who may use the admin API: the daemon's user and root on this machine, whoever has an admin key, and no web page.

Writing the configuration is running programs as the daemon's user, and reading requests is reading what others asked.
So a connection to the port is admitted by the user it comes from, or by its key; the Unix socket is guarded by
its mode.
"""

import asyncio
import ipaddress
import os
from typing import Any
from urllib.parse import urlsplit

from quart import request

from hal0.daemon.admin.peers import Address, user_of
from hal0.daemon.config.schema import Settings
from hal0.daemon.keys.ring import Keyring
from hal0.errors import Hal0Error

WRITES = {"POST", "PUT", "PATCH"}
ROOT = 0


async def check_caller(settings: Settings, keys: Keyring) -> None:
    """Raises `system.auth_required`, `system.forbidden` or `dispatch.unsupported_media`."""
    client: Address | None = request.scope.get("client")
    if client is not None:  # None: the Unix socket
        await _check_on_the_port(client, settings, keys)
    if origin := request.headers.get("origin"):
        raise Hal0Error("system.forbidden", reason=f"the admin API takes no requests from web pages ({origin})")
    if request.method in WRITES and request.mimetype != "application/json":
        given = request.mimetype or "without a Content-Type"
        raise Hal0Error("dispatch.unsupported_media", wanted="application/json", given=given)


async def _check_on_the_port(client: Address, settings: Settings, keys: Keyring) -> None:
    """An admin key opens from anywhere. Who is let in as a local caller may show another key, or a wrong one."""
    useless: Hal0Error | None = None
    try:
        key = keys.find(request.scope["headers"])
    except Hal0Error as error:
        useless = error
    else:
        if key is not None and key.is_admin:
            return
        if key is not None:
            useless = Hal0Error("system.forbidden", reason=f"the key {key.name!r} is for inference only", key=key.name)
    if settings.auth.admin == "key":
        raise useless or Hal0Error("system.auth_required", reason="the admin API wants an admin key here")
    try:
        await _check_local(client, settings.server.trusted_hosts)
    except Hal0Error as error:
        raise useless or error from None


async def _check_local(client: Address, trusted_hosts: tuple[str, ...]) -> None:
    _check_peer(client[0])
    _check_host(request.headers.get("host", ""), trusted_hosts)
    _check_not_forwarded()
    here: Any = request.scope["server"]
    await _check_user(client, here)


def _check_peer(address: str) -> None:
    if not is_loopback(address):
        raise Hal0Error("system.forbidden", reason=f"{address} is not this machine, and shows no admin key")


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
