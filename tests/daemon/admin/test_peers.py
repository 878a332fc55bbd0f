"""The user at the other end of a connection, out of written tables and out of the kernel's own."""

import os
import socket
import sys
from pathlib import Path

import pytest

from hal0.daemon.admin.peers import user_of

HEADING = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
PEER, HERE = ("127.0.0.1", 50606), ("127.0.0.1", 8080)
V4 = "0100007F:C5AE 0100007F:1F90"
V6 = "00000000000000000000000001000000:C5AE 00000000000000000000000001000000:1F90"
MAPPED = "0000000000000000FFFF00000100007F:C5AE 0000000000000000FFFF00000100007F:1F90"

little = pytest.mark.skipif(sys.byteorder != "little", reason="the tables are written as a little-endian kernel does")


def row(addresses: str, *, state: str = "01", user: int = 1000, inode: int = 4711) -> str:
    return f"   1: {addresses} {state} 00000000:00000000 00:00000000 00000000 {user:5d}        0 {inode} 1 0 20 4 30\n"


def tables(folder: Path, tcp: str = "", tcp6: str = "") -> Path:
    (folder / "net").mkdir()
    (folder / "net/tcp").write_text(HEADING + tcp)
    (folder / "net/tcp6").write_text(HEADING + tcp6)
    return folder


@little
def test_the_user_is_that_of_the_connecting_end(tmp_path: Path) -> None:
    other_end = row("0100007F:1F90 0100007F:C5AE", user=0)
    assert user_of(PEER, HERE, tables(tmp_path, other_end + row(V4, user=1000))) == 1000


@little
def test_both_ends_must_be_those_of_the_connection(tmp_path: Path) -> None:
    elsewhere = row("0100007F:C5AE 0100007F:1F91", user=0)
    assert user_of(PEER, HERE, tables(tmp_path, elsewhere)) is None


@little
def test_ipv6_has_its_table(tmp_path: Path) -> None:
    assert user_of(("::1", 50606), ("::1", 8080), tables(tmp_path, tcp6=row(V6, user=7))) == 7


@little
@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1"])
def test_ipv4_is_found_in_either_table(tmp_path: Path, address: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    peer, here = (address, 50606), (address, 8080)
    assert user_of(peer, here, tables(tmp_path / "a", tcp=row(V4, user=7))) == 7
    assert user_of(peer, here, tables(tmp_path / "b", tcp6=row(MAPPED, user=7))) == 7


@little
@pytest.mark.parametrize("state", ["04", "05", "06", "08"])
def test_a_connection_that_is_being_closed_is_nobodys(tmp_path: Path, state: str) -> None:
    assert user_of(PEER, HERE, tables(tmp_path, row(V4, state=state, user=0))) is None


@little
def test_a_connection_that_no_process_holds_is_nobodys(tmp_path: Path) -> None:
    assert user_of(PEER, HERE, tables(tmp_path, row(V4, user=0, inode=0))) is None


def test_without_tables_nobody_is_known(tmp_path: Path) -> None:
    assert user_of(PEER, HERE, tmp_path) is None
    assert user_of(("not an address", 1), HERE, tmp_path) is None


@pytest.mark.parametrize(
    ("family", "listen_on", "connect_to"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1"),
        (socket.AF_INET6, "::1", "::1"),
        (socket.AF_INET6, "::", "127.0.0.1"),
        (socket.AF_INET, "127.0.0.1", "::ffff:127.0.0.1"),
    ],
)
def test_the_kernel_tells_of_a_connection_of_our_own(family: int, listen_on: str, connect_to: str) -> None:
    with socket.socket(family) as listener:
        listener.bind((listen_on, 0))
        listener.listen()
        port = listener.getsockname()[1]
        with socket.socket(socket.AF_INET6 if ":" in connect_to else socket.AF_INET) as client:
            client.connect((connect_to, port))
            served, peer = listener.accept()
            with served:
                here = served.getsockname()
                assert user_of(peer[:2], here[:2]) == os.geteuid()
                client.close()
                assert user_of(peer[:2], here[:2]) is None
