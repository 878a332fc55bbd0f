"""`hal0 config`: a file is judged without a daemon, and what a daemon runs is shown."""

import json
from pathlib import Path

import pytest

from hal0.wire import Problem
from tests.cli import pictures
from tests.cli.conftest import Run
from tests.fakes.admin import FakeAdmin

GOOD = '[slots.primary]\nmodel = "hal0-starter"\n'


def test_a_good_file_is_ok(hal0: Run, tmp_path: Path) -> None:
    file = tmp_path / "hal0.toml"
    file.write_text(GOOD)
    ended = hal0("config", "check", str(file))
    assert (ended.status, ended.out, ended.err) == (0, f"{file}: ok\n", "")


def test_no_file_is_the_embedded_default(hal0: Run, tmp_path: Path) -> None:
    ended = hal0("config", "check")
    assert ended.status == 0
    assert ended.out == f"{tmp_path}/home/.config/hal0/hal0.toml is not there: ok, the embedded default runs\n"


def test_a_file_that_was_named_must_be_there(hal0: Run, tmp_path: Path) -> None:
    ended = hal0("config", "check", str(tmp_path / "none.toml"))
    assert ended.status == 1
    assert "config.not_found" in ended.out


def test_every_problem_is_shown_with_its_place_its_line_and_a_caret(hal0: Run, tmp_path: Path) -> None:
    file = tmp_path / "hal0.toml"
    file.write_text(GOOD + 'contxt = 512\nparallel = "two"\n')
    ended = hal0("config", "check", str(file))
    assert ended.status == 1
    lines = ended.out.splitlines()
    assert lines[0].startswith(f"{file}:3:1: config.unknown_key ")
    assert "contxt" in lines[0]
    at = next(number for number, line in enumerate(lines) if line.startswith(f"{file}:4:"))
    assert lines[at + 1] == '    parallel = "two"'
    assert lines[at + 2] == "               ^"
    assert lines[-1] == f"{file}: 2 problems"


def test_the_caret_stands_under_its_character_after_tabs(hal0: Run, tmp_path: Path) -> None:
    file = tmp_path / "hal0.toml"
    file.write_text('[slots.primary]\nmodel = "hal0-starter"\n\tparallel = "two"\n')
    assert '    \tparallel = "two"\n    \t           ^\n' in hal0("config", "check", str(file)).out


def test_a_syntax_error_has_its_place(hal0: Run, tmp_path: Path) -> None:
    file = tmp_path / "hal0.toml"
    file.write_text("[server\nport = 1\n")
    ended = hal0("config", "check", str(file), "--json")
    assert ended.status == 1
    problems = [Problem(**problem) for problem in json.loads(ended.out)["problems"]]
    assert problems[0].code == "config.syntax"
    assert problems[0].line == 1


def test_the_file_of_the_environment_is_judged(hal0: Run, tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text(GOOD)
    assert hal0("config", "check", HAL0_CONFIG=str(file)).out == f"{file}: ok\n"


def test_show_tells_the_revision_and_what_it_changed(hal0: Run, admin: FakeAdmin) -> None:
    admin.answers["GET /api/config"] = pictures.config(changes=["slots.primary.context: 512 → 1024"])
    value = {"key": "slots.primary.context", "value": "1024", "origin": "/etc/hal0/hal0.toml:3"}
    admin.answers["GET /api/config/values"] = {"values": [value, {**value, "key": "server.port", "origin": "default"}]}
    ended = hal0("config", "show")
    assert ended.status == 0
    assert ended.out.splitlines()[-1].split() == list(value.values())
    assert "config r3 ok  /etc/hal0/hal0.toml" in ended.out
    assert "  slots.primary.context: 512 → 1024" in ended.out


@pytest.mark.parametrize(("words", "route"), [((), "force=0"), (("--force",), "force=1")])
def test_reload_fails_if_the_file_is_refused(hal0: Run, admin: FakeAdmin, words: tuple[str, ...], route: str) -> None:
    problem = Problem(code="config.syntax", message="not TOML", file="/etc/hal0/hal0.toml", line=1, column=2)
    refused = pictures.config(rejected_at=pictures.NOW, problems=[problem])
    admin.answers["POST /api/config/reload"] = [refused, pictures.config(revision=4)]
    ended = hal0("config", "reload", *words)
    assert ended.status == 1
    assert "/etc/hal0/hal0.toml:1:2: not TOML" in ended.out
    assert admin.asked[0][0] == f"POST /api/config/reload?{route}"
    assert hal0("config", "reload", *words).status == 0
