"""`hal0 config edit` on a terminal: the editor comes back at the mistake, and nothing that was typed is lost."""

import json
import signal
from contextlib import suppress
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


def program(folder: Path, script: str) -> str:
    path = folder / "editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


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


@pytest.mark.parametrize("name", ["hal0.d/tts.toml", "/etc/hal0/hal0.d/tts.toml"])
def test_a_drop_in_is_opened_with_its_text_by_the_name_that_the_help_has(
    served: FakeAdmin, hal0: Run, editor: str, tmp_path: Path, name: str
) -> None:
    drop_in = ConfigFile(path="/etc/hal0/hal0.d/tts.toml", text="[slots.tts]\nmodel = 'y'\n")
    served.answers["GET /api/config/text"] = ConfigTexts(revision=3, tag="3-abc", files=[drop_in])
    served.answers["PUT /api/config"] = pictures.config(revision=4, path=FILE)
    assert hal0("config", "edit", "--file", name, EDITOR=editor, TMPDIR=str(tmp_path)).status == 0
    (sent,) = (json.loads(body) for route, body in served.asked if route.startswith("PUT"))
    assert (sent["file"], sent["text"]) == (drop_in.path, drop_in.text + "# more\n")


@pytest.mark.parametrize("name", ["tts.toml", "hal0.d/.tts.toml", "hal0.d/tts.txt", "/etc/passwd"])
def test_what_is_no_file_of_the_configuration_is_not_opened(
    served: FakeAdmin, hal0: Run, editor: str, tmp_path: Path, name: str
) -> None:
    ended = hal0("config", "edit", "--file", name, EDITOR=editor, TMPDIR=str(tmp_path))
    assert (ended.status, "is no file of the configuration" in ended.err) == (1, True)
    assert not (tmp_path / "calls").exists()


def test_a_text_that_is_not_utf_8_is_refused_with_its_place_and_kept(
    served: FakeAdmin, hal0: Run, tmp_path: Path
) -> None:
    editor = program(tmp_path, r"""printf '# caf\351\n' >> "$1"; echo "$1" > """ + f"{tmp_path}/calls")
    ended = hal0("config", "edit", EDITOR=editor, TMPDIR=str(tmp_path))
    assert (ended.status, "config.rejected" in ended.err) == (1, True)
    assert ended.err.startswith(f"{FILE}:3:6: config.syntax")
    draft = Path((tmp_path / "calls").read_text().strip())
    assert draft.read_bytes().endswith(b"# caf\xe9\n")
    assert f"your text is in {draft}" in ended.out
    assert [route for route, _ in served.asked if route.startswith("PUT")] == []


BAD_EDITORS = {
    "a quotation mark without its end": ("vi 'x", "EDITOR is no command line: no closing quotation"),
    "takes the text away": ('rm "$1"', "the editor left no text that can be read"),
    "fails": ('echo "# more" >> "$1"; exit 3', "ended with status 3"),
}


@pytest.mark.parametrize("name", BAD_EDITORS)
def test_an_editor_that_does_not_do_its_part_is_told_as_that(
    served: FakeAdmin, hal0: Run, tmp_path: Path, name: str
) -> None:
    script, reason = BAD_EDITORS[name]
    editor = script if name.startswith("a quotation") else program(tmp_path, script)
    ended = hal0("config", "edit", EDITOR=editor, TMPDIR=str(tmp_path))
    assert (ended.status, ended.err.startswith("error: config.no_editor: "), reason in ended.err) == (1, True, True)
    drafts = list(tmp_path.glob("hal0-config-*/*"))
    assert [f"your text is in {draft}" in ended.out for draft in drafts] == ([True] if name == "fails" else [])


@pytest.mark.parametrize("way", ["ctrl-d", "ctrl-c"])
def test_who_leaves_the_question_finds_the_text_where_it_is_said(
    served: FakeAdmin, terminal: OpenTerminal, editor: str, tmp_path: Path, way: str
) -> None:
    served.answers["PUT /api/config"] = REFUSED
    screen = terminal("config", "edit", EDITOR=editor, TMPDIR=str(tmp_path))
    screen.wait_for("edit again?")
    if way == "ctrl-d":
        screen.type("\x04")
    while way == "ctrl-c" and "your text is in" not in screen.screen:
        screen.process.send_signal(signal.SIGINT)  # between the question and the wait for a key it is missed
        with suppress(TimeoutError):
            screen.wait_for("your text is in", seconds=1.0)
    assert screen.wait() == (1 if way == "ctrl-d" else 130)
    assert "system.internal" not in screen.screen
    draft = (tmp_path / "calls").read_text().strip()
    assert f"your text is in {draft}" in screen.screen.replace("\r\n", "")


def test_an_editor_that_is_not_there_is_said(served: FakeAdmin, hal0: Run, tmp_path: Path) -> None:
    ended = hal0("config", "edit", EDITOR="/no/such/editor", TMPDIR=str(tmp_path))
    assert (ended.status, ended.err.startswith("error: config.no_editor: ")) == (1, True)
