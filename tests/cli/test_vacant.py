"""Commands that write the configuration do so where no daemon runs: judged, with history, and said to be for later."""

import json
import socket
from pathlib import Path

import pytest

from hal0.cli.configuration import Configuration
from hal0.daemon.config.schema import EMBEDDED_SLOTS
from hal0.daemon.instance import claim
from hal0.errors import Hal0Error
from hal0.paths import Paths
from tests.cli.conftest import Run

A = '# mine\n[slots.a]\nmodel = "hal0-starter"   # small\n'
LATER = "no daemon runs: it takes effect when one starts\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "home" / ".config" / "hal0" / "hal0.toml"
    path.parent.mkdir(parents=True)
    path.write_text(A)
    return path


def editor(folder: Path, script: str) -> str:
    path = folder / "editor"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_a_slot_is_edited_created_and_deleted_and_all_of_it_goes_back(hal0: Run, file: Path) -> None:
    ended = hal0("slot", "edit", "a", "context=512")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == f"revision 2 is written, {file}:\n  slots.a.context: unset → 512\n{LATER}"
    assert file.read_text() == A + "context = 512\n"
    assert hal0("slot", "create", "b", "hal0-starter").out.endswith(f"slots.b added\n{LATER}")
    assert hal0("slot", "edit", "a", "--unset", "context").status == 0
    assert hal0("slot", "delete", "b").status == 0
    assert file.read_text() == A
    history = json.loads(hal0("config", "history", "--json").out)["revisions"]
    assert [(each["revision"], each["why"]) for each in history] == [
        (5, "slot b deleted"), (4, "slot a edited"), (3, "slot b created"), (2, "slot a edited"), (1, "edited on disk"),
    ]  # fmt: skip
    assert history[0]["by"].endswith("(hal0)")
    assert "+context = 512" in hal0("config", "diff", "1", "2").out.splitlines()
    ended = hal0("config", "rollback", "3", "--why", "so")
    assert ended.out.startswith("revision 6 is written, ")
    assert file.read_text() == A + 'context = 512\n\n[slots.b]\nmodel = "hal0-starter"\n'
    assert "as revision 3: so" in hal0("config", "history").out


def test_what_the_file_says_since_the_last_revision_is_shown_and_kept(hal0: Run, file: Path) -> None:
    hal0("slot", "edit", "a", "context=512")
    file.write_text(file.read_text() + "# by hand\n")
    assert "+# by hand" in hal0("config", "diff").out.splitlines()
    assert hal0("slot", "edit", "a", "parallel=2").status == 0
    assert [line.split()[0] for line in hal0("config", "history").out.splitlines()[1:-1]] == ["4", "3", "2", "1"]
    assert hal0("config", "rollback", "3").status == 0
    assert file.read_text() == A + "context = 512\n# by hand\n"


def test_a_slot_whose_model_is_not_here_is_written_and_told_of(hal0: Run, file: Path) -> None:
    ended = hal0("slot", "create", "b", "hal0-startr")
    assert ended.status == 0
    assert ended.err.startswith("warning: model.not_found: there is no model named 'hal0-startr'; did you mean ")
    assert hal0("slot", "edit", "b", "context=512").err == "", "it is told when the model is named"
    assert hal0("slot", "edit", "b", "model=qwen3-4b").err.startswith("warning: model.not_pulled: ")
    assert "`hal0 model pull qwen3-4b` fetches it" in hal0("slot", "edit", "b", "model=qwen3-4b", "context=256").err
    assert hal0("slot", "edit", "b", "model=hal0-starter").err == ""


def test_a_mistake_is_refused_with_its_place_before_anything_is_written(hal0: Run, file: Path) -> None:
    ended = hal0("slot", "edit", "a", "context=99999999", "contxt=1")
    assert ended.status == 1
    places = [line.split(" ")[:2] for line in ended.err.splitlines() if line.startswith("/")]
    assert places == [[f"{file}:4:11:", "config.invalid"], [f"{file}:5:1:", "config.unknown_key"]]
    assert f"error: config.rejected: {file} cannot be used, 2 problem(s): told above\n" in ended.err
    assert ended.out == ""
    assert file.read_text() == A
    assert "slot.not_found" in hal0("slot", "delete", "b").err
    assert "slot.already_exists" in hal0("slot", "create", "a", "hal0-starter").err
    assert "config.no_revision" in hal0("config", "rollback", "7").err
    assert file.read_text() == A


