import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from hal0.daemon.instance import claim, vacancy
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


def test_while_a_daemon_runs_there_is_no_vacancy(tmp_path: Path) -> None:
    with claim(paths(tmp_path)), pytest.raises(Hal0Error) as caught, vacancy(paths(tmp_path)):
        pass
    assert caught.value.code == "system.already_running"
    with vacancy(paths(tmp_path)):
        pass


def test_a_daemon_that_starts_waits_for_who_uses_the_vacancy(tmp_path: Path) -> None:
    steps = []

    def start() -> None:
        with claim(paths(tmp_path)):
            steps.append("claimed")

    with vacancy(paths(tmp_path)):
        starting = threading.Thread(target=start)
        starting.start()
        starting.join(0.2)
        steps.append("written")
    starting.join(10)
    assert steps == ["written", "claimed"]


def test_who_holds_a_vacancy_for_too_long_is_named(tmp_path: Path) -> None:
    with vacancy(paths(tmp_path)):
        for wait in (claim, vacancy):
            with pytest.raises(Hal0Error) as caught, wait(paths(tmp_path), patience_seconds=0.1):
                pass
            assert caught.value.code == "config.locked"
            assert str(os.getpid()) in caught.value.remedy


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A place like /tmp, where everybody may write."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


def claim_in(shared: Path, tmp_path: Path) -> None:
    with claim(Paths(tmp_path / "hal0.toml", False, tmp_path / "state", shared / "hal0")):
        pass


def test_the_socket_has_a_private_folder_where_everybody_may_write(shared: Path, tmp_path: Path) -> None:
    for _ in range(2):
        claim_in(shared, tmp_path)
    assert (shared / "hal0").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_others_may_enter_is_refused_there(shared: Path, tmp_path: Path) -> None:
    (shared / "hal0").mkdir()
    (shared / "hal0").chmod(0o755)
    with pytest.raises(Hal0Error, match="its mode is 755"):
        claim_in(shared, tmp_path)


def test_a_link_is_refused_there(shared: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (shared / "hal0").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Hal0Error, match="but a link"):
        claim_in(shared, tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_somebody_elses_folder_is_refused_there(shared: Path, tmp_path: Path) -> None:
    (shared / "hal0").mkdir(mode=0o700)
    os.chown(shared / "hal0", 65534, 65534)
    with pytest.raises(Hal0Error, match="belongs to user 65534"):
        claim_in(shared, tmp_path)


def test_a_full_disk_keeps_only_the_pid_from_being_told(tmp_path: Path) -> None:
    """In a child, for the limit is the whole process's."""
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from hal0.daemon.instance import claim; from hal0.paths import Paths\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)); folder = Path(sys.argv[1])\n"
        "with claim(Paths(folder / 'hal0.toml', False, folder / 'state', folder / 'run')): print('claimed')\n"
    )
    result = subprocess.run(
        [sys.executable, "-B", "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True, timeout=30, check=False
    )
    assert (result.returncode, result.stdout) == (0, "claimed\n")
