"""Where the state lies is known before the configuration is judged, and whatever else is wrong with it."""

from pathlib import Path

import pytest

from hal0.daemon.config.place import placed
from hal0.paths import locate

FOUND = {
    "relative": ('[daemon]\nstate_dir = "s"\n', "s"),
    "absolute": ('[daemon]\nstate_dir = "/s"\n', "/s"),
    "of the environment": ('[daemon]\nstate_dir = "${env:DISK}/hal0"\n', "/disk/hal0"),
    "beside a mistake": ('[daemon]\nstate_dir = "/s"\nports = "many"\n[slots.a]\nmodle = 1\n', "/s"),
    "before what is not TOML": ('[daemon]\nstate_dir = "/s" # here\n[slots.a\n', "/s"),
    "in a file that is cut short": ('daemon.state_dir = "/s"\n[slots.a]\nmodel = "x', "/s"),
    "nowhere": ("[daemon]\n", None),
    "no text": ("[daemon]\nstate_dir = 7\n", None),
    "empty": ('[daemon]\nstate_dir = ""\n', None),
    "of a variable that is not set": ('[daemon]\nstate_dir = "${env:NO}/x"\n', None),
    "of nobody": ('[daemon]\nstate_dir = "~nobody-at-all/x"\n', None),
    "no table": ("daemon = 1\n", None),
    "broken itself": ('[daemon]\nstate_dir = "/s\n', None),
}


@pytest.mark.parametrize("name", FOUND)
def test_the_file_says_where_and_wins_over_systemd(tmp_path: Path, name: str) -> None:
    text, wanted = FOUND[name]
    env = {"HOME": "/h", "DISK": "/disk", "STATE_DIRECTORY": "/var/lib/hal0", "HAL0_CONFIG": f"{tmp_path}/hal0.toml"}
    (tmp_path / "hal0.toml").write_text(text)
    state = placed(locate(env), env).state
    assert state == (tmp_path / wanted if wanted is not None else Path("/var/lib/hal0"))
    assert placed(locate({**env, "HAL0_STATE_DIR": "/own"}), {**env, "HAL0_STATE_DIR": "/own"}).state == Path("/own")


def test_a_drop_in_says_where(tmp_path: Path) -> None:
    (tmp_path / "hal0.d").mkdir()
    (tmp_path / "hal0.d" / "a.toml").write_text('[daemon]\nstate_dir = "s"\n')
    env = {"HOME": "/h", "HAL0_CONFIG": f"{tmp_path}/hal0.toml"}
    assert placed(locate(env), env).state == tmp_path / "s"
