"""From files on disk to settings, or to every problem with its exact place."""

import os
import threading
import time
from pathlib import Path

import pytest

from hal0.daemon.config.file import ConfigProblems, check, judge, line_for
from hal0.daemon.config.schema import EMBEDDED_SLOTS, Settings
from hal0.daemon.config.store import ConfigStore
from hal0.daemon.events import EventBus
from hal0.errors import CATALOGUE
from hal0.wire import Problem


def written(folder: Path, content: str | bytes, name: str = "hal0.toml") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def settings_of(path: Path, **env: str) -> Settings:
    judgement = judge(path, env=env)
    assert judgement.settings is not None, [line_for(problem) for problem in judgement.problems]
    return judgement.settings


def problems_of(path: Path, **env: str) -> list[Problem]:
    problems = check(path, env)
    for problem in problems:
        assert problem.code in CATALOGUE
        assert problem.message
    return problems


# What a good file gives


def test_no_file_is_the_embedded_default(tmp_path: Path) -> None:
    settings = settings_of(tmp_path / "none" / "hal0.toml")
    assert settings == Settings()
    assert {name: (slot.provider, slot.model, slot.autostart) for name, slot in settings.slots.items()} == {
        "primary": ("llama", "hal0-starter", True),
        "embed": ("llama", "all-minilm-l6-v2", True),
        "stt": ("sphinx", None, False),
        "tts": ("espeak", None, False),  # not before it is asked for: what it needs may not be installed
    }
    assert all(slot.threads is None for slot in settings.slots.values())


@pytest.mark.parametrize("text", ["[server]\nport = 9000\n", "[slots]\n", "", "# nothing yet\n"])
def test_a_file_without_slots_keeps_the_embedded_ones(tmp_path: Path, text: str) -> None:
    assert settings_of(written(tmp_path, text)).slots == EMBEDDED_SLOTS


def test_a_file_with_slots_has_exactly_those(tmp_path: Path) -> None:
    settings = settings_of(written(tmp_path, '[slots.coder]\nmodel = "qwen"\n'))
    assert list(settings.slots) == ["coder"]


def test_every_way_of_writing_a_value_is_understood(tmp_path: Path) -> None:
    text = """
    server.keep_alive = 90
    daemon = { ports = [9001, 9010], drain_timeout = "1m30s" }
    [server]
    """.replace("    [server]\n", "")
    text += """
    [models]
    folders = ["/srv/models", "extra", "~/models"]
    [models."Qwen/Qwen2.5:Q4"]
    path = "qwen.gguf"
    aliases = ["qwen"]
    [slots.a]
    model = "qwen"
    gpus = []
    unload_after = "2h"
    env = { OMP_NUM_THREADS = "1" }
    args = ["--flash-attn", "on"]
    binary = "llama-server"
    [slots.b-2]
    model = "x"
    binary = "bin/llama-server"
    """
    path = written(tmp_path, text)
    settings = settings_of(path, HOME=str(tmp_path))
    assert settings.server.keep_alive == 90
    assert settings.daemon.ports == (9001, 9010)
    assert settings.daemon.drain_timeout == 90
    assert settings.models.folders == ("/srv/models", str(tmp_path / "extra"), str(Path("~/models").expanduser()))
    assert settings.models.files["Qwen/Qwen2.5:Q4"].path == str(tmp_path / "qwen.gguf")
    assert settings.slots["a"].unload_after == 7200
    assert settings.slots["a"].env == {"OMP_NUM_THREADS": "1"}
    assert settings.slots["a"].binary == "llama-server"
    assert settings.slots["b-2"].binary == str(tmp_path / "bin/llama-server")


def test_settings_cannot_be_changed(tmp_path: Path) -> None:
    settings = settings_of(written(tmp_path, '[slots.a]\nmodel = "x"\nenv = { A = "1" }\n'))
    with pytest.raises(TypeError):
        settings.slots["b"] = settings.slots["a"]  # type: ignore[index]
    with pytest.raises(TypeError):
        settings.slots["a"].env["B"] = "2"  # type: ignore[index]


def test_settings_can_be_dumped_for_machines(tmp_path: Path) -> None:
    settings = settings_of(written(tmp_path, '[models.m]\npath = "/m"\n[slots.a]\nmodel = "m"\nenv = { A = "1" }\n'))
    dumped = settings.model_dump(mode="json")
    assert dumped["slots"]["a"]["env"] == {"A": "1"}
    assert dumped["models"]["m"]["path"] == "/m"
    assert settings.model_dump_json()


