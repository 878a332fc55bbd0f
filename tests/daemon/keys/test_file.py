"""The file of the keys: private, whole, and read with suspicion."""

import os
import stat
from pathlib import Path

import pytest

from hal0.daemon.keys.file import change_keys, read_keys
from hal0.daemon.keys.key import Keys, new_key, with_key
from hal0.errors import Hal0Error

ALICE, TEXT = new_key("alice", "inference", frozenset({"primary", "embed"}))
BOSS, _ = new_key("boss", "admin", None)
ROW = f'scope = "inference"\nsha256 = "{"0" * 64}"\ncreated = 2026-01-02T03:04:05Z\n'


def both(keys: Keys) -> Keys:
    return with_key(with_key(keys, ALICE), BOSS)


def test_what_is_written_is_read_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "keys.toml"
    before = os.umask(0)
    try:
        change_keys(path, both)
    finally:
        os.umask(before)
    assert read_keys(path) == {"alice": ALICE, "boss": BOSS}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert TEXT not in path.read_text()
    assert TEXT.removeprefix("sk-hal0-") not in path.read_text()
    assert [entry.name for entry in path.parent.iterdir()] == ["keys.toml"]


def test_no_file_is_no_keys_and_a_file_without_keys_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    assert read_keys(path) is None
    change_keys(path, lambda keys: {})
    assert read_keys(path) == {}


def test_a_change_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    change_keys(path, both)
    before = path.read_bytes()
    with pytest.raises(Hal0Error) as refused:
        change_keys(path, both)
    assert refused.value.code == "system.key_exists"
    assert path.read_bytes() == before


def test_where_nothing_can_be_written_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Hal0Error) as refused:
        change_keys(tmp_path / "file" / "keys.toml", both)
    assert refused.value.code == "system.keys_unusable"
    with pytest.raises(Hal0Error) as refused:
        change_keys(Path("/proc/keys-of-hal0/keys.toml"), both)
    assert refused.value.code == "config.write_failed"


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_can_write_is_not_believed(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "keys.toml"
    change_keys(path, both)
    path.chmod(mode)
    with pytest.raises(Hal0Error) as refused:
        read_keys(path)
    assert "chmod 600" in refused.value.message


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("keys = [", "Invalid"),
        ("[keys.a]\n", "keys.a.scope"),
        ("[keys.a]\n" + ROW + "more = 1\n", "keys.a.more"),
        ("other = 1\n", "other"),
        ("[keys.A]\n" + ROW, "keys.A"),
        ("[keys.a]\n" + ROW.replace("inference", "everything"), "keys.a.scope"),
        ("[keys.a]\n" + ROW.replace("0000", "00"), "keys.a.sha256"),
        ("[keys.a]\n" + ROW.replace("0000", "ZZZZ"), "keys.a.sha256"),
        ("[keys.a]\n" + ROW.replace("Z", ""), "keys.a.created"),
        ("[keys.a]\n" + ROW + "slots = []\n", "keys.a.slots"),
        ("[keys.a]\n" + ROW.replace("inference", "admin") + 'slots = ["a"]\n', "cannot be limited"),
        ("x = " + "[" * 5_000, ""),
        ("\udcff", "utf-8"),
        ("#" + "x" * 2**20, "larger than 1 MiB"),
    ],
)
def test_a_file_that_is_not_as_hal0_writes_it_is_refused_with_the_place(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "keys.toml"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(Hal0Error) as refused:
        read_keys(path)
    assert refused.value.code == "system.keys_unusable"
    assert reason in refused.value.message
    assert str(path) in refused.value.message


def test_what_is_no_file_is_refused_without_waiting_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(Hal0Error) as refused:
            read_keys(path)
        assert refused.value.code == "system.keys_unusable"
