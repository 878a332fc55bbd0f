"""`hal0 key`: with a daemon and without one, the same."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.cli.conftest import LIMIT_SECONDS, Ended, Run
from tests.fakes.installation import Installation, installed

CONFIG = """
[daemon]
ports = @PORTS@
[slots.primary]
model = "hal0-starter"
"""


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with installed(tmp_path_factory.mktemp("hal0"), CONFIG) as installation:
        yield installation


@pytest.fixture(params=["by the daemon", "where none runs"])
def command(request: pytest.FixtureRequest, hal0: Run) -> Run:
    if request.param == "where none runs":
        return hal0
    here: Installation = request.getfixturevalue("here")

    def run(*words: str) -> Ended:
        ended = subprocess.run(
            [sys.executable, "-m", "hal0.cli", *words],
            capture_output=True, text=True, env=here.env, timeout=LIMIT_SECONDS, check=False,
        )  # fmt: skip
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    return run


def test_a_key_is_made_listed_and_revoked(command: Run) -> None:
    assert command("key", "list").out.startswith("no keys: anybody who reaches the API may use the models")
    first = command("key", "add", "alice", "--slots", "primary, primary")
    assert first.status == 0
    text = first.out.strip()
    assert len(text) == 51
    assert first.err.splitlines() == [
        "alice: inference, for primary. The key is shown this once.",
        "It is the first: from now on /v1 and /metrics want a key.",
    ]
    boss = json.loads(command("key", "add", "boss", "--scope", "admin", "--json").out)
    assert (boss["name"], boss["scope"], boss["slots"], len(boss["key"])) == ("boss", "admin", [], 51)
    lines = command("key", "list").out.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["KEY", "SCOPE", "SLOTS"], ["alice", "inference", "primary"], ["boss", "admin", "all"],
    ]  # fmt: skip
    listed = command("key", "list", "--json").out
    assert text not in listed
    assert boss["key"] not in listed
    path = Path(json.loads(listed)["path"])
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    for words, code in (
        (("add", "alice"), "system.key_exists"),
        (("add", "Not A Name"), "dispatch.invalid_request"),
        (("add", "bob", "--slots", "primry"), "slot.not_found"),
        (("add", "bob", "--scope", "admin", "--slots", "primary"), "dispatch.invalid_request"),
        (("revoke", "alcie"), "system.key_not_found"),
    ):
        refused = command("key", *words)
        assert (refused.status, refused.out) == (1, "")
        assert refused.err.startswith(f"error: {code}: ")
    assert command("key", "revoke", "alice").out.startswith("alice opens nothing any more")
    assert "no key is left: whoever comes by the port is refused" in command("key", "revoke", "boss").out
    assert "no key is left" in command("key", "list").out
    assert command("key", "off").out.startswith("no keys: anybody")
    assert not path.exists()


def test_a_wrong_scope_is_wrong_usage(hal0: Run) -> None:
    assert hal0("key", "add", "a", "--scope", "everything").status == 2
    assert hal0("key", "add").status == 2


def test_a_broken_file_is_told_and_can_be_turned_off(hal0: Run, env: dict[str, str]) -> None:
    path = Path(env["HAL0_STATE_DIR"]) / "keys.toml"
    path.parent.mkdir()
    path.write_text("[keys")
    for words in (("list",), ("add", "a"), ("revoke", "a")):
        assert hal0("key", *words).err.startswith("error: system.keys_unusable: ")
    assert path.read_text() == "[keys"
    assert hal0("key", "off").status == 0
    assert hal0("key", "add", "a").status == 0


def test_a_file_that_the_configuration_names_keeps_on_wanting_keys(hal0: Run, env: dict[str, str]) -> None:
    config = Path(env["HOME"]) / ".config" / "hal0" / "hal0.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[auth]\nkeys_file = "mine.toml"\n')
    assert hal0("key", "add", "a").status == 0
    assert (config.parent / "mine.toml").exists()
    assert "`keys_file` in [auth] still asks for one" in hal0("key", "off").out
    config.write_text("[auth]\nkeys_file = 1\n")
    assert hal0("key", "list").err.startswith("error: config.rejected: ")


def test_a_key_made_by_the_command_alone_is_known_to_the_daemon_that_starts(tmp_path: Path) -> None:
    hal0 = Installation(tmp_path, CONFIG)
    ended = subprocess.run(
        [sys.executable, "-m", "hal0.cli", "key", "add", "a"],
        capture_output=True, text=True, env=hal0.env, timeout=LIMIT_SECONDS, check=True,
    )  # fmt: skip
    try:
        hal0.start()
        assert httpx.get(f"{hal0.url}/v1/models").status_code == 401
        headers = {"authorization": f"Bearer {ended.stdout.strip()}"}
        assert httpx.get(f"{hal0.url}/v1/models", headers=headers).status_code == 200
        assert "API keys in force: 1" in hal0.log.read_text()
    finally:
        hal0.stop()
