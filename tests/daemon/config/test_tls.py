"""A certificate or key that cannot be used is a problem of the configuration, with its place, before a start."""

import os
import ssl
import subprocess
from pathlib import Path

import pytest
import trustme

from hal0.daemon.config.file import check
from hal0.daemon.config.schema import Server
from hal0.daemon.config.tls import server_context
from hal0.wire import Problem
from tests.fakes.tls import Pair, pair

PEM = "-----BEGIN {0}-----\nAAAA\n-----END {0}-----\n"


@pytest.fixture
def good(tmp_path: Path) -> Pair:
    return pair(tmp_path)


def problems(folder: Path, certificate: object, key: object) -> list[Problem]:
    file = folder / "hal0.toml"
    file.write_text(f'[server]\ntls_cert = "{certificate}"\ntls_key = "{key}"\n')
    return check(file, env={})


def test_a_pair_is_accepted_also_in_one_file_and_by_a_relative_path(tmp_path: Path, good: Pair) -> None:
    assert problems(tmp_path, good.certificate, good.key) == []
    (tmp_path / "both.pem").write_bytes(good.key.read_bytes() + good.certificate.read_bytes())
    assert problems(tmp_path, "both.pem", "./both.pem") == []


def test_it_speaks_nothing_older_than_tls_1_2(good: Pair) -> None:
    context = server_context(Server(tls_cert=str(good.certificate), tls_key=str(good.key)))
    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert server_context(Server()) is None


def bad(folder: Path, name: str, good: Pair) -> tuple[Path, Path]:
    """A certificate and a key of which one is not right."""
    path = folder / name
    match name:
        case "no file":
            return good.certificate, path
        case "a folder":
            return folder, good.key
        case "a pipe":
            os.mkfifo(path)
            return path, good.key
        case "not PEM":
            path.write_bytes(b"\x30\x82\x01")
            return path, good.key
        case "a broken certificate":
            path.write_text(PEM.format("CERTIFICATE"))
            return path, good.key
        case "a broken key":
            path.write_text(PEM.format("PRIVATE KEY"))
            return good.certificate, path
        case "changed about":
            return good.key, good.certificate
        case "another's key":
            return good.certificate, pair(folder, "other").key
        case "another kind of key":
            trustme.CA(key_type=trustme.KeyType.RSA).issue_cert("a").private_key_pem.write_to_path(str(path))
            return good.certificate, path
    raise AssertionError(name)


@pytest.mark.parametrize(
    ("name", "place", "reason"),
    [
        ("no file", "server.tls_key", "No such file or directory"),
        ("a folder", "server.tls_cert", "it is not a file"),
        ("a pipe", "server.tls_cert", "it is not a file"),
        ("not PEM", "server.tls_cert", "no certificate in PEM form"),
        ("a broken certificate", "server.tls_cert", "no certificate in PEM form"),
        ("a broken key", "server.tls_key", "no private key in PEM form"),
        ("changed about", "server.tls_cert", "no certificate in PEM form"),
        ("another's key", "server.tls_key", "it is not the key of "),
        ("another kind of key", "server.tls_key", "it is not the key of "),
    ],
)
def test_each_fault_is_told_of_the_file_that_has_it(
    tmp_path: Path, good: Pair, name: str, place: str, reason: str
) -> None:
    (problem,) = problems(tmp_path, *bad(tmp_path, name, good))
    assert (problem.code, problem.key) == ("config.tls_unusable", place)
    assert (problem.line, problem.column) == ((2, 12) if place == "server.tls_cert" else (3, 11))
    assert reason in problem.message


def test_a_key_with_a_password_is_refused_without_asking_for_it(tmp_path: Path, good: Pair) -> None:
    locked = tmp_path / "locked.key"
    command = ["openssl", "pkey", "-in", str(good.key), "-aes256", "-passout", "pass:secret", "-out", str(locked)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    (problem,) = problems(tmp_path, good.certificate, locked)
    assert "locked with a password" in problem.message


@pytest.mark.parametrize(("name", "missing"), [("tls_cert", "tls_key"), ("tls_key", "tls_cert")])
def test_one_without_the_other_is_refused(tmp_path: Path, good: Pair, name: str, missing: str) -> None:
    file = tmp_path / "hal0.toml"
    file.write_text(f'[server]\n{name} = "{good.certificate}"\n')
    (problem,) = check(file, env={})
    assert problem.code == "config.invalid"
    assert f"`{missing}` is missing" in problem.message
