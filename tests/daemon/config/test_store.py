"""One step from one snapshot to the next, or none; and what is said of it."""

import asyncio
from pathlib import Path

import pytest

from hal0.daemon.config.file import ConfigProblems
from hal0.daemon.config.schema import EMBEDDED_SLOTS
from hal0.daemon.config.snapshot import Diff, Snapshot
from hal0.daemon.config.store import ConfigStore
from hal0.daemon.events import Event, EventBus
from hal0.wire import ConfigView

A = '[slots.a]\nmodel = "x"\nidle_after = "1m"\n[slots.b]\nmodel = "y"\n'


class Scene:
    """A store on a real file, with everything it published."""

    def __init__(
        self, folder: Path, text: str | None = A, *, required: bool = False, env: dict[str, str] | None = None
    ) -> None:
        self.path = folder / "hal0.toml"
        if text is not None:
            self.path.write_text(text)
        self.bus = EventBus()
        self.applied: list[tuple[Snapshot, Diff]] = []
        self.store = ConfigStore(self.bus, self.path, required=required, env=env or {})
        self.store.on_applied = lambda snapshot, diff: self.applied.append((snapshot, diff))
        self.store.load()

    async def save(self, text: str, *, force: bool = False) -> ConfigView:
        self.path.write_text(text)
        return await self.store.reload(force=force)

    def events(self) -> list[Event]:
        return list(self.bus._ring)

    def kinds(self) -> list[str]:
        return [event.kind for event in self.events()]


