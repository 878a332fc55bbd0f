"""Why one program did not reach another, in words that a person understands. For every side that asks another.

Libraries wrap the system's own failure in several of theirs, so the whole chain is looked through. No I/O here.
"""

import errno
import os
import socket
from collections.abc import Iterator

DEPTH = 10  # of a chain of causes
NO_ROUTE = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.EADDRNOTAVAIL})
CLOSED = ("peer closed connection", "disconnected", "end of file")  # how libraries call it that have no errno for it
# OpenSSL's codes of `X509_verify_cert`: they name neither what is wrong nor for whom.
UNTRUSTED = {
    10: "it has expired",
    9: "it is not valid yet",
    18: "it is signed by itself",
    19: "who signed it is not known here",
    20: "who signed it is not known here",
    21: "who signed it is not known here",
    62: "it is for another name",
    64: "it is for another address",
}


def in_words(error: BaseException) -> str:
    """A part of a sentence, such as "the connection was refused"; never empty."""
    for each in _chain(error):
        if told := _told(each):
            return told
    return (str(error).splitlines() or [""])[0].strip() or type(error).__name__


def untrusted(error: BaseException) -> str:
    """What is wrong with the other side's certificate; empty if that was not the failure."""
    import ssl

    for each in _chain(error):
        if isinstance(each, ssl.SSLCertVerificationError):
            return UNTRUSTED.get(each.verify_code) or each.verify_message or "it cannot be verified"
    return ""


def speaks_no_tls(error: BaseException) -> bool:
    """Whether TLS was tried with who does not speak it."""
    import ssl

    # The second is what a server says that answers with a page of HTTP.
    reasons = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"}
    return any(isinstance(each, ssl.SSLError) and each.reason in reasons for each in _chain(error))


def was_closed(error: BaseException) -> bool:
    """Whether the other side closed the connection instead of answering."""
    return any(
        isinstance(each, ConnectionResetError | BrokenPipeError | EOFError) or any(w in str(each) for w in CLOSED)
        for each in _chain(error)
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The failure and what it comes from, the outermost first."""
    each: BaseException | None = error
    for _ in range(DEPTH):
        if each is None:
            return
        yield each
        several = each.exceptions if isinstance(each, BaseExceptionGroup) else ()
        each = several[0] if several else each.__cause__ or each.__context__


def _told(error: BaseException) -> str:
    if isinstance(error, socket.gaierror):
        soon = error.errno == socket.EAI_AGAIN
        return "its name cannot be looked up now (DNS)" if soon else "its name is not known here (DNS)"
    if isinstance(error, TimeoutError) or type(error).__name__.endswith("Timeout"):
        return "no answer in time"
    if isinstance(error, ConnectionRefusedError):
        return "the connection was refused"
    if isinstance(error, OSError) and error.errno in NO_ROUTE:
        return "there is no route to it"
    if tls := _tls_told(error):
        return tls
    if isinstance(error, OSError | EOFError) and was_closed(error):
        return "the connection was closed"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno).lower()
    return "the connection was closed" if any(words in str(error) for words in CLOSED) else ""


def _tls_told(error: BaseException) -> str:
    if not isinstance(error, OSError) or type(error).__module__ != "ssl":
        return ""
    if type(error).__name__ in ("SSLEOFError", "SSLZeroReturnError"):
        return "the connection was closed"
    if reason := untrusted(error):
        return f"its certificate is not trusted: {reason}"
    if speaks_no_tls(error):
        return "it does not speak TLS there"
    reason = getattr(error, "reason", None) or str(error)
    return f"TLS failed: {reason.lower().replace('_', ' ')}"
