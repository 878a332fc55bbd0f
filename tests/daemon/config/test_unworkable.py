"""A mistake that only shows when a slot's start is prepared refuses the configuration, at its place."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from hal0.daemon.config.file import ConfigProblems, judge
from hal0.daemon.config.history import History
from hal0.daemon.config.positions import Key
from hal0.daemon.config.proposals import with_text
from hal0.daemon.config.schema import Settings
from hal0.daemon.config.store import ConfigStore
from hal0.daemon.events import EventBus
from hal0.errors import Hal0Error

GOOD = '[slots.a]\nmodel = "x"\nargs = ["--fine"]\n'
BAD = GOOD.replace("--fine", "--port")


def no_port(settings: Settings) -> Sequence[tuple[Key, Hal0Error]]:
    """Refuses `--port` at the key, and the model "kindless" at a key that nobody wrote."""
    found: list[tuple[Key, Hal0Error]] = []
    for name, slot in settings.slots.items():
        for wrong, key in (("--port" in slot.args, "args"), (slot.model == "kindless", "kind")):
            if wrong:
                error = Hal0Error("config.invalid", place=f"slots.{name}.{key}", reason=f"{key} cannot be meant")
                found.append((("slots", name, key), error))
    return found


def test_the_problem_stands_at_its_value(tmp_path: Path) -> None:
    path = tmp_path / "hal0.toml"
    path.write_text(BAD)
    judgement = judge(path, env={}, appraise=no_port)
    assert judgement.settings is None
    (problem,) = judgement.problems
    assert (problem.code, problem.file, problem.line, problem.column) == ("config.invalid", str(path), 3, 8)
    assert (problem.key, problem.message) == ("slots.a.args", "`slots.a.args`: args cannot be meant")
    assert problem.source == 'args = ["--port"]'


def test_a_key_that_is_not_written_is_told_at_its_table_also_in_a_drop_in(tmp_path: Path) -> None:
    path = tmp_path / "hal0.toml"
    path.write_text(GOOD)
    more = tmp_path / "hal0.d" / "more.toml"
    more.parent.mkdir()
    more.write_text('\n[slots.b]\nmodel = "kindless"\n')
    (problem,) = judge(path, env={}, appraise=no_port).problems
    assert (problem.file, problem.line, problem.column, problem.key) == (str(more), 2, 1, "slots.b.kind")


def test_only_a_configuration_that_is_right_otherwise_is_appraised(tmp_path: Path) -> None:
    path = tmp_path / "hal0.toml"
    path.write_text(BAD + "[dispatch]\nchat = 'none'\n")
    assert [problem.key for problem in judge(path, env={}, appraise=no_port).problems] == ["dispatch.chat"]


def store(folder: Path, text: str) -> ConfigStore:
    (folder / "hal0.toml").write_text(text)
    made = ConfigStore(EventBus(), folder / "hal0.toml", env={}, history=History(folder / "state"), appraise=no_port)
    made.load()
    return made


def test_a_daemon_does_not_start_from_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigProblems) as caught:
        store(tmp_path, BAD)
    assert "hal0.toml:3:8: `slots.a.args`" in str(caught.value)


async def test_an_edit_on_disk_is_refused_and_the_last_good_one_goes_on(tmp_path: Path) -> None:
    running = store(tmp_path, GOOD)
    (tmp_path / "hal0.toml").write_text(BAD)
    view = await running.reload()
    assert (view.revision, [problem.key for problem in view.problems]) == (1, ["slots.a.args"])
    assert running.current.settings.slots["a"].args == ("--fine",)
    (tmp_path / "hal0.toml").write_text(GOOD)
    assert (await running.reload()).rejected_at is None


async def test_a_write_is_refused_before_the_file_is_touched(tmp_path: Path) -> None:
    running = store(tmp_path, GOOD)
    with pytest.raises(ConfigProblems) as caught:
        await running.write(with_text(None, BAD), by="test")
    assert [problem.key for problem in caught.value.problems] == ["slots.a.args"]
    assert (tmp_path / "hal0.toml").read_text() == GOOD
    assert (await running.judge(with_text(None, BAD))).settings is None