def test_the_first_load_is_revision_one_and_no_event(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    assert (scene.store.current.revision, scene.store.current.exists) == (1, True)
    assert scene.kinds() == []
    view = scene.store.view()
    assert (view.revision, view.problems, view.rejected_at, view.needs_restart) == (1, [], None, [])


def test_a_first_load_with_mistakes_raises_all_of_them(tmp_path: Path) -> None:
    with pytest.raises(ConfigProblems) as caught:
        Scene(tmp_path, "[server]\nport = 0.5\nhots = 'x'\n")
    assert len(caught.value.problems) == 2
    assert str(caught.value).count("\n") == 2
    assert "hal0.toml:3:1: config.unknown_key: unknown key `hots`" in str(caught.value)


async def test_an_edit_swaps_the_whole_snapshot_and_tells_what_changed(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    before = scene.store.current
    view = await scene.save(A.replace("1m", "2m"))
    assert scene.store.current.revision == 2
    assert scene.store.current.settings.slots["a"].idle_after == 120
    assert before.settings.slots["a"].idle_after == 60
    assert view.changes == ['slots.a.idle_after: "1m" → "2m"']
    assert scene.kinds() == ["config.applied"]
    assert scene.events()[0].data == view
    ((snapshot, diff),) = scene.applied
    assert snapshot is scene.store.current
    assert diff.slots_changed == ("a",)
    assert scene.store.current.settings.slots["b"] == before.settings.slots["b"]


async def test_the_same_content_is_nothing(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    snapshot = scene.store.current
    await scene.save(A)
    assert scene.store.current is snapshot
    assert scene.kinds() == []


async def test_a_changed_comment_is_a_revision_without_changes(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    view = await scene.save("# hello\n" + A)
    assert (view.revision, view.changes) == (2, ["nothing but comments and formatting"])
    assert scene.applied[0][1] == Diff()


async def test_a_mistake_keeps_the_running_snapshot_and_is_told_once(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    snapshot = scene.store.current
    view = await scene.save(A + "contxt = 1\n")
    assert scene.store.current is snapshot
    assert scene.applied == []
    assert [(p.line, p.column, p.code) for p in view.problems] == [(6, 1, "config.unknown_key")]
    assert view.rejected_at is not None
    await scene.store.reload()
    assert scene.kinds() == ["config.rejected"]
    assert scene.events()[0].data == view


async def test_the_log_tells_each_problem_with_its_place_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(tmp_path)
    await scene.save(A + "contxt = 1\nparallel = 0\n")
    await scene.store.reload()
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert told[0] == "the configuration is refused, revision 1 goes on"
    assert [line.partition(": ")[0] for line in told[1:]] == [f"{scene.path}:6:1", f"{scene.path}:7:12"]
    assert "did you mean `context`?" in told[1]
    caplog.clear()
    await scene.save(A)
    assert [record.getMessage() for record in caplog.records if record.name == "hal0.config"] == []


async def test_another_mistake_is_told_anew_and_a_mended_file_clears_it(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    await scene.save(A + "contxt = 1\n")
    await scene.save(A + "contekst = 1\n")
    view = await scene.save(A + "context = 64\n")
    assert scene.kinds() == ["config.rejected", "config.rejected", "config.applied"]
    assert (view.revision, view.problems, view.rejected_at) == (2, [], None)


async def test_going_back_to_the_running_content_clears_the_rejection(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    await scene.save(A + "contxt = 1\n")
    view = await scene.save(A)
    assert (view.revision, view.problems, view.rejected_at) == (1, [], None)
    assert scene.kinds() == ["config.rejected", "config.applied"]
    assert scene.applied == []
    await scene.save(A + "contxt = 1\n")
    assert scene.kinds()[-1] == "config.rejected"


async def test_keys_read_at_the_start_are_listed(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    view = await scene.save(A + "[server]\nport = 9000\nbody_limit = '1MiB'\n")
    assert view.needs_restart == ["server.port"]
    view = await scene.save(A + "[server]\nbody_limit = '1MiB'\n")
    assert view.needs_restart == []


IMPLAUSIBLE = {
    "empty": "",
    "blank": "\n \n",
    "cut at a line end": "[daemon]\nlog_level = 'info'\n",
}


@pytest.mark.parametrize("name", IMPLAUSIBLE)
async def test_a_file_that_lost_its_slots_is_refused_until_a_person_insists(tmp_path: Path, name: str) -> None:
    scene = Scene(tmp_path, "[daemon]\nlog_level = 'info'\n" + A)
    view = await scene.save(IMPLAUSIBLE[name])
    assert [problem.code for problem in view.problems] == ["config.implausible"]
    assert list(scene.store.current.settings.slots) == ["a", "b"]
    view = await scene.store.reload(force=True)
    assert (view.revision, view.problems) == (2, [])
    assert list(scene.store.current.settings.slots) == list(EMBEDDED_SLOTS)


async def test_a_vanished_file_is_refused_until_a_person_insists(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.path.unlink()
    view = await scene.store.reload()
    assert (view.revision, view.exists) == (1, True)
    assert "vanished" in view.problems[0].message
    view = await scene.store.reload(force=True)
    assert (view.revision, view.exists, view.problems) == (2, False, [])


async def test_a_named_file_stays_required(tmp_path: Path) -> None:
    scene = Scene(tmp_path, required=True)
    scene.path.unlink()
    view = await scene.store.reload(force=True)
    assert [problem.code for problem in view.problems] == ["config.not_found"]
    assert list(scene.store.current.settings.slots) == ["a", "b"]


async def test_the_last_slot_of_a_file_can_be_removed_from_its_end(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.store.running = lambda: ["a"]
    view = await scene.save(A[: A.index("[slots.b]")])
    assert view.changes == ["slots.b removed"]


async def test_a_file_that_ends_before_a_slot_that_runs_is_refused_until_a_person_insists(tmp_path: Path) -> None:
    """A slot that is taken out at the end, and a save cut short at the end of a line, are the same bytes."""
    scene = Scene(tmp_path)
    scene.store.running = lambda: ["a", "b"]
    view = await scene.save(A[: A.index("[slots.b]")])
    (problem,) = view.problems
    assert (view.revision, problem.code, problem.file) == (1, "config.implausible", str(scene.path))
    assert problem.message.startswith("the file ends too early: the slot b, which runs, is not in it any more")
    assert list(scene.store.current.settings.slots) == ["a", "b"]
    view = await scene.store.reload(force=True)
    assert view.changes == ["slots.b removed"]


async def test_a_slot_that_runs_can_be_taken_out_where_more_follows(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.store.running = lambda: ["a", "b"]
    view = await scene.save(A[A.index("[slots.b]") :])
    assert view.changes == ["slots.a removed"]


@pytest.mark.parametrize("left", ["", "[slots.c]\nmodel = 'z'\n", None], ids=["empty", "cut short", "vanished"])
async def test_a_drop_in_that_lost_a_slot_that_runs_is_refused(tmp_path: Path, left: str | None) -> None:
    drop_in = tmp_path / "hal0.d" / "c.toml"
    drop_in.parent.mkdir()
    drop_in.write_text("[slots.c]\nmodel = 'z'\n[slots.d]\nmodel = 'z'\n")
    scene = Scene(tmp_path)
    scene.store.running = lambda: ["d"]
    if left is None:
        drop_in.unlink()
    else:
        drop_in.write_text(left)
    view = await scene.store.reload()
    assert [(problem.code, problem.file) for problem in view.problems] == [("config.implausible", str(drop_in))]
    assert list(scene.store.current.settings.slots) == ["a", "b", "c", "d"]


async def test_a_slot_that_runs_may_move_to_another_file(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.store.running = lambda: ["a", "b"]
    (tmp_path / "hal0.d").mkdir()
    (tmp_path / "hal0.d" / "b.toml").write_text(A[A.index("[slots.b]") :])
    view = await scene.save(A[: A.index("[slots.b]")])
    assert (view.revision, view.problems) == (2, [])


async def test_a_save_that_pauses_half_way_is_waited_for(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    new = A.replace("1m", "1m") + "context = 64\n"
    scene.path.write_text(A[: A.index("[slots.b]")])
    reloading = asyncio.create_task(scene.store.reload())
    await asyncio.sleep(0.02)  # the writer's pause
    scene.path.write_text(new)
    await reloading
    assert scene.kinds() == ["config.applied"]
    assert list(scene.store.current.settings.slots) == ["a", "b"]


async def test_a_key_that_the_environment_overrules_is_told_and_waits(tmp_path: Path) -> None:
    scene = Scene(tmp_path, env={"HAL0_PORT": "8123"})
    view = await scene.save(A + "[server]\nport = 9000\n")
    assert view.changes == ["server.port: unset → 9000, but HAL0_PORT wins"]
    assert view.needs_restart == ["server.port"]
    assert scene.store.current.settings.server.port == 8123
    assert (await scene.save(A)).needs_restart == []


async def test_a_file_can_come_later(tmp_path: Path) -> None:
    scene = Scene(tmp_path, text=None)
    assert not scene.store.current.exists
    view = await scene.save(A)
    assert (view.revision, view.exists) == (2, True)


async def test_reloads_at_the_same_time_take_over_once(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.path.write_text(A.replace("1m", "2m"))
    await asyncio.gather(*(scene.store.reload() for _ in range(20)))
    assert scene.kinds() == ["config.applied"]


async def test_a_drop_in_is_part_of_the_content(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    (tmp_path / "hal0.d").mkdir()
    (tmp_path / "hal0.d" / "c.toml").write_text('[slots.c]\nmodel = "z"\n')
    assert (await scene.store.reload()).changes == ["slots.c added"]
    (tmp_path / "hal0.d" / "c.toml").unlink()
    assert (await scene.store.reload()).changes == ["slots.c removed"]