@pytest.mark.parametrize("start", [b"\xef\xbb\xbf", b""])
def test_a_byte_order_mark_and_windows_line_ends_are_accepted(tmp_path: Path, start: bytes) -> None:
    path = written(tmp_path, start + b"[server]\r\nport = 9000\r\n")
    assert settings_of(path).server.port == 9000
    (problem,) = problems_of(written(tmp_path, start + b"sever = 1\r\n"))
    assert (problem.line, problem.column, problem.source) == (1, 1, "sever = 1")


# The environment


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, '[server]\nport = 9000\nhost = "10.0.0.1"\n')
    server = settings_of(path, HAL0_PORT="9100", HAL0_HOST="127.0.0.1").server
    assert (server.port, server.host) == (9100, "127.0.0.1")
    server = settings_of(path, HAL0_PORT="", HAL0_HOST="").server
    assert (server.port, server.host) == (9000, "10.0.0.1")


@pytest.mark.parametrize("port", ["x", "65536", "-1", " 80", "8080.0", "9" * 5000, "٨٠"])
def test_a_bad_port_in_the_environment_is_a_problem(tmp_path: Path, port: str) -> None:
    judgement = judge(tmp_path / "hal0.toml", env={"HAL0_PORT": port})
    (problem,) = judgement.problems
    assert judgement.settings is None
    assert (problem.file, problem.key) == ("environment", "HAL0_PORT")


def test_texts_are_filled_from_the_environment(tmp_path: Path) -> None:
    text = '[slots.a]\nmodel = "${env:NAME}-${env:SIZE}"\nargs = ["--x", "${env:NAME}"]\n'
    slot = settings_of(written(tmp_path, text), NAME="qwen", SIZE="7b").slots["a"]
    assert slot.model == "qwen-7b"
    assert slot.args == ("--x", "qwen")


def test_only_texts_are_filled_and_only_with_what_is_named(tmp_path: Path) -> None:
    text = '[slots.a]\nmodel = "${HOME} $env ${other:X}"\n'
    assert settings_of(written(tmp_path, text), HOME="/x", X="y").slots["a"].model == "${HOME} $env ${other:X}"


def test_unset_and_misnamed_variables_are_problems_at_their_text(tmp_path: Path) -> None:
    text = '[slots.a]\nmodel = "${env:NOPE}"\nargs = [\n  "ok",\n  "x${env:}", "${env:A B}"]\n'
    problems = problems_of(written(tmp_path, text))
    assert [(p.line, p.column, p.key) for p in problems] == [
        (2, 9, "slots.a.model"),
        (5, 3, "slots.a.args[1]"),
        (5, 15, "slots.a.args[2]"),
    ]


def test_what_came_from_the_environment_is_not_shown_in_a_problem(tmp_path: Path) -> None:
    path = written(tmp_path, '[server]\ncors_origins = ["${env:SECRET}"]\n')
    (problem,) = problems_of(path, SECRET="hunter2 hunter2")
    assert "hunter2" not in problem.model_dump_json()


def test_a_variable_that_is_not_utf8_is_a_problem(tmp_path: Path) -> None:
    path = written(tmp_path, '[slots.a]\nmodel = "${env:BAD}"\n')
    (problem,) = problems_of(path, BAD=os.fsdecode(b"\xff"))
    assert "not UTF-8" in problem.message


# What a bad file gives: text, then (line, column, code, words of the message or the hint) of each problem

