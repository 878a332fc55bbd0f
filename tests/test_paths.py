from pathlib import Path

import pytest

from hal0.paths import locate


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
