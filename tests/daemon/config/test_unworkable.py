"""A mistake that only shows when a slot's start is prepared refuses the configuration, at its place."""

import asyncio
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
    assert "hal0.toml:3:8: config.invalid: `slots.a.args`" in str(caught.value)


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


class Models:
    """Stands for the model files: whether they allow the context that is asked for."""

    def __init__(self) -> None:
        self.limit = 512
        self.asked = 0

    def __call__(self, settings: Settings) -> Sequence[tuple[Key, Hal0Error]]:
        self.asked += 1
        context = settings.slots["a"].context
        if context is None or context <= self.limit:
            return []
        key = ("slots", "a", "context")
        return [(key, Hal0Error("config.invalid", place="slots.a.context", reason=f"it reads {self.limit}"))]


@pytest.fixture
def models() -> Models:
    return Models()


@pytest.fixture
def refused(tmp_path: Path, models: Models) -> ConfigStore:
    """A store whose files will be refused for the model's sake."""
    path = tmp_path / "hal0.toml"
    path.write_text('[slots.a]\nmodel = "x"\n')
    made = ConfigStore(EventBus(), path, env={}, history=History(tmp_path / "state"), appraise=models)
    made.load()
    path.write_text('[slots.a]\nmodel = "x"\ncontext = 1024\n')
    return made


async def test_a_reload_judges_the_same_files_anew_for_the_model_may_be_another(
    refused: ConfigStore, models: Models
) -> None:
    view = await refused.reload()
    assert [problem.key for problem in view.problems] == ["slots.a.context"]
    since = view.rejected_at
    view = await refused.reload()
    assert view.rejected_at == since, "the same refusal is told once"
    models.limit = 2048
    view = await refused.reload()
    assert (view.revision, view.rejected_at, view.problems) == (2, None, [])
    assert refused.current.settings.slots["a"].context == 1024


async def test_a_model_that_comes_is_noticed_without_being_asked(refused: ConfigStore, models: Models) -> None:
    watching = asyncio.create_task(refused.watch(look_anyway_seconds=0.05))
    try:
        async with asyncio.timeout(10):
            while refused.view().rejected_at is None:
                await asyncio.sleep(0.01)
            models.limit = 2048
            while refused.view().rejected_at is not None:
                await asyncio.sleep(0.01)
    finally:
        watching.cancel()
    assert refused.current.settings.slots["a"].context == 1024


async def test_files_that_are_wrong_in_themselves_are_not_judged_again_and_again(
    refused: ConfigStore, models: Models
) -> None:
    refused.path.write_text('[slots.a]\nmodel = "x"\ncontxt = 1024\n')
    watching = asyncio.create_task(refused.watch(look_anyway_seconds=0.02))
    asked = models.asked
    kinds = [event.kind for event in refused._bus._ring]
    await asyncio.sleep(0.3)
    watching.cancel()
    assert models.asked == asked
    assert [event.kind for event in refused._bus._ring] == [*kinds, "config.rejected"]
