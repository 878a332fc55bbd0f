"""What is shown to a daemon elsewhere, and whom a program trusts."""

import socket
import ssl
import threading
from contextlib import suppress
from http.client import RemoteDisconnected
from pathlib import Path

import pytest

from hal0.access import Access, checked_address, speaks_tls, unreached
from hal0.errors import Hal0Error
from tests.fakes.tls import pair


def test_the_key_of_the_environment_is_shown_and_never_printed() -> None:
    access = Access.of({"HAL0_KEY": " sk-hal0-secret\n"})
    assert access.headers == {"Authorization": "Bearer sk-hal0-secret"}
    assert "secret" not in repr(access)
    assert Access.of({}).headers == {}


@pytest.mark.parametrize("key", ["two\nlines", "schlüssel", "a\0b"])
def test_a_key_that_no_header_can_carry_is_refused_without_repeating_it(key: str) -> None:
    with pytest.raises(Hal0Error) as refused:
        Access.of({"HAL0_KEY": key})
    assert refused.value.code == "config.invalid"
    assert key not in refused.value.message
    assert "HAL0_KEY" in refused.value.message


def test_a_certificate_counts_by_itself_beside_those_of_the_system(tmp_path: Path) -> None:
    made = pair(tmp_path)
    before = Access().context().cert_store_stats()["x509"]
    context = Access(certificate=str(made.certificate)).context()
    assert context.cert_store_stats()["x509"] > before
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED


def test_a_certificate_that_is_none_has_a_code(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no certificate")
    for name in ("text", "absent"):
        with pytest.raises(Hal0Error) as refused:
            Access(certificate=str(tmp_path / name)).context()
        assert refused.value.code == "config.tls_unusable"


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("box", "http://box"),
        ("box:8080", "http://box:8080"),
        ("https://box:8080/", "https://box:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_an_address_may_come_without_its_scheme(host: str, url: str) -> None:
    assert checked_address(host) == url


@pytest.mark.parametrize(
    "host",
    [
        "",
        "ftp://box",
        "http://",
        "box:port",
        "box:70000",
        "box:0",
        "http://[::1",
        "http://box:8080/v1",
        "a box",
        "a\nb",
    ],
)
def test_what_is_no_address_is_refused_with_a_code(host: str) -> None:
    with pytest.raises(Hal0Error) as refused:
        checked_address(host)
    assert refused.value.code == "system.bad_address"


@pytest.mark.parametrize(
    ("error", "where", "code", "words"),
    [
        (FileNotFoundError(2, "No such file"), "/run/h.sock", "system.daemon_down", "there is no such socket"),
        (ConnectionRefusedError(111, "refused"), "/run/h.sock", "system.daemon_down", "the connection was refused"),
        (PermissionError(13, "denied"), "/run/h.sock", "system.forbidden", "may not open /run/h.sock"),
        (TimeoutError(), "http://box", "system.daemon_down", "no answer in time"),
        (socket.gaierror(socket.EAI_NONAME, "x"), "http://box", "system.bad_address", "its name is not known"),
        (UnicodeError("label too long"), "http://box", "system.daemon_down", "label too long"),
    ],
)
def test_each_failure_to_reach_a_daemon_has_its_code(error: Exception, where: str, code: str, words: str) -> None:
    told = unreached(error, where=where)
    assert told.code == code
    assert words in told.message


def test_an_address_without_tls_is_tried_with_it(tmp_path: Path) -> None:
    made = pair(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(20)  # else a probe that does not come would hold the test up for ever
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"

        def answer() -> None:
            with suppress(OSError), context.wrap_socket(listening.accept()[0], server_side=True):
                pass

        for closed in (ConnectionResetError(104, "reset"), RemoteDisconnected("closed without a response")):
            answering = threading.Thread(target=answer)
            answering.start()
            told = unreached(closed, where=url)
            answering.join()
            assert (told.code, told.details["right"]) == ("system.tls_mismatch", url.replace("http:", "https:"))
    assert unreached(ConnectionResetError(104, "reset"), where=url).code == "system.daemon_down"
    assert not speaks_tls("/run/hal0.sock")
