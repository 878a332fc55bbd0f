"""`hal0 config edit` on a terminal: the editor comes back at the mistake, and nothing that was typed is lost."""

import json
from pathlib import Path

import pytest

from hal0.daemon.config.file import ConfigProblems
from hal0.errors import Hal0Error
from hal0.wire import ConfigFile, ConfigTexts, Problem
from tests.cli import pictures
from tests.cli.conftest import OpenTerminal, Run
from tests.fakes.admin import FakeAdmin

FILE = "/etc/hal0/hal0.toml"
MISTAKE = Problem(code="config.unknown_key", message="unknown key `contxt`", file=FILE, line=3, column=1)
REFUSED = ConfigProblems(Path(FILE), [MISTAKE])


@pytest.fixture
def editor(tmp_path: Path) -> str:
    """A `vi` that adds a comment, and notes with which words it was called."""
    program = tmp_path / "vi"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\nfor file; do :; done\necho "# more" >> "$file"\n')
    program.chmod(0o755)
    return str(program)


@pytest.fixture
def served(admin: FakeAdmin) -> FakeAdmin:
    admin.answers["GET /api/config"] = pictures.config(path=FILE)
    text = ConfigFile(path=FILE, text="[slots.a]\nmodel = 'x'\n")
    admin.answers["GET /api/config/text"] = ConfigTexts(revision=3, tag="3-abc", files=[text])
    return admin


def test_the_editor_comes_back_at_the_line_of_the_mistake(
    served: FakeAdmin, terminal: OpenTerminal, editor: str, tmp_path: Path
) -> None:
    served.answers["PUT /api/config"] = [REFUSED, pictures.config(revision=4, path=FILE)]
    screen = terminal("config", "edit", EDITOR=editor, TMPDIR=str(tmp_path))
    screen.wait_for("edit again?")
    assert f"{FILE}:3:1:" in screen.screen
    screen.type("y\n")
    assert screen.wait() == 0
    assert "revision 4 is live" in screen.screen
    first, second = (tmp_path / "calls").read_text().splitlines()
    assert second == f"+3 {first}"
    texts = [json.loads(body)["text"] for route, body in served.asked if route.startswith("PUT")]
    assert [text.count("# more") for text in texts] == [1, 2]
    assert not Path(first).exists()


def test_who_gives_up_finds_the_text_where_it_is_said(
    served: FakeAdmin, terminal: OpenTerminal, editor: str, tmp_path: Path
) -> None:
    served.answers["PUT /api/config"] = REFUSED
    screen = terminal("config", "edit", EDITOR=editor, TMPDIR=str(tmp_path))
    screen.wait_for("edit again?")
    screen.type("n\n")
    assert screen.wait() == 1
    draft = Path((tmp_path / "calls").read_text().strip())
    assert draft.read_text().endswith("# more\n")
    assert str(draft) in screen.screen.replace("\r\n", "")


def test_a_conflict_keeps_the_text(served: FakeAdmin, hal0: Run, editor: str, tmp_path: Path) -> None:
    served.answers["PUT /api/config"] = Hal0Error("config.conflict", reason="it is revision 4 now")
    ended = hal0("config", "edit", EDITOR=editor, TMPDIR=str(tmp_path))
    assert ended.status == 1
    assert "config.conflict" in ended.err
    assert Path((tmp_path / "calls").read_text().strip()).read_text().endswith("# more\n")


def test_an_editor_that_is_not_there_is_said(served: FakeAdmin, hal0: Run, tmp_path: Path) -> None:
    ended = hal0("config", "edit", EDITOR="/no/such/editor", TMPDIR=str(tmp_path))
    assert (ended.status, ended.err.startswith("error: config.no_editor: ")) == (1, True)
