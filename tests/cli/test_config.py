"""`hal0 config`: a file is judged without a daemon, and what a daemon runs is shown."""

import json
from pathlib import Path

import pytest

from hal0.wire import PlanView, Problem
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


def test_a_model_that_is_not_there_is_a_warning_with_its_place_and_the_nearest_name(hal0: Run, tmp_path: Path) -> None:
    file = tmp_path / "hal0.toml"
    file.write_text('[slots.primary]\nmodel = "hal0-startr"\n')
    ended = hal0("config", "check", str(file))
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.splitlines() == [
        f"{file}:2:9: model.not_found there is no model named 'hal0-startr'",
        '    model = "hal0-startr"',
        "            ^",
        "    → did you mean 'hal0-starter'?",
        f"{file}: ok, 1 warning",
    ]


def test_a_model_file_that_is_missing_is_a_warning_at_the_slot_that_wants_it(hal0: Run, tmp_path: Path) -> None:
    file = tmp_path / "hal0.toml"
    file.write_text(GOOD + '[slots.big]\nmodel = "big"\n[models.big]\npath = "/mnt/none/big.gguf"\n')
    ended = hal0("config", "check", str(file), "--json")
    body = json.loads(ended.out)
    assert (ended.status, ended.err, body["problems"]) == (0, "", [])
    (warning,) = [Problem(**each) for each in body["warnings"]]
    assert (warning.code, warning.key, warning.line, warning.column) == ("model.file_missing", "slots.big.model", 4, 9)
    assert "/mnt/none/big.gguf" in warning.message
    assert "path" in warning.hint


def test_a_key_of_a_remote_that_is_not_there_is_a_warning(hal0: Run, tmp_path: Path) -> None:
    file = tmp_path / "hal0.toml"
    file.write_text('[remotes.far]\nkind = "openai"\nkey_env = "NOBODY_HAS_SET_THIS"\n')
    ended = hal0("config", "check", str(file))
    assert (ended.status, f"{file}:3:11:" in ended.out) == (0, True)
    assert "NOBODY_HAS_SET_THIS is not set" in ended.out


def test_a_folder_that_cannot_be_read_does_not_keep_the_warnings_from_being_shown_once(
    hal0: Run, tmp_path: Path
) -> None:
    file = tmp_path / "hal0.toml"
    file.write_text('[models]\nfolders = ["/mnt/none"]\n[slots.a]\nmodel = "nowhere"\n[slots.b]\nmodel = "nowhere"\n')
    ended = hal0("config", "check", str(file))
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.splitlines()[-1] == f"{file}: ok, 2 warnings"
    assert ended.out.count("model.not_found") == 2


def test_with_problems_the_models_are_not_looked_for(hal0: Run, tmp_path: Path) -> None:
    file = tmp_path / "hal0.toml"
    file.write_text('[slots.a]\nmodel = "nowhere"\ncontxt = 1\n')
    ended = hal0("config", "check", str(file))
    assert ended.status == 1
    assert "model.not_found" not in ended.out
    assert ended.out.splitlines()[-1] == f"{file}: 1 problem"


def test_the_help_of_check_tells_what_warnings_do_to_the_exit_status(hal0: Run) -> None:
    assert "0 if only warnings" in " ".join(hal0("config", "check", "--help").out.split())


def test_plan_shows_the_warnings_and_would_go_on(hal0: Run, admin: FakeAdmin) -> None:
    warning = Problem(
        code="model.not_found", message="there is no model named 'x'", file="/etc/hal0/hal0.toml", line=2, column=9,
        key="slots.a.model", hint="did you mean 'y'?", source='model = "x"',
    )  # fmt: skip
    admin.answers["GET /api/config/plan"] = PlanView(revision=3, warnings=[warning])
    ended = hal0("plan")
    assert ended.status == 0
    assert "/etc/hal0/hal0.toml:2:9: model.not_found there is no model named 'x'" in ended.out
    assert "did you mean 'y'?" in ended.out


def test_a_setting_with_which_no_slot_could_start_is_a_problem_as_it_is_for_the_daemon(
    hal0: Run, tmp_path: Path
) -> None:
    file = tmp_path / "hal0.toml"
    file.write_text(GOOD + 'args = ["--port", "1"]\n')
    ended = hal0("config", "check", str(file))
    assert ended.status == 1
    assert ended.out.startswith(f"{file}:3:8: config.invalid `slots.primary.args`: ")
