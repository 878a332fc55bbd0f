"""What the check of a file says of [remotes]."""

from pathlib import Path

import pytest

from hal0.daemon.config.file import judge

CASES = {
    "no url": ('[remotes.far]\nkind = "custom"\n', "remotes.far.url", "`url` is missing"),
    "two keys": (
        '[remotes.far]\nkind = "openai"\nkey_env = "A"\nkey_file = "b"\n',
        "remotes.far.key_file",
        "both name a key",
    ),
    "the key itself": ('[remotes.far]\nkind = "openai"\nkey = "sk-1"\n', "remotes.far.key", "unknown key"),
    "name of a slot": (
        '[slots.far]\nmodel = "hal0-starter"\n[remotes.far]\nkind = "openai"\n',
        "remotes.far",
        "name of a slot",
    ),
    "alias twice": (
        '[remotes.a]\nkind = "openai"\naliases = { x = "m" }\n[remotes.b]\nkind = "openai"\naliases = { x = "n" }\n',
        "remotes.b.aliases.x",
        "already one of",
    ),
    "alias is a slot": (
        '[slots.s]\nmodel = "hal0-starter"\n[remotes.r]\nkind = "openai"\naliases = { s = "m" }\n',
        "remotes.r.aliases.s",
        "[slots.s] answers to it",
    ),
    "alias is a slot's": (
        '[slots.s]\nmodel = "hal0-starter"\naliases = ["fast"]\n[remotes.r]\nkind = "openai"\n'
        'aliases = { fast = "m" }\n',
        "remotes.r.aliases.fast",
        "[slots.s] answers to it",
    ),
    "alias is a model's that a slot serves": (
        '[models.m]\npath = "/m"\naliases = ["big"]\n[slots.s]\nmodel = "m"\n[remotes.r]\nkind = "openai"\n'
        'aliases = { big = "x" }\n',
        "remotes.r.aliases.big",
        "[slots.s] answers to it",
    ),
    "itself": ('[remotes.far]\nkind = "openai"\nfallback = ["far/m"]\n', "remotes.far.fallback[0]", "cannot stand in"),
    "slot itself": (
        '[slots.s]\nmodel = "hal0-starter"\nfallback = ["s"]\n',
        "slots.s.fallback[0]",
        "cannot stand in",
    ),
    "user in url": ('[remotes.far]\nurl = "https://me:pw@host/v1"\n', "remotes.far.url", "a URL such as"),
    "header": ('[remotes.far]\nkind = "openai"\nheaders = { "a b" = "c" }\n', "remotes.far.headers", "HTTP header"),
    "header value": (
        '[remotes.far]\nkind = "openai"\nheaders = { a = "b\\nc" }\n',
        "remotes.far.headers.a",
        "printable",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_problem_is_named_with_its_place(tmp_path: Path, case: str) -> None:
    text, key, words = CASES[case]
    path = tmp_path / "hal0.toml"
    path.write_text(text)
    problems = judge(path).problems
    assert any(
        problem.key.startswith(key) and words in f"{problem.message} {problem.hint}" and problem.line
        for problem in problems
    ), problems
