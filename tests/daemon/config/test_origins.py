"""Every key that is in force is told with its value and its place, whatever its value is made of."""

from pathlib import Path

import pytest

from hal0.daemon.config.file import judge
from hal0.daemon.config.origins import values, written_at
from hal0.wire import ConfigFile

TEXT = """\
[slots.s]
model = "hal0-starter"
env = { SECRET = "x" }
[slots.s.defaults]
stop = ["a"]
chat_template_kwargs = { enable_thinking = false }
[remotes.far]
kind = "openai"
aliases = { clever = "m" }
[remotes.far.prices]
"m-*" = { input = 2, output = 10.5 }
"""


def test_tables_of_values_are_told_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "hal0.toml"
    path.write_text(TEXT)
    judged = judge(path, env={})
    assert judged.settings is not None, judged.problems
    told = {each.key: (each.value, each.origin) for each in values(judged.settings, judged.sources, {})}
    assert told["slots.s.defaults.stop"] == ('["a"]', f"{path}:5")
    assert told["slots.s.defaults.chat_template_kwargs"] == ("{ enable_thinking = false }", f"{path}:6")
    assert told["remotes.far.aliases.clever"] == ('"m"', f"{path}:9")
    assert told['remotes.far.prices."m-*".output'] == ("10.5", f"{path}:11")
    assert told["slots.s.env"] == ("(not shown)", f"{path}:3")


def test_of_the_embedded_slots_only_what_they_say_themselves_comes_from_them(tmp_path: Path) -> None:
    judged = judge(tmp_path / "hal0.toml", env={})
    assert judged.settings is not None
    told = {each.key: each.origin for each in values(judged.settings, judged.sources, {})}
    assert told["slots.primary.model"] == told["slots.stt.provider"] == "embedded default"
    assert told["slots.primary.parallel"] == told["slots.stt.parallel"] == told["server.port"] == "default"


MAIN = """\
[daemon]
banner = '''
[slots.a]
'''

[slots.a]
model = "x"
[slots.a.defaults]
seed = 1
[slots]
"in line" = { model = "y" }
[slots."b.c".env]
NAME = "[slots.drop]"
"""
DROP = "\ufeff# more\n[slots.drop]\nmodel = 'z'\n"


@pytest.mark.parametrize(
    ("key", "place"),
    [
        (("slots", "a"), ("/etc/hal0.toml", 6)),
        (("slots", "a", "model"), ("/etc/hal0.toml", 7)),
        (("slots", "in line"), ("/etc/hal0.toml", 11)),
        (("slots", "b.c"), ("/etc/hal0.toml", 12)),
        (("slots", "drop"), ("/etc/hal0.d/a.toml", 2)),
        (("slots", "nowhere"), ("/etc/hal0.toml", None)),
    ],
)
@pytest.mark.parametrize("end", ["", "a mistake at the end"])
def test_a_table_is_found_in_whichever_file_has_it_mistakes_or_not(
    key: tuple[str, ...], place: tuple[str, int | None], end: str
) -> None:
    files = [ConfigFile(path="/etc/hal0.toml", text=MAIN + end), ConfigFile(path="/etc/hal0.d/a.toml", text=DROP + end)]
    found = written_at(key, files, main="/etc/hal0.toml")
    assert (found.path, found.line) == place
