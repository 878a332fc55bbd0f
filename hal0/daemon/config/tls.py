"""The certificate and key of the port: read, and found to be usable, before anybody is served with them. Blocking."""

import os
import ssl
import stat
from pathlib import Path

from hal0.daemon.config.positions import Key
from hal0.daemon.config.schema import Server, Settings
from hal0.errors import Hal0Error

CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
PRIVATE_KEY = b"PRIVATE KEY-----"
NO_CERTIFICATE = "it has no certificate in PEM form"
NO_KEY = "it has no private key in PEM form"
OF_ANOTHER_PAIR = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")


def server_context(server: Server) -> ssl.SSLContext | None:
    """How the port speaks TLS; None: it does not. Raises `config.tls_unusable`."""
    if server.tls_cert is None or server.tls_key is None:
        return None
    _check(server.tls_cert, CERTIFICATE, NO_CERTIFICATE)
    _check(server.tls_key, PRIVATE_KEY, NO_KEY)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(
            server.tls_cert
        )  # finds a certificate that is none
    except OSError as error:  # as all of OpenSSL's failures are
        raise _unusable(server.tls_cert, NO_CERTIFICATE) from error
    _load(context, server.tls_cert, server.tls_key)
    return context


def unusable_tls(settings: Settings) -> list[tuple[Key, Hal0Error]]:
    """What is wrong with them, with the key that names the file."""
    try:
        server_context(settings.server)
    except Hal0Error as error:
        name = "tls_key" if error.details["path"] == settings.server.tls_key else "tls_cert"
        return [(("server", name), error)]
    return []


def _check(path: str, wanted: bytes, otherwise: str) -> None:
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise _unusable(path, "it is not a file")
        if wanted not in Path(path).read_bytes():
            raise _unusable(path, otherwise)
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error


def _load(context: ssl.SSLContext, certificate: str, key: str) -> None:
    is_locked = False

    def password() -> bytes:
        """Without it OpenSSL would ask the terminal."""
        nonlocal is_locked
        is_locked = True
        return b""

    try:
        context.load_cert_chain(certificate, key, password)
    except OSError as error:
        reason = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        if is_locked:
            raise _unusable(key, "it is locked with a password; `openssl pkey` writes one that is not") from error
        if reason in OF_ANOTHER_PAIR:
            raise _unusable(key, f"it is not the key of {certificate}") from error
        if reason is None:
            raise _unusable(key, NO_KEY) from error
        raise _unusable(certificate, f"OpenSSL refuses it: {reason.lower().replace('_', ' ')}") from error


def _unusable(path: str, reason: str) -> Hal0Error:
    return Hal0Error("config.tls_unusable", path=path, reason=reason)