SLOT = '[slots.a]\nmodel = "x"\n'
BAD: dict[str, tuple[str | bytes, list[tuple[int, int, str, str]]]] = {
    "unknown table": ('[slot.a]\nmodel = "x"\n', [(1, 2, "config.unknown_key", "did you mean [slots]?")]),
    "unknown key": (SLOT + "contxt = 1\n", [(3, 1, "config.unknown_key", "did you mean `context`?")]),
    "key of another table": ("port = 1\n", [(1, 1, "config.unknown_key", "a key of [server] and [slots.NAME]")]),
    "unknown dotted key": ("server.a.b = 1\n", [(1, 8, "config.unknown_key", "its keys: host")]),
    "unknown inline key": ("daemon = { log_level = 'info', prts = 1 }\n", [(1, 32, "config.unknown_key", "`ports`")]),
    "unknown key in models": ('[models]\nfoldrs = ["x"]\n', [(2, 1, "config.unknown_key", "`folders`")]),
    "missing key": ("\n[slots.a] # c\ncontext = 64\n", [(2, 1, "config.invalid", "`model` is missing in [slots.a]")]),
    "a slip in a key that must be there": (
        '[slots.a]\nmodle = "x"\n',
        [(2, 1, "config.unknown_key", "did you mean `model`?")],
    ),
    "missing inline key": ("[models]\nm = { aliases = [] }\n", [(2, 1, "config.invalid", "`path` is missing")]),
    "wrong type": (SLOT + 'port = "8081"\n', [(3, 8, "config.invalid", 'from 1 to 65535, not "8081"')]),
    "a number with a point": (SLOT + "parallel = 1.0\n", [(3, 12, "config.invalid", "not 1.0")]),
    "true for a number": (SLOT + "threads = true\n", [(3, 11, "config.invalid", "not true")]),
    "out of range": ("[server]\nport = 70000\n", [(2, 8, "config.invalid", "not 70000")]),
    "a number of 500 digits": ("[server]\nport = 0x" + "f" * 500, [(2, 8, "config.invalid", "very many digits")]),
    "infinite": ("[server]\nkeep_alive = inf\n", [(2, 14, "config.invalid", "must be a duration")]),
    "not a number": ("[server]\nkeep_alive = nan\n", [(2, 14, "config.invalid", "must be a duration")]),
    "beyond floats": ("[server]\nkeep_alive = 1e999\n", [(2, 14, "config.invalid", "must be a duration")]),
    "bad duration": ('[server]\nkeep_alive = "5 min"\n', [(2, 14, "config.invalid", 'such as "30s"')]),
    "bad size": ('[server]\nbody_limit = "5"\n', [(2, 14, "config.invalid", '"64MiB"')]),
    "bad choice": ('[daemon]\nlog_level = "loud"\n', [(2, 13, "config.invalid", '"warning" or "error"')]),
    "bad item": ('[server]\ncors_origins = [\n "*",\n "x"]\n', [(4, 2, "config.invalid", "cors_origins[1]")]),
    "list of the wrong length": ("[daemon]\nports = [1]\n", [(2, 9, "config.invalid", "two whole numbers")]),
    "too long a list": ("[daemon]\nports = [1, 2, 3]\n", [(2, 9, "config.invalid", "two whole numbers")]),
    "ports the wrong way round": ("[daemon]\nports = [9, 8]\n", [(2, 9, "config.invalid", "[8, 9]")]),
    "a date": ("[server]\nport = 1979-05-27\n", [(2, 8, "config.invalid", "not a date")]),
    "bad slot name": ('[slots."My Slot"]\nmodel = "x"\n', [(1, 8, "config.invalid", "small letters")]),
    "too long a slot name": (f"[slots.{'a' * 41}]\nmodel = 'x'\n", [(1, 8, "config.invalid", "up to 40")]),
    "a model in two places": (
        "[models.m]\npath = '/m'\nurl = 'https://x.lan/m.gguf'\n",
        [(3, 1, "config.clash", "`path` and `url` both")],
    ),
    "no address": ("[models.m]\nurl = 'm.gguf'\n", [(2, 7, "config.invalid", "hf:OWNER/REPOSITORY:FILE")]),
    "bad model name": ('[models."a b"]\npath = "x"\n', [(1, 9, "config.invalid", "rename it")]),
    "bad variable name": (SLOT + 'env = { "A-B" = "1" }\n', [(3, 9, "config.invalid", "environment variable")]),
    "number as variable": (SLOT + "[slots.a.env]\nA = 1\n", [(4, 5, "config.invalid", "text in quotes, not 1")]),
    "table for a value": ("[server.port]\nx = 1\n", [(1, 9, "config.invalid", "not a table")]),
    "value for a table": ("server = 8080\n", [(1, 10, "config.invalid", "`server` must be a table")]),
    "value for a slot": ('[slots]\na = "x"\n', [(2, 5, "config.invalid", "`slots.a` must be a table")]),
    "list of tables": ("[[server]]\nport = 1\n", [(1, 3, "config.invalid", "must be a table, not a list of 1")]),
    "empty text": ('[slots.a]\nmodel = ""\n', [(2, 9, "config.invalid", "slots.a.model")]),
    "NUL in a text": ('[slots.a]\nmodel = "a\\u0000b"\n', [(2, 9, "config.invalid", "NUL")]),
    "home of nobody": ('[models]\nfolders = ["~nobody-at-all/x"]\n', [(2, 12, "config.invalid", "no such home")]),
    "two slots on a port": (
        SLOT + "port = 8085\n[slots.b]\nmodel = 'x'\nport = 8085\n",
        [(6, 8, "config.clash", "already the port of [slots.a]")],
    ),
    "the port of the API": (SLOT + "port = 8080\n", [(3, 8, "config.clash", "the API itself")]),
    "alias of a slot": (
        SLOT + "[slots.b]\nmodel = 'x'\naliases = ['c', 'a']\n",
        [(5, 17, "config.clash", "already the name of the slot [slots.a]")],
    ),
    "a name in the background that is an alias": (
        SLOT + "aliases = ['t']\n[slots.b]\nmodel = 'x'\nbackground = ['u', 't']\n",
        [(6, 20, "config.clash", "already the name of the slot [slots.a]")],
    ),
    "alias given twice": (SLOT + "aliases = ['c', 'c']\n", [(3, 17, "config.clash", "already")]),
    "alias of a model": (
        "[models.m]\npath='m'\n[models.n]\npath='n'\naliases=['m']\n",
        [(5, 10, "config.clash", "the model [models.m]")],
    ),
    "alias hides a model": (
        "[models.m]\npath='m'\n[slots.a]\nmodel='x'\naliases=['m']\n",
        [(5, 10, "config.clash", "does not serve")],
    ),
    "restore of nothing": (
        SLOT + "group = 'g'\nrestore_after = '1m'\n",
        [(4, 1, "config.invalid", "on exclusive slots only")],
    ),
    "exclusive of nothing": (SLOT + "exclusive = true\n", [(3, 1, "config.invalid", "without a `group`")]),
    "pinned before an exclusive one": (
        SLOT + "group = 'g'\npinned = true\n[slots.b]\nmodel = 'm'\ngroup = 'g'\nexclusive = true\n",
        [(4, 1, "config.clash", "b of its group")],
    ),
    "exclusive and pinned": (
        SLOT + "group = 'g'\npinned = true\nexclusive = true\n[slots.b]\nmodel = 'm'\ngroup = 'g'\n",
        [(4, 1, "config.clash", "b of its group")],
    ),
    "a slot named as another model": (
        "[models.m]\npath='m'\naliases=['n']\n[slots.n]\nmodel='x'\n",
        [(4, 8, "config.clash", "does not serve, [models.m]")],
    ),
    "two models that are each other's alias": (
        "[models.m]\npath='m'\naliases=['n']\n[models.n]\npath='n'\naliases=['m']\n",
        [(3, 10, "config.clash", "the model [models.n]"), (6, 10, "config.clash", "the model [models.m]")],
    ),
    "a model that is its own alias": (
        "[models.m]\npath='m'\naliases=['x', 'm']\n",
        [(3, 15, "config.clash", "already the name of the model [models.m]")],
    ),
    "two slots that are each other's alias": (
        SLOT + "aliases=['b']\n[slots.b]\nmodel='x'\naliases=['a']\n",
        [(3, 10, "config.clash", "the slot [slots.b]"), (6, 10, "config.clash", "the slot [slots.a]")],
    ),
    "default slot that is not there": (SLOT + "[dispatch]\nchat = 'aa'\n", [(4, 8, "config.clash", 'mean "a"?')]),
    "no TOML": ("[server]\nport 8080\n", [(2, 6, "config.syntax", "not valid TOML")]),
    "YAML": ("server:\n  port: 8080\n", [(1, 7, "config.syntax", "TOML writes `key = value`")]),
    "text without quotes": (SLOT + "kind = chat\n", [(3, 8, "config.syntax", '`kind = "chat"`')]),
    "True": (SLOT + "autostart = True\n", [(3, 13, "config.syntax", "`autostart = true`")]),
    "unit without quotes": (SLOT + "idle_after = 5m\n", [(3, 15, "config.syntax", 'quotes: `idle_after = "5m"`')]),
    "unclosed text": ('[slots.a]\nmodel = "x\n', [(2, 11, "config.syntax", "not valid TOML")]),
    "unclosed list": ("[daemon]\nports = [8081,\n", [(2, 15, "config.syntax", "end of the file")]),
    "key given twice": ("[server]\nport = 1\nport = 2\n", [(3, 9, "config.syntax", "cannot overwrite a value")]),
    "table given twice": (SLOT + "[slots.a]\n", [(3, 9, "config.syntax", "twice")]),
    "not UTF-8": (b"[server]\n# caf\xc3\xa9\n# \xe9t\xe9\n", [(3, 3, "config.syntax", "not UTF-8 text: byte 0xe9")]),
    "UTF-16": ("[server]\n".encode("utf-16"), [(1, 1, "config.syntax", "UTF-16")]),
    "NUL": (b"[server]\nport = 1\0\n", [(2, 9, "config.syntax", "not valid TOML")]),
    "lone surrogate": (SLOT + 'args = ["\\ud800"]\n', [(3, 16, "config.syntax", "not valid TOML")]),
    "a number of 5,000 digits": ("[server]\n port = " + "9" * 5000, [(2, 9, "config.syntax", "thousands of digits")]),
    "very deep lists": ("x = " + "[" * 100_000, [(1, 105, "config.syntax", "deeper than 100")]),
    "very deep tables": ("x = " + "{a=" * 5_000, [(1, 303, "config.syntax", "deeper than 100")]),
    "very deep keys": ("[server]\n" + "a." * 200_000 + "b = 1", [(2, 1, "config.syntax", "more than 100 parts")]),
    "deep and closed": (
        "x = " + "[" * 200 + "]" * 200,
        [(1, 1, "config.unknown_key", "unknown key"), (1, 105, "config.invalid", "deeper than 100")],
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_told_with_its_exact_place(tmp_path: Path, name: str) -> None:
    content, expected = BAD[name]
    began = time.process_time()
    problems = problems_of(written(tmp_path, content))
    assert [(p.line, p.column, p.code) for p in problems] == [each[:3] for each in expected], problems
    for problem, (line, _, _, words) in zip(problems, expected, strict=True):
        assert words in f"{problem.message} ({problem.hint})"
        text = content.decode(errors="replace") if isinstance(content, bytes) else content
        if "UTF" not in name:
            assert problem.source == text.split("\n")[line - 1][:200]
        assert problem.file == str(tmp_path / "hal0.toml")
    assert time.process_time() - began < 10


@pytest.mark.parametrize(
    ("text", "slips"),
    [
        ('[slot.a]\nmodel = "x"\n', [("slot", "slots")]),
        ('[slots.a]\n"modle" = "x"\n', [('"modle"', "model")]),
        ("[slots.a]\nmodel='x'\n[dispatch]\nchat = 'aa'\n", [("'aa'", '"a"')]),
        ('[slots.a]\nmodel="x"\ndaemon = 1\n', [("", "")]),
        ("server.prot = 1\n[slots.a]\nmodel='x'\nport = 'x'\n", [("prot", "port"), ("", "")]),
        ("daemon = { log_level = 'info', prts = [8081, 8082] }\n", [("prts", "ports")]),
        (
            '[slots.img]\nprovider = "comfyui"\nurl = "http://x"\nmodel = "sdxl-trubo"\n',
            [('"sdxl-trubo"', '"sdxl-turbo"')],
        ),
        ('[slots.a]\nmodel="x"\n[dispatch]\nchat = """\naa"""\n', [("", "")]),
        (
            '[remotes.a]\nkind="openai"\nkey = "sk-1"\n[slots.b]\nmodel="x"\n',
            [("", "")],
        ),  # a key, and no variable's name
    ],
)
def test_a_slip_that_is_certain_is_told_with_the_word_and_the_right_one(
    tmp_path: Path, text: str, slips: list[tuple[str, str]]
) -> None:
    path = written(tmp_path, text)
    problems = problems_of(path)
    assert [(each.wrong, each.right) for each in problems] == slips, problems
    lines = text.split("\n")
    for each in problems:
        if each.right:
            assert each.line is not None
            assert each.column is not None
            line = lines[each.line - 1]
            assert line[each.column - 1 :].startswith(each.wrong)
            lines[each.line - 1] = line[: each.column - 1] + each.right + line[each.column - 1 + len(each.wrong) :]
    path.write_text("\n".join(lines))
    assert len(problems_of(path)) == slips.count(("", ""))


def test_all_problems_of_a_file_are_told_at_once_in_reading_order(tmp_path: Path) -> None:
    text = """\
[server]
port = 99999
keepalive = 3
[slots.p]
gpus = [0, -1]
port = 8081
[slots.q]
model = "${env:NOPE}"
port = 8081
aliases = ["p"]
"""
    problems = problems_of(written(tmp_path, text))
    assert [(p.line, p.key) for p in problems] == [
        (2, "server.port"),
        (3, "server.keepalive"),
        (4, "slots.p.model"),
        (5, "slots.p.gpus[1]"),
        (8, "slots.q.model"),
        (9, "slots.q.port"),
        (10, "slots.q.aliases[0]"),
    ]


def test_a_file_of_nothing_but_mistakes_is_told_within_bounds(tmp_path: Path) -> None:
    text = "".join(f"[slots.s{n}]\nmdel = 1\n" for n in range(5_000))
    began = time.process_time()  # work, not waiting: what grows with the square of the file takes minutes
    assert len(problems_of(written(tmp_path, text))) == 100
    assert time.process_time() - began < 20


# Files that cannot be read


def test_a_missing_file_is_a_problem_only_when_it_was_named(tmp_path: Path) -> None:
    path = tmp_path / "hal0.toml"
    assert [problem.code for problem in problems_of(path)] == ["config.not_found"]
    assert not judge(path, env={}).problems
    with pytest.raises(ConfigProblems) as caught:
        ConfigStore(EventBus(), path, required=True, env={}).load()
    assert str(path) in str(caught.value)
    assert caught.value.code == "config.rejected"
    assert str(path) in caught.value.message
    told = str(caught.value).splitlines()
    assert told[0] == f"config.rejected: {path} cannot be used:"
    assert told[1].startswith(f"{path}: config.not_found: ")


def test_what_is_no_readable_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "folder.toml").mkdir()
    os.mkfifo(tmp_path / "fifo.toml")
    (tmp_path / "dangling.toml").symlink_to(tmp_path / "gone")
    (tmp_path / "loop.toml").symlink_to(tmp_path / "loop.toml")
    for name in ("folder", "fifo", "dangling", "loop"):
        codes = [problem.code for problem in problems_of(tmp_path / f"{name}.toml")]
        assert codes == ["config.unreadable"], name


def test_a_huge_file_is_refused_without_being_read(tmp_path: Path) -> None:
    path = tmp_path / "hal0.toml"
    with path.open("wb") as file:
        file.truncate(100 * 2**20)
    (problem,) = problems_of(path)
    assert problem.code == "config.unreadable"
    assert "larger than 1 MiB" in problem.message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, SLOT)
    path.chmod(0)
    (problem,) = problems_of(path)
    assert (problem.code, "ermission" in problem.message) == ("config.unreadable", True)


