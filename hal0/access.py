"""How a program reaches a daemon over TCP: where, what it shows, whom it trusts, and what a failure is called.

For the commands and the dashboard alike.

The key comes from HAL0_KEY and never from a command line, where every user of the machine could read it. HAL0_CERT
names a certificate to trust besides those of the system: a daemon's own, if it has signed that itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from hal0.errors import Hal0Error
from hal0.unreached import in_words, speaks_no_tls, untrusted, was_closed

if TYPE_CHECKING:
    from ssl import SSLContext

PROBE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Access:
    """Nothing to show and nothing to trust, unless it is said."""

    key: str = field(default="", repr=False)
    certificate: str = ""  # a file in PEM form

    @classmethod
    def of(cls, env: Mapping[str, str]) -> "Access":
        """Raises `config.invalid` for a key that no header can carry."""
        return cls(checked_key(env.get("HAL0_KEY", ""), "HAL0_KEY"), env.get("HAL0_CERT", ""))

    @property
    def headers(self) -> dict[str, str]:
        """What each request shows."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def context(self) -> "SSLContext":
        """For https; raises `config.tls_unusable`. Slow, as it reads the certificates of the system."""
        import ssl

        context = ssl.create_default_context()
        if self.certificate:
            # Also one that another has signed counts by itself, without its signer's.
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            try:
                context.load_verify_locations(self.certificate)
            except ssl.SSLError as error:
                reason = "it has no certificate in PEM form"
                raise Hal0Error("config.tls_unusable", path=self.certificate, reason=reason) from error
            except OSError as error:
                raise Hal0Error("config.tls_unusable", path=self.certificate, reason=error.strerror) from error
        return context


def checked_key(text: str, place: str) -> str:
    """A key as it was written down somewhere; raises `config.invalid` naming that place, never the key."""
    key = text.strip()
    if not (key.isascii() and key.isprintable()):
        reason = "it has line breaks, or characters that no header can carry"
        raise Hal0Error("config.invalid", place=place, reason=reason)
    return key


def checked_address(host: str) -> str:
    """An address as `--host` takes it, with its scheme; raises `system.bad_address`."""
    url = (host if "://" in host else f"http://{host}").rstrip("/")
    try:
        parts = urlsplit(url)
        reason = "" if parts.port != 0 else "there is no port 0"
    except ValueError:  # of the port, or of an IPv6 address
        reason, parts = "its port is no number up to 65535, or its brackets do not match", None
    if parts is not None and not reason:
        if parts.scheme not in ("http", "https"):
            reason = f"{parts.scheme}:// is neither http:// nor https://"
        elif not parts.hostname or not url.isprintable() or " " in url:
            reason = "it has no name of a host that could be looked up"
        elif parts.path or parts.query or parts.fragment:
            reason = "it ends with the host and its port, without a path"
    if reason:
        raise Hal0Error("system.bad_address", where=host, reason=reason)
    return url


def unreached(error: BaseException, *, where: str) -> Hal0Error:
    """The failure to reach a daemon; `where` is an address with its scheme, or the path of a socket."""
    words = in_words(error)
    if reason := untrusted(error):
        return Hal0Error("system.certificate_untrusted", where=where, reason=reason)
    if speaks_no_tls(error):
        return _other_scheme(where, "it does not speak TLS there", "http://")
    if "(DNS)" in words:
        return Hal0Error("system.bad_address", where=where, reason=words)
    if isinstance(error, PermissionError):
        return Hal0Error("system.forbidden", reason=f"this user may not open {where}")
    if isinstance(error, FileNotFoundError):
        words = "there is no such socket"
    elif was_closed(error) and speaks_tls(where):
        return _other_scheme(where, "it speaks TLS there", "https://")
    return Hal0Error("system.daemon_down", where=where, reason=words)


def _other_scheme(where: str, reason: str, scheme: str) -> Hal0Error:
    return Hal0Error("system.tls_mismatch", where=where, reason=reason, right=scheme + where.partition("://")[2])


def speaks_tls(where: str) -> bool:
    """Whether an address of plain HTTP is one of TLS in truth; it is asked, for a second at most."""
    import socket
    import ssl

    parts = urlsplit(where)
    if parts.scheme != "http" or not parts.hostname:
        return False
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is said to it
    try:
        with (
            socket.create_connection((parts.hostname, parts.port or 80), timeout=PROBE_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=parts.hostname),
        ):
            return True
    except (OSError, ValueError):
        return False
