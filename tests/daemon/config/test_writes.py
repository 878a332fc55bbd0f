"""A file is the old one or the new one, whole, whatever happens while it is written."""

import errno
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hal0.daemon.config.writes import replace_file
from hal0.errors import Hal0Error

OLD, NEW = b"old = 1\n" * 9_000, b"new = 2\n" * 11_000

# Ends itself before or after the call of the system with this number, counted over all that the write makes.
VICTIM = """
import os, signal, sys
from pathlib import Path
from hal0.daemon.config.writes import replace_file

path, number, new = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
raw, expected, seen = Path(new).read_bytes(), path.read_bytes(), 0

def count(frame, event, called):
    global seen
    if event in ("c_call", "c_return") and getattr(called, "__module__", "") in ("posix", "fcntl"):
        seen += 1
        if seen == number:
            os.kill(os.getpid(), signal.SIGKILL)

sys.setprofile(count)
replace_file(path, raw, expected=expected)
sys.setprofile(None)
print(seen)
"""


def victim(folder: Path, number: int) -> subprocess.CompletedProcess[str]:
    (folder / "new").write_bytes(NEW)
    words = [sys.executable, "-c", VICTIM, str(folder / "hal0.toml"), str(number), str(folder / "new")]
    return subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "hal0.toml"
    path.write_bytes(OLD)
    return path


def test_a_writer_killed_at_any_step_leaves_the_old_file_or_the_new_one(tmp_path: Path, file: Path) -> None:
    ended = victim(tmp_path, 0)
    assert ended.returncode == 0, ended.stderr
    steps = int(ended.stdout)
    assert steps > 20
    outcomes = []
    for number in range(1, steps + 1):
        file.write_bytes(OLD)
        assert victim(tmp_path, number).returncode == -signal.SIGKILL
        outcomes.append(file.read_bytes())
        assert outcomes[-1] in (OLD, NEW), f"step {number}"
    turn = outcomes.index(NEW)
    assert outcomes == [OLD] * turn + [NEW] * (steps - turn)
    # The next writer is not disturbed by what the killed ones left, and leaves nothing itself.
    file.write_bytes(OLD)
    replace_file(file, NEW, expected=OLD)
    assert sorted(os.listdir(tmp_path)) == ["hal0.toml", "new"]


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


def write_in_a_child(file: Path, prepare: str) -> str:
    """Let a child process try; the code and reason it was refused with."""
    program = f"""
import os, resource, sys
from pathlib import Path
from hal0.daemon.config.writes import replace_file
from hal0.errors import Hal0Error
{prepare}
file = Path(sys.argv[1])
try:
    replace_file(file, b"new = 2\\n" * 11_000, expected=file.read_bytes())
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
