"""What two configurations have different, and what waits for a restart of the daemon."""

from pathlib import Path
from typing import Any

import pytest

from hal0.daemon.config.file import judge
from hal0.daemon.config.origins import values
from hal0.daemon.config.schema import Settings
from hal0.daemon.config.snapshot import Diff, compare, keys_awaiting_restart


def settings(folder: Path, text: str) -> Settings:
    path = folder / "hal0.toml"
    path.write_text(text)
    found = judge(path, env={}).settings
    assert found is not None
    return found


BASE = """
[server]
port = 9000
[models.m]
path = "/m"
[slots.a]
model = "m"
[slots.b]
model = "n"
env = { TOKEN = "hunter2" }
"""


def test_equal_settings_have_no_difference(tmp_path: Path) -> None:
    assert compare(settings(tmp_path, BASE), settings(tmp_path, "# again\n" + BASE)) == Diff()


@pytest.mark.parametrize(
    ("old", "new", "keys", "line"),
    [
        ("port = 9000", "port = 9001", ("server.port",), "server.port: 9000 → 9001"),
        ('path = "/m"', 'path = "/n"', ("models.m.path",), 'models.m.path: "/m" → "/n"'),
        ("[models.m]", "[models.n]", ("models.m", "models.n"), "models.m removed"),
        ("[models.m]", '[models]\nfolders = ["/f"]\n[models.m]', ("models.folders",), 'models.folders: [] → ["/f"]'),
        ("[slots.b]", "unload_after = 90\n[slots.b]", ("slots.a.unload_after",), 'slots.a.unload_after: unset → "90s"'),
        ("[slots.b]", "threads = 2\n[slots.b]", ("slots.a.threads",), "slots.a.threads: unset → 2"),
        ("hunter2", "hunter3", ("slots.b.env",), "slots.b.env changed"),
    ],
)
def test_a_changed_key_is_told_with_both_values(
    tmp_path: Path, old: str, new: str, keys: tuple[str, ...], line: str
) -> None:
    diff = compare(settings(tmp_path, BASE), settings(tmp_path, BASE.replace(old, new)))
    assert diff.keys == keys
    assert diff.lines[0] == line
    assert not any("hunter" in line for line in diff.lines)


NAMED = '[remotes.r]\nkind = "openrouter"\naliases = { fast = "a", slow = "b" }\n'


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('"a"', '"c"', 'remotes.r.aliases.fast: "a" → "c"'),
        (', slow = "b"', "", 'remotes.r.aliases.slow: "b" → unset'),
        ("fast = ", "quick = ", 'remotes.r.aliases.fast: "a" → unset'),
    ],
)
def test_names_with_plain_values_are_told_one_by_one(tmp_path: Path, old: str, new: str, line: str) -> None:
    assert compare(settings(tmp_path, NAMED), settings(tmp_path, NAMED.replace(old, new))).lines[0] == line


SECRET = {"HOST": "https://hunter2.lan", "NAME": "hunter3", "OTHER": "hunter4"}


def test_what_the_environment_fills_in_is_told_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "hal0.toml"
    path.write_text('[slots.a]\nmodel = "m"\naliases = ["x"]\n[remotes.r]\nurl = "https://a.lan/v1"\n')
    before = judge(path, env=SECRET)
    path.write_text(
        '[slots.a]\nmodel = "${env:NAME}"\naliases = ["x", "my-${env:OTHER}"]\n[remotes.r]\nurl = "${env:HOST}/v1"\n'
    )
    after = judge(path, env=SECRET)
    again = judge(path, env={**SECRET, "NAME": "hunter5"})
    assert before.settings is not None
    assert after.settings is not None
    assert again.settings is not None
    diff = compare(before.settings, after.settings, was=before.raw, now=after.raw)
    assert diff.lines == (
        'slots.a.model: "m" → "${env:NAME}"',
        'slots.a.aliases: ["x"] → ["x", "my-${env:OTHER}"]',
        'remotes.r.url: "https://a.lan/v1" → "${env:HOST}/v1"',
    )
    assert compare(after.settings, again.settings, was=after.raw, now=again.raw).lines == ("slots.a.model changed",)
    shown = {each.key: (each.value, each.origin) for each in values(after.settings, after.sources, SECRET)}
    assert shown["slots.a.model"] == ('"${env:NAME}"', f"{path}:2")
    assert shown["slots.a.aliases"][0] == '["x", "my-${env:OTHER}"]'
    assert "hunter" not in str(shown)


def test_the_aliases_of_a_remote_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "hal0.toml"
    path.write_text(NAMED)
    judgement = judge(path, env={})
    assert judgement.settings is not None
    shown = {each.key: each.value for each in values(judgement.settings, judgement.sources, {})}
    assert shown["remotes.r.aliases.fast"] == '"a"'


def test_slots_are_told_apart_as_added_removed_and_changed(tmp_path: Path) -> None:
    new = BASE.replace("[slots.a]", "[slots.c]").replace('model = "n"', 'model = "o"\ncontext = 64')
    diff = compare(settings(tmp_path, BASE), settings(tmp_path, new))
    assert (diff.slots_added, diff.slots_removed, diff.slots_changed) == (("c",), ("a",), ("b",))


def test_keys_read_at_the_start_wait_for_a_restart_until_they_are_set_back(tmp_path: Path) -> None:
    started = settings(tmp_path, BASE)
    edited = BASE.replace("[server]", '[server]\nhost = "127.0.0.1"\ncors_origins = ["*"]').replace("9000", "9001")
    now = settings(tmp_path, edited + "threads = 3\n[slots.c]\nmodel = 'm'\n[daemon]\nports = [9100, 9101]\n")
    assert keys_awaiting_restart(started, now) == ("server.host", "server.port")
    assert keys_awaiting_restart(started, settings(tmp_path, BASE)) == ()


def test_values_that_are_named_by_the_user_are_compared_too() -> None:
    def with_fields(**fields: Any) -> Settings:
        return Settings.model_validate({"remotes": {"r": {"kind": "openai", **fields}}})

    old = with_fields(aliases={"a": "m", "b": "n"}, set={"seed": 1}, prices={"*": {"input": 1.0}})
    new = with_fields(aliases={"a": "other", "b": "n"}, set={"seed": 2}, prices={"*": {"input": 2.0}})
    assert compare(old, new).lines == (
        'remotes.r.aliases.a: "m" → "other"',
        'remotes.r.prices."*".input: 1.0 → 2.0',
        "remotes.r.set.seed: 1 → 2",
    )