# Drop-ins


def test_drop_ins_add_tables_in_name_order(tmp_path: Path) -> None:
    path = written(tmp_path, '[server]\nport = 9000\n[slots.a]\nmodel = "x"\n')
    written(tmp_path, '[slots.c]\nmodel = "z"\n', "hal0.d/20.toml")
    written(tmp_path, '[slots.b]\nmodel = "y"\n[slots.a.env]\nA = "1"\n[daemon]\n', "hal0.d/10.toml")
    written(tmp_path, "not toml", "hal0.d/10.toml.bak")
    written(tmp_path, "not toml", "hal0.d/.hidden.toml")
    settings = settings_of(path)
    assert list(settings.slots) == ["a", "b", "c"]
    assert settings.slots["a"].env == {"A": "1"}
    assert settings.server.port == 9000


def test_drop_ins_count_without_a_main_file(tmp_path: Path) -> None:
    written(tmp_path, '[slots.b]\nmodel = "y"\n', "hal0.d/b.toml")
    assert list(settings_of(tmp_path / "hal0.toml").slots) == ["b"]


@pytest.mark.parametrize(
    ("first", "second", "there", "here", "key"),
    [
        ("[server]\nport = 1\n", '\n[server]\nhost = "x"\n', (1, 1), (2, 1), "server"),
        ("server.port = 1\n", '[server]\nhost = "x"\n', (1, 1), (1, 1), "server"),
        ("[daemon]\n[server]\n", "[server]\n", (2, 1), (1, 1), "server"),
        (SLOT, "# more\n[slots.a]\ncontext = 64\n", (1, 1), (2, 1), "slots.a"),
        ("[slots]\na = { model = 'x' }\n", "[slots.a]\ncontext = 64\n", (2, 1), (1, 1), "slots.a"),
        ("server = 1\n", "[server]\nport = 2\n", (1, 1), (1, 1), "server"),
    ],
)
def test_a_table_given_twice_names_both_places(
    tmp_path: Path, first: str, second: str, there: tuple[int, int], here: tuple[int, int], key: str
) -> None:
    path = written(tmp_path, first)
    drop_in = written(tmp_path, second, "hal0.d/x.toml")
    problem = next(problem for problem in problems_of(path) if problem.code == "config.clash")
    assert (problem.file, problem.line, problem.column, problem.key) == (str(drop_in), *here, key)
    assert f"{path}:{there[0]}:{there[1]}" in problem.message