def test_a_file_with_which_no_daemon_would_start_is_mended_in_the_editor(hal0: Run, file: Path, tmp_path: Path) -> None:
    hal0("slot", "edit", "a", "context=512")
    good = file.read_text()
    file.write_text(good + "contxt = 1\n")
    assert "contxt" in hal0("slot", "edit", "a", "parallel=2").err
    ended = hal0("config", "edit", EDITOR=editor(tmp_path, 'sed -i "/contxt/d; s/small/tiny/" "$1"'))
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == f"revision 3 is written, {file}:\n  nothing but comments and formatting\n{LATER}"
    assert file.read_text() == good.replace("small", "tiny")
    assert "contxt" in (tmp_path / "state" / "config" / "refused.toml").read_text()


def test_the_history_lies_where_the_file_says_also_while_it_is_broken(hal0: Run, file: Path, tmp_path: Path) -> None:
    file.write_text(f'[daemon]\nstate_dir = "{tmp_path}/other"\n' + A)
    assert hal0("slot", "edit", "a", "context=512", HAL0_STATE_DIR="").status == 0
    file.write_text(file.read_text() + "[broken\n")
    assert "slot a edited" in hal0("config", "history", HAL0_STATE_DIR="").out
    assert (tmp_path / "other" / "config" / "000002.toml").exists()


def test_the_editors_text_does_not_overwrite_what_was_written_meanwhile(hal0: Run, file: Path, tmp_path: Path) -> None:
    writes = f'echo "# theirs" >> {file}; echo "# mine" >> "$1"'
    ended = hal0("config", "edit", EDITOR=editor(tmp_path, writes), TMPDIR=str(tmp_path))
    assert ended.status == 1
    assert "config.conflict" in ended.err
    assert file.read_text() == A + "# theirs\n"
    assert Path(ended.out.partition("your text is in ")[2].strip()).read_text() == A + "# mine\n"


def test_a_program_is_told_in_json_that_nothing_runs_yet(hal0: Run, file: Path) -> None:
    view = json.loads(hal0("slot", "edit", "a", "context=512", "--json").out)
    assert (view["revision"], view["live"], view["needs_restart"]) == (2, False, [])


def test_without_a_file_one_comes_with_the_embedded_slots(hal0: Run, tmp_path: Path) -> None:
    assert hal0("slot", "create", "third", "hal0-starter").status == 0
    text = (tmp_path / "home" / ".config" / "hal0" / "hal0.toml").read_text()
    assert [line for line in text.splitlines() if line.startswith("[")] == [
        *(f"[slots.{name}]" for name in EMBEDDED_SLOTS), "[slots.third]",
    ]  # fmt: skip


def test_a_daemon_that_was_named_is_not_done_without(hal0: Run, file: Path) -> None:
    for more in ({"HAL0_URL": "http://localhost:1"}, {}):
        words = ("--host", "http://localhost:1") if not more else ()
        assert "system.daemon_down" in hal0("slot", "edit", "a", "context=512", *words, **more).err
    assert file.read_text() == A


@pytest.mark.parametrize("has_socket", [False, True])
def test_while_a_daemon_holds_the_place_nothing_is_written_past_it(
    env: dict[str, str], file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_socket: bool
) -> None:
    for name in ("HOME", "HAL0_RUNTIME_DIR", "HAL0_STATE_DIR"):
        monkeypatch.setenv(name, env[name])
    with claim(Paths(file, False, tmp_path / "state", tmp_path / "run")):
        if has_socket:  # of one that ends: nobody listens any more
            with socket.socket(socket.AF_UNIX) as old:
                old.bind(str(tmp_path / "run" / "hal0.sock"))
        with pytest.raises(Hal0Error) as caught:
            Configuration(None, patience_seconds=0.2).edit_slot("a", {"context": 512})
    assert caught.value.code == "system.daemon_down"
    assert file.read_text() == A


def test_a_file_that_may_not_be_written_is_refused(hal0: Run, file: Path) -> None:
    file.chmod(0o444)
    assert "config.read_only" in hal0("slot", "edit", "a", "context=512").err
    assert file.read_text() == A
