"""Which key a request shows, and whether it may come in."""

from typing import Any

import pytest

from hal0.daemon.keys.key import Key, new_key
from hal0.daemon.keys.ring import Keyring
from hal0.errors import Hal0Error

ALICE, TEXT = new_key("alice", "inference", None)
BOSS, BOSS_TEXT = new_key("boss", "admin", None)
RING = Keyring({"alice": ALICE, "boss": BOSS}, required=True)
PEER = ("192.0.2.7", 4711)

Headers = list[tuple[bytes, bytes]]


def asked(*headers: tuple[bytes, bytes], client: tuple[str, int] | None = PEER) -> dict[str, Any]:
    return {"client": client, "headers": [(b"host", b"hal0"), *headers]}


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ([(b"authorization", b"Bearer " + TEXT.encode())], ALICE),
        ([(b"authorization", b"bearer   " + TEXT.encode() + b" ")], ALICE),
        ([(b"x-api-key", TEXT.encode())], ALICE),
        ([(b"x-api-key", b"none"), (b"authorization", b"Bearer " + BOSS_TEXT.encode())], BOSS),
        ([(b"authorization", b"Bearer none"), (b"x-api-key", BOSS_TEXT.encode())], BOSS),
        ([(b"authorization", b"Basic YTpi"), (b"authorization", b"Bearer " + TEXT.encode())], ALICE),
    ],
)
def test_a_key_is_found_wherever_clients_put_it(headers: Headers, key: Key) -> None:
    assert RING.admit(asked(*headers)) is key


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ([], "has none"),
        ([(b"authorization", b"Basic YTpi")], "has none"),
        ([(b"authorization", TEXT.encode())], "has none"),
        ([(b"authorization", b"Bearer")], "has none"),
        ([(b"authorization", b"Bearer ")], "not known"),
        ([(b"x-api-key", b"")], "not known"),
        ([(b"x-api-key", TEXT[:-1].encode())], "not known"),
        ([(b"x-api-key", TEXT.encode() + b"x")], "not known"),
        ([(b"x-api-key", TEXT.upper().encode())], "not known"),
        ([(b"x-api-key", ALICE.digest)], "not known"),
        ([(b"x-api-key", ALICE.digest.hex().encode())], "not known"),
        ([(b"x-api-key", b"alice")], "not known"),
        ([(b"x-api-key", "schlüssel".encode())], "not known"),
        ([(b"authorization", b"Bearer \xff\x00\xfe")], "not known"),
        ([(b"x-api-key", b"x" * 60_000)], "not known"),
    ],
)
def test_anything_else_is_refused_and_not_repeated(headers: Headers, reason: str) -> None:
    with pytest.raises(Hal0Error) as refused:
        RING.admit(asked(*headers))
    assert (refused.value.code, refused.value.status) == ("system.auth_required", 401)
    assert reason in refused.value.message
    for _, value in headers:
        assert len(value) < 5 or value not in refused.value.body()


def test_while_none_is_required_none_is_looked_at() -> None:
    ring = Keyring()
    assert ring.admit(asked()) is None
    assert ring.admit(asked((b"authorization", b"Bearer none"))) is None


def test_whoever_comes_by_the_unix_socket_needs_none() -> None:
    assert RING.admit(asked(client=None)) is None


def test_keys_that_were_put_aside_open_nothing() -> None:
    ring = Keyring({"alice": ALICE}, required=True)
    ring.put({"boss": BOSS}, required=True)
    assert ring.find([(b"x-api-key", BOSS_TEXT.encode())]) is BOSS
    with pytest.raises(Hal0Error):
        ring.find([(b"x-api-key", TEXT.encode())])


def test_two_keys_have_nothing_in_common_but_the_beginning() -> None:
    texts = {new_key("a", "inference", None)[1] for _ in range(100)}
    assert len(texts) == 100
    assert all(text.startswith("sk-hal0-") and len(text) == 8 + 43 for text in texts)


@pytest.mark.parametrize("name", ["", "Alice", "a b", "-a", "ä", "a" * 41, "a\n", "../a", 'a"'])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(Hal0Error) as refused:
        new_key(name, "inference", None)
    assert (refused.value.code, refused.value.param) == ("dispatch.invalid_request", "name")