def test_problems_of_every_file_are_told_each_with_its_own_place(tmp_path: Path) -> None:
    path = written(tmp_path, '[slots.a]\nmodel = "x"\nport = 8081\n')
    one = written(tmp_path, "[server]\nprt = 1\n[slots.a.env]\nA = 1\n", "hal0.d/1.toml")
    two = written(tmp_path, "\n\n[slots.b]\ncontext = 64\n[slots.c]\nmodel = 'x'\nport = 8081\n", "hal0.d/2.toml")
    broken = written(tmp_path, "oh no", "hal0.d/3.toml")
    places = [(problem.file, problem.line) for problem in problems_of(path)]
    assert places == [(str(one), 2), (str(one), 4), (str(two), 3), (str(broken), 1)]
    broken.unlink()
    assert (str(two), 7) in [(problem.file, problem.line) for problem in problems_of(path)]


CLASHES: dict[str, tuple[str, str, tuple[int, int, str]]] = {
    "port": (SLOT + "port = 8085\n", "[slots.b]\nmodel = 'x'\n  port = 8085\n", (3, 10, "slots.b.port")),
    "name of a slot": (SLOT, "[slots.b]\nmodel = 'x'\naliases = ['c', 'a']\n", (3, 17, "slots.b.aliases[1]")),
    "alias of a slot": (
        SLOT + "aliases = ['c']\n",
        "[slots.b]\nmodel='x'\naliases=['c']",
        (3, 10, "slots.b.aliases[0]"),
    ),
    "alias of a model": (
        "[models.m]\npath='m'\n",
        "[models.n]\npath='n'\naliases=['m']",
        (3, 10, "models.n.aliases[0]"),
    ),
    "name of a model": ("[models.m]\npath='m'\n", "\n[slots.m]\nmodel='x'\n", (2, 8, "slots.m")),
    "default slot": (SLOT, "\n[dispatch]\nchat = 'b'\n", (3, 8, "dispatch.chat")),
}


@pytest.mark.parametrize("name", CLASHES)
def test_what_contradicts_another_file_is_told_at_its_own_place(tmp_path: Path, name: str) -> None:
    main, drop_in, place = CLASHES[name]
    path = written(tmp_path, main)
    second = written(tmp_path, drop_in, "hal0.d/x.toml")
    (problem,) = problems_of(path)
    assert (problem.file, problem.code) == (str(second), "config.clash")
    assert (problem.line, problem.column, problem.key) == place


def test_a_drop_in_folder_that_is_none_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, SLOT)
    written(tmp_path, "", "hal0.d")
    (problem,) = problems_of(path)
    assert (problem.code, problem.file) == ("config.unreadable", str(tmp_path / "hal0.d"))


def test_a_fifo_does_not_hold_up_the_check(tmp_path: Path) -> None:
    path = written(tmp_path, SLOT)
    (tmp_path / "hal0.d").mkdir()
    os.mkfifo(tmp_path / "hal0.d" / "x.toml")
    checking = threading.Thread(target=check, args=(path, {}), daemon=True)
    checking.start()
    checking.join(5)
    assert not checking.is_alive()
