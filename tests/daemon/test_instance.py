import os
from pathlib import Path

import pytest

from hal0.daemon.instance import claim
from hal0.errors import Hal0Error
from hal0.paths import Paths


def paths(folder: Path) -> Paths:
    return Paths(folder / "hal0.toml", False, folder / "state", folder / "run")


def test_the_folders_are_made_and_private(tmp_path: Path) -> None:
    with claim(paths(tmp_path)):
        assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
        assert (tmp_path / "state/logs").is_dir()
        assert (tmp_path / "run").is_dir()


def test_a_second_claim_is_refused_with_the_pid_of_the_first(tmp_path: Path) -> None:
    with claim(paths(tmp_path)), pytest.raises(Hal0Error) as caught, claim(paths(tmp_path)):
        pass
    assert caught.value.code == "system.already_running"
    assert caught.value.details["pid"] == str(os.getpid())


def test_a_claim_ends_with_its_block(tmp_path: Path) -> None:
    for _ in range(2):
        with claim(paths(tmp_path)):
            pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    with pytest.raises(Hal0Error) as caught, claim(paths(tmp_path)):
        pass
    assert caught.value.code == "system.state_unwritable"
    assert str(tmp_path / "state") in caught.value.message
