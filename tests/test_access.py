"""What is shown to a daemon elsewhere, and whom a program trusts."""

import ssl
from pathlib import Path

import pytest

from hal0.access import Access, tls_failure
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


def test_what_is_no_failure_of_tls_is_not_called_one() -> None:
    assert tls_failure(ConnectionRefusedError(111, "refused")) == ""
    assert tls_failure(None) == ""
