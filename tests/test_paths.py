from pathlib import Path

import pytest

from hal0.errors import Hal0Error
from hal0.paths import find_socket, locate


def test_a_person_has_xdg_folders() -> None:
    paths = locate({"HOME": "/home/ann", "XDG_RUNTIME_DIR": "/run/user/7"})
    assert paths.config == Path("/home/ann/.config/hal0/hal0.toml")
    assert paths.state == Path("/home/ann/.local/state/hal0")
    assert paths.socket == Path("/run/user/7/hal0/hal0.sock")
    assert paths.logs == Path("/home/ann/.local/state/hal0/logs")
    assert not paths.config_required


def test_the_service_has_what_systemd_gives_it() -> None:
    paths = locate({"HOME": "/", "STATE_DIRECTORY": "/var/lib/hal0:/x", "RUNTIME_DIRECTORY": "/run/hal0"})
    assert (paths.state, paths.runtime) == (Path("/var/lib/hal0"), Path("/run/hal0"))


@pytest.mark.parametrize(
    ("option", "env"), [("/a.toml", {"HAL0_CONFIG": "/b.toml"}), (None, {"HAL0_CONFIG": "/a.toml"})]
)
def test_a_named_file_must_exist(option: str | None, env: dict[str, str]) -> None:
    paths = locate({"HOME": "/home/ann", **env}, config=option)
    assert (paths.config, paths.config_required) == (Path("/a.toml"), True)


def test_own_folders_win_over_all() -> None:
    env = {"HOME": "/h", "HAL0_STATE_DIR": "/s", "HAL0_RUNTIME_DIR": "/r", "STATE_DIRECTORY": "/x"}
    paths = locate(env)
    assert (paths.state, paths.runtime) == (Path("/s"), Path("/r"))


NO_SUCH_HOME = "/" + "x" * 300  # a name that no file system takes: looking there fails


def test_a_home_that_cannot_be_looked_into_is_a_failure_with_a_code() -> None:
    with pytest.raises(Hal0Error) as caught:
        locate({"HOME": NO_SUCH_HOME})
    assert caught.value.code == "system.no_place"


def test_a_user_that_does_not_exist_is_a_failure_with_a_code() -> None:
    with pytest.raises(Hal0Error) as caught:
        locate({"HOME": "/h", "HAL0_CONFIG": "~nobody-of-that-name/hal0.toml"})
    assert caught.value.code == "system.no_place"


def test_no_home_is_needed_where_everything_is_named() -> None:
    named = {"HAL0_CONFIG": "/c.toml", "HAL0_STATE_DIR": "/s", "HAL0_RUNTIME_DIR": "/r"}
    assert locate({"HOME": NO_SUCH_HOME, **named}).state == Path("/s")
    assert find_socket({"HOME": NO_SUCH_HOME, "HAL0_RUNTIME_DIR": "/r"}) == Path("/r/hal0.sock")
