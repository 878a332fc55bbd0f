"""Every key that is in force is told with its value and its place, whatever its value is made of."""

from pathlib import Path

from hal0.daemon.config.file import judge
from hal0.daemon.config.origins import values

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
