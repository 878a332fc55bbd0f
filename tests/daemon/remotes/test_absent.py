"""Keys of remotes that are not there are told with the place that names them."""

from pathlib import Path

from hal0.daemon.config.file import judge
from hal0.daemon.remotes.absent import absent_keys

TEXT = """\
[remotes.a]
kind = "openai"
key_env = "NOT_SET"
[remotes.b]
kind = "openai"
key_file = "key"
[remotes.c]
kind = "openai"
key_env = "SET"
[remotes.d]
url = "http://127.0.0.1:1/v1"
"""


def test_each_key_that_cannot_be_had_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "hal0.toml").write_text(TEXT)
    (tmp_path / "key").write_text("sk-1")
    (tmp_path / "key").chmod(0o644)
    env = {"SET": "sk-2"}
    judgement = judge(tmp_path / "hal0.toml", env=env)
    assert judgement.settings is not None
    found = absent_keys(judgement.settings, judgement.sources, env=env)
    assert [(each.code, each.line, each.column, each.key) for each in found] == [
        ("dispatch.remote_key_missing", 3, 11, "remotes.a.key_env"),
        ("dispatch.remote_key_missing", 6, 12, "remotes.b.key_file"),
    ]
    assert "NOT_SET is not set" in found[0].message
    assert "can be read by other users" in found[1].message
    (tmp_path / "key").chmod(0o600)
    assert len(absent_keys(judgement.settings, judgement.sources, env=env)) == 1
