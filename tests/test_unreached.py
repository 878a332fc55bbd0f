"""Why one program did not reach another, in words, whatever wraps the system's own failure."""

import errno
import os
import socket
import ssl

import httpx
import pytest

from hal0.unreached import in_words, speaks_no_tls, untrusted, was_closed


def wrapped(inner: BaseException) -> Exception:
    """As libraries do it: several layers, one of which tries several addresses."""
    try:
        try:
            raise OSError("All connection attempts failed") from ExceptionGroup("several", [inner])  # type: ignore[type-var]
        except OSError as error:
            raise httpx.ConnectError("") from error
    except httpx.ConnectError as outer:
        return outer


def certificate_error(code: int, message: str = "") -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed (_ssl.c:1006)")
    error.verify_code, error.verify_message = code, message
    return error


def tls_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] something (_ssl.c:1006)")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "[Errno 111] Connect call failed"), "the connection was refused"),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "its name is not known here (DNS)"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), "its name cannot be looked up now (DNS)"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "there is no route to it"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "there is no route to it"),
        (TimeoutError(errno.ETIMEDOUT, "timed out"), "no answer in time"),
        (ConnectionResetError(errno.ECONNRESET, "reset by peer"), "the connection was closed"),
        (
            certificate_error(20, "unable to get local issuer certificate"),
            "its certificate is not trusted: who signed it",
        ),
        (certificate_error(10, "certificate has expired"), "its certificate is not trusted: it has expired"),
        (certificate_error(62, "Hostname mismatch"), "its certificate is not trusted: it is for another name"),
        (certificate_error(99, "of the future"), "its certificate is not trusted: of the future"),
        (tls_error("WRONG_VERSION_NUMBER"), "it does not speak TLS there"),
        (tls_error("TLSV1_ALERT_PROTOCOL_VERSION"), "TLS failed: tlsv1 alert protocol version"),
        (ssl.SSLEOFError(8, "EOF occurred in violation of protocol (_ssl.c:1006)"), "the connection was closed"),
        (OSError(errno.EMFILE, "Too many open files"), os.strerror(errno.EMFILE).lower()),
    ],
)
def test_each_failure_has_its_words_also_when_it_is_wrapped(error: OSError, words: str) -> None:
    for each in (error, wrapped(error)):
        assert in_words(each).startswith(words)
        assert "Errno" not in in_words(each)
        assert "_ssl.c" not in in_words(each)


def test_what_has_no_number_is_told_by_its_own_words() -> None:
    assert in_words(httpx.RemoteProtocolError("Server disconnected without sending a response.")) == (
        "the connection was closed"
    )
    assert in_words(httpx.ConnectTimeout("")) == "no answer in time"
    assert in_words(ValueError("first\nsecond")) == "first"


def test_tls_that_failed_is_told_from_a_connection_that_was_closed() -> None:
    assert untrusted(wrapped(certificate_error(10))) == "it has expired"
    assert untrusted(ConnectionRefusedError(111, "refused")) == ""
    assert speaks_no_tls(wrapped(tls_error("WRONG_VERSION_NUMBER")))
    assert not speaks_no_tls(wrapped(ConnectionResetError(104, "reset")))
    assert was_closed(wrapped(ConnectionResetError(104, "reset")))
    assert not was_closed(wrapped(ConnectionRefusedError(111, "refused")))


def test_a_chain_without_an_end_ends() -> None:
    error = OSError("x")
    error.__cause__ = error
    assert in_words(error) == "x"
