"""What a program shows, and whom it trusts, when it asks a daemon over TCP. For the commands and the dashboard.

The key comes from HAL0_KEY and never from a command line, where every user of the machine could read it. HAL0_CERT
names a certificate to trust besides those of the system: a daemon's own, if it has signed that itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hal0.errors import Hal0Error

if TYPE_CHECKING:
    from ssl import SSLContext


@dataclass(frozen=True, slots=True)
class Access:
    """Nothing to show and nothing to trust, unless it is said."""

    key: str = field(default="", repr=False)
    certificate: str = ""  # a file in PEM form

    @classmethod
    def of(cls, env: Mapping[str, str]) -> "Access":
        """Raises `config.invalid` for a key that no header can carry."""
        key = env.get("HAL0_KEY", "").strip()
        if not (key.isascii() and key.isprintable()):
            reason = "it has line breaks, or characters that no header can carry"
            raise Hal0Error("config.invalid", place="HAL0_KEY", reason=reason)
        return cls(key, env.get("HAL0_CERT", ""))

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


def tls_failure(error: BaseException | None) -> str:
    """Why TLS did not come about, in words; empty if that was not the failure."""
    import ssl

    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    if error is None:
        return ""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}); HAL0_CERT can name one to trust"
    if error.reason == "WRONG_VERSION_NUMBER":
        return "it does not speak TLS there; the address begins with http://"
    return f"TLS failed ({(error.reason or str(error)).lower().replace('_', ' ')})"
