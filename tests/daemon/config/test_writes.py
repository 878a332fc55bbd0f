"""A file is the old one or the new one, whole, whatever happens while it is written."""

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from hal0.daemon.config.journal import Change, Journal
from hal0.daemon.config.writes import finish, make_changes
from hal0.errors import Hal0Error

OLD, NEW = b"old = 1\n" * 9_000, b"new = 2\n" * 11_000


def replace_file(path: Path, raw: bytes, *, expected: bytes | None) -> None:
    make_changes([Change(path, expected, raw)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "hal0.toml"
    path.write_bytes(OLD)
    return path


def test_mode_and_owner_stay(file: Path) -> None:
    file.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(file, 1234, 5678)
    before = file.stat()
    replace_file(file, NEW, expected=OLD)
    after = file.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_ino != before.st_ino


def test_a_link_stays_a_link_and_what_it_leads_to_is_written(tmp_path: Path, file: Path) -> None:
    (tmp_path / "etc").mkdir()
    link = tmp_path / "etc" / "hal0.toml"
    link.symlink_to("../hal0.toml")
    replace_file(link, NEW, expected=OLD)
    assert os.readlink(link) == "../hal0.toml"
    assert file.read_bytes() == NEW
    assert os.listdir(tmp_path / "etc") == ["hal0.toml"]


def test_a_file_that_is_not_there_comes_with_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "hal0.toml"
    replace_file(path, NEW, expected=None)
    assert path.read_bytes() == NEW


def test_what_somebody_else_wrote_is_not_overwritten(file: Path) -> None:
    file.write_bytes(b"theirs = 1\n")
    with pytest.raises(Hal0Error) as caught:
        replace_file(file, NEW, expected=OLD)
    assert caught.value.code == "config.conflict"
    assert file.read_bytes() == b"theirs = 1\n"
    with pytest.raises(Hal0Error):
        replace_file(file, NEW, expected=None)


def test_a_file_without_write_bits_is_refused(tmp_path: Path, file: Path) -> None:
    file.chmod(0o444)
    with pytest.raises(Hal0Error) as caught:
        replace_file(file, NEW, expected=OLD)
    assert caught.value.code == "config.read_only"
    assert file.read_bytes() == OLD
    assert os.listdir(tmp_path) == ["hal0.toml"]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What the system is told about the disk: the call, and the name of the file or folder."""
    told: list[tuple[str, str]] = []
    real = {"fsync": os.fsync, "replace": os.replace, "unlink": os.unlink}

    def fsync(descriptor: int) -> None:
        told.append(("fsync", os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}"))))
        real["fsync"](descriptor)

    def replace(source: str, target: str, **more: Any) -> None:
        told.append(("replace", os.path.basename(target)))
        real["replace"](source, target, **more)

    def unlink(path: str, **more: Any) -> None:
        real["unlink"](path, **more)
        told.append(("unlink", os.path.basename(path)))

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(os, "unlink", unlink)
    return told


def test_a_file_is_on_the_disk_before_its_name_is_and_its_name_before_anybody_is_told(
    file: Path, calls: list[tuple[str, str]]
) -> None:
    """After a power cut the name must not lead to an empty file; no test can cut it, so the order is looked at."""
    replace_file(file, NEW, expected=OLD)
    assert calls == [("fsync", ".hal0.toml.hal0-new"), ("replace", "hal0.toml"), ("fsync", file.parent.name)]


def write_in_a_child(file: Path, prepare: str) -> str:
    """Let a child process try; the code and reason it was refused with."""
    program = f"""
import os, resource, sys
from pathlib import Path
from hal0.daemon.config.journal import Change
from hal0.daemon.config.writes import make_changes
from hal0.errors import Hal0Error
{prepare}
file = Path(sys.argv[1])
try:
    make_changes([Change(file, file.read_bytes(), b"new = 2\\n" * 11_000)])
except Hal0Error as error:
    print(error)
"""
    words = [sys.executable, "-c", program, str(file)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_a_disk_that_takes_no_more_leaves_the_old_file(tmp_path: Path, file: Path) -> None:
    limit = "resource.setrlimit(resource.RLIMIT_FSIZE, (80_000, resource.RLIM_INFINITY))"
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] == resource.RLIM_INFINITY
    assert write_in_a_child(file, limit) == (
        f"config.write_failed: {file} could not be written: {os.strerror(errno.EFBIG)}"
    )
    assert file.read_bytes() == OLD
    assert os.listdir(tmp_path) == ["hal0.toml"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("this root may not mount")
    try:
        file = disk / "hal0.toml"
        file.write_bytes(OLD)
        assert write_in_a_child(file, "").startswith("config.write_failed")
        assert file.read_bytes() == OLD
        assert os.listdir(disk) == ["hal0.toml"]
        journal = Journal(tmp_path / "state")
        with pytest.raises(Hal0Error, match=r"config\.write_failed"):
            make_changes([Change(disk / "a.toml", None, b"a = 1\n"), Change(file, OLD, NEW)], journal)
        assert (os.listdir(disk), file.read_bytes(), journal.pending()) == (["hal0.toml"], OLD, [])
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert write_in_a_child(file, "").startswith("config.read_only")
        assert file.read_bytes() == OLD
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs another user")
def test_another_users_file_in_a_folder_that_all_may_write_keeps_its_owner(tmp_path: Path, file: Path) -> None:
    tmp_path.chmod(0o777)
    file.chmod(0o666)
    for folder in [tmp_path, *tmp_path.parents][:4]:
        folder.chmod(folder.stat().st_mode | 0o005)
    assert write_in_a_child(file, "os.setgid(4321); os.setuid(4321)").startswith("config.read_only")
    assert file.read_bytes() == OLD
    assert os.listdir(tmp_path) == ["hal0.toml"]


# Several files ---------------------------------------------------------------------------------------------------


@pytest.fixture
def changes(tmp_path: Path) -> list[Change]:
    """One file is changed, one comes in a folder of its own, one goes."""
    (tmp_path / "a.toml").write_bytes(b"a = 1\n")
    (tmp_path / "c.toml").write_bytes(b"c = 1\n")
    return [
        Change(tmp_path / "a.toml", b"a = 1\n", b"a = 2\n"),
        Change(tmp_path / "d" / "b.toml", None, b"b = 2\n"),
        Change(tmp_path / "c.toml", b"c = 1\n", None),
    ]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "state")


def contents(changes: list[Change]) -> list[bytes | None]:
    return [change.path.read_bytes() if change.path.exists() else None for change in changes]


def olds(changes: list[Change]) -> list[bytes | None]:
    return [change.old for change in changes]


def news(changes: list[Change]) -> list[bytes | None]:
    return [change.new for change in changes]


def test_several_files_are_one_write_and_nothing_is_left_of_it(
    tmp_path: Path, changes: list[Change], journal: Journal
) -> None:
    make_changes(changes, journal)
    assert contents(changes) == news(changes)
    assert journal.pending() == []
    assert sorted(os.listdir(tmp_path)) == ["a.toml", "d", "state"]
    assert os.listdir(tmp_path / "d") == ["b.toml"]
    assert os.listdir(tmp_path / "state") == []


def test_of_several_files_what_is_to_be_done_is_on_the_disk_before_the_first_is_touched(
    changes: list[Change], journal: Journal, calls: list[tuple[str, str]]
) -> None:
    make_changes(changes, journal)
    noted = calls.index(("replace", journal.path.name))
    assert calls[noted + 1] == ("fsync", journal.path.parent.name)
    touched = [
        calls.index(("replace", "a.toml")),
        calls.index(("replace", "b.toml")),
        calls.index(("unlink", "c.toml")),
    ]
    for name in (f".{journal.path.name}.new", ".a.toml.hal0-new", ".b.toml.hal0-new"):
        assert ("fsync", name) in calls[:noted]
    assert min(touched) > noted + 1
    assert all(calls[at + 1][0] == "fsync" for at in touched)
    assert calls.index(("unlink", journal.path.name)) > max(touched) + 1


def test_one_file_that_cannot_be_written_leaves_all_as_they_were(changes: list[Change], journal: Journal) -> None:
    changes[2].path.write_bytes(b"theirs = 1\n")
    with pytest.raises(Hal0Error, match=r"config\.conflict"):
        make_changes(changes, journal)
    assert contents(changes) == [b"a = 1\n", None, b"theirs = 1\n"]
    assert not finish(journal)
    changes[2].path.write_bytes(b"c = 1\n")
    make_changes(changes, journal)
    assert contents(changes) == news(changes)


def test_a_failure_between_two_files_takes_the_first_back(
    tmp_path: Path, changes: list[Change], journal: Journal
) -> None:
    """What is a folder cannot be replaced by a file, and that shows only at the rename."""
    in_the_way = tmp_path / "e.toml"
    in_the_way.symlink_to("f")
    last = Change(in_the_way, None, b"e = 2\n")

    class Late(Journal):
        def begin(self, changes: Iterable[Change]) -> None:
            super().begin(changes)
            (tmp_path / "f").mkdir(exist_ok=True)
            in_the_way.unlink(missing_ok=True)

    with pytest.raises(Hal0Error, match=r"config\.write_failed"):
        make_changes([*changes, last], Late(journal.path.parent))
    assert contents(changes) == olds(changes)
    assert journal.pending() == []
    assert [name for name in os.listdir(tmp_path) if "hal0-new" in name] == []


def test_what_was_begun_is_finished_and_what_was_not_is_left(changes: list[Change], journal: Journal) -> None:
    journal.begin(changes)
    assert not finish(journal)
    assert contents(changes) == olds(changes)
    journal.begin(changes)
    changes[0].path.write_bytes(b"a = 2\n")
    assert finish(journal)
    assert contents(changes) == news(changes)
    assert not finish(journal)


def test_what_somebody_wrote_after_the_crash_is_not_touched(changes: list[Change], journal: Journal) -> None:
    journal.begin(changes)
    changes[0].path.write_bytes(b"a = 2\n")
    changes[2].path.write_bytes(b"mine = 3\n")
    assert finish(journal)
    assert contents(changes) == [b"a = 2\n", b"b = 2\n", b"mine = 3\n"]


def test_what_cannot_be_finished_is_told_and_stays_to_be_finished(
    tmp_path: Path, changes: list[Change], journal: Journal
) -> None:
    journal.begin(changes)
    changes[0].path.write_bytes(b"a = 2\n")
    (tmp_path / "d").write_text("in the way")
    with pytest.raises(Hal0Error) as caught:
        finish(journal)
    assert caught.value.code == "config.unfinished"
    assert str(journal.path) in caught.value.message + caught.value.remedy + str(caught.value.details)
    (tmp_path / "d").unlink()
    assert finish(journal)
    assert contents(changes) == news(changes)


def test_a_damaged_journal_is_as_if_there_were_none(journal: Journal) -> None:
    for text in ("", "changes = 1", "[[changes]]\npath = 1", '[[changes]]\npath = "x"\nold = "%"', "\0"):
        journal.path.parent.mkdir(exist_ok=True)
        journal.path.write_text(text)
        assert journal.pending() == []
