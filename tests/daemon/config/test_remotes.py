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


@pytest.mark.parametrize(
    "table",
    [
        'key_env = "sk-SECRET-1"',
        'headers = { Authorization = "Bearer\\nsk-SECRET" }',
        'key_file = "k"\nheaders = { X = "sk-SECRET\\u00e9" }',
    ],
)
def test_what_may_be_a_key_is_not_repeated_in_a_message(tmp_path: Path, table: str) -> None:
    """Messages go to the log; to write the key itself into `key_env` is the mistake that is made most."""
    path = tmp_path / "hal0.toml"
    path.write_text(f'[remotes.far]\nkind = "openai"\n{table}\n')
    (problem,) = judge(path, env={}).problems
    assert "not what stands there" in problem.message
    assert "SECRET" not in problem.message + problem.hint


def test_nor_is_a_value_for_the_environment_of_a_slot(tmp_path: Path) -> None:
    path = tmp_path / "hal0.toml"
    path.write_text('[slots.s]\nmodel = "hal0-starter"\nenv = "TOKEN=SECRET"\n')
    (problem,) = judge(path, env={}).problems
    assert "SECRET" not in problem.message + problem.hint
