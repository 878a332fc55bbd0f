"""What hal0 keeps is private, whole, and its owner's also if root writes it."""

import os
from pathlib import Path

import pytest

from hal0.daemon.config.keeping import keep


def test_a_text_is_for_its_owner_alone_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "state" / "a.toml"
    for text in ("one", "another"):
        keep(path, text)
        assert path.read_text() == text
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert os.listdir(path.parent) == ["a.toml"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can write for others")
def test_what_root_keeps_in_anothers_folder_is_theirs(tmp_path: Path) -> None:
    os.chown(tmp_path, 4321, 8765)
    keep(tmp_path / "config" / "a.toml", "text")
    for made in (tmp_path / "config", tmp_path / "config" / "a.toml"):
        assert (made.stat().st_uid, made.stat().st_gid) == (4321, 8765)
