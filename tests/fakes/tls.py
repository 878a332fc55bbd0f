"""Certificates of the tests' own, and a way to run on TLS what is written for plain connections."""

import functools
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

import trustme

from hal0.daemon.config.schema import Server
from hal0.daemon.config.tls import server_context


@dataclass(frozen=True)
class Pair:
    """A certificate for 127.0.0.1 and localhost, its key, and who signed it, as files."""

    certificate: Path
    key: Path
    signer: Path

    @property
    def config(self) -> str:
        """The lines for [server]."""
        return f'tls_cert = "{self.certificate}"\ntls_key = "{self.key}"\n'


@functools.cache
def _signer() -> trustme.CA:
    return trustme.CA()


def pair(folder: Path, name: str = "box", *names: str) -> Pair:
    found = Pair(folder / f"{name}.crt", folder / f"{name}.key", folder / "ca.pem")
    issued = _signer().issue_cert(*(names or ("127.0.0.1", "localhost")))
    _signer().cert_pem.write_to_path(str(found.signer))
    issued.private_key_pem.write_to_path(str(found.key))
    found.certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    return found


_sides: ContextVar[tuple[ssl.SSLContext, ssl.SSLContext] | None] = ContextVar("sides", default=None)


@contextmanager
def over_tls(given: Pair) -> Iterator[None]:
    """Connections of tests.fakes.door and tests.fakes.http_client speak TLS meanwhile."""
    server = server_context(Server(tls_cert=str(given.certificate), tls_key=str(given.key)))
    assert server is not None
    token = _sides.set((server, ssl.create_default_context(cafile=given.signer)))
    try:
        yield
    finally:
        _sides.reset(token)


def server_side() -> ssl.SSLContext | None:
    sides = _sides.get()
    return None if sides is None else sides[0]


def client_side() -> ssl.SSLContext | None:
    sides = _sides.get()
    return None if sides is None else sides[1]
