"""Which revision is good, which one is taken back, and to which: over a real store, with slots that a test moves."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

from hal0.daemon.config.edits import Edit
from hal0.daemon.config.history import History
from hal0.daemon.config.proposals import with_edits
from hal0.daemon.config.snapshot import Diff, Snapshot
from hal0.daemon.config.store import ConfigStore
from hal0.daemon.config.trial import BY, Trial
from hal0.daemon.events import EventBus
from hal0.errors import Hal0Error
from hal0.wire import SlotEffect

A = '[daemon]\nauto_rollback = true\n[slots.a]\nmodel = "x"\n[slots.b]\nmodel = "y"\n'
BROKEN = Hal0Error("slot.load_failed", slot="a", reason="no such option")


class Scene:
    """Slots that run; a changed `model` or `context` restarts them."""

    def __init__(self, folder: Path) -> None:
        path = folder / "hal0.toml"
        path.write_text(A)
        self.store = ConfigStore(EventBus(), path, env={}, history=History(folder / "state"))
        self.store.load()
        self.verdicts: list[Hal0Error] = []
        self.up = ["a", "b"]
        self.trial = Trial(self.store, on_failure=lambda error, slot: self.verdicts.append(error))
        self.store.running = lambda: self.up
        self.store.on_applied = self.apply

    def apply(self, snapshot: Snapshot, diff: Diff) -> Sequence[SlotEffect]:
        touched = {key.split(".")[1] for key in diff.keys if key.endswith((".model", ".context"))}
        restarts = touched & set(self.up)
        effects = [
            SlotEffect(name=name, effect="restart" if name in restarts else "keep", running=True)
            for name in snapshot.settings.slots
        ]
        self.trial.begin(snapshot, diff, effects)
        return effects

    async def edit(self, key: str, value: object) -> int:
        """Change one key, dotted; the new revision."""
        return (await self.store.write(with_edits([Edit(tuple(key.split(".")), value)]), by="anna")).revision

    async def until_verdict(self) -> str:
        while not self.verdicts:
            await asyncio.sleep(0.001)
        return self.verdicts[-1].message


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    scene = Scene(tmp_path)
    running = asyncio.create_task(scene.trial.run())
    yield scene
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_the_way_back_leads_to_the_last_revision_whose_slots_became_ready(scene: Scene) -> None:
    await scene.edit("slots.a.context", 64)
    scene.trial.ready("a")  # so revision 2 is good
    await scene.edit("daemon.auto_rollback", False)
    await scene.edit("slots.a.context", 128)
    scene.trial.failed("a", BROKEN)  # revision 4, and it stays
    await scene.edit("daemon.auto_rollback", True)  # as bad as the one before
    await scene.edit("slots.b.context", 64)
    scene.trial.failed("b", BROKEN)
    scene.verdicts.clear()
    assert (await scene.until_verdict()).startswith("revision 6 was taken back to revision 3: b did not become ready")
    assert scene.store.current.settings.slots["a"].context == 64


async def test_an_edit_that_starts_no_slot_does_not_save_the_one_before(scene: Scene) -> None:
    await scene.edit("slots.a.context", 64)
    await scene.edit("slots.a.idle_after", 60)
    scene.trial.failed("a", BROKEN)
    assert await scene.until_verdict() == (
        f"revision 2 was taken back to revision 1: a did not become ready: {BROKEN.message} "
        "(what revision 3 changed since then went with it)"
    )
    assert scene.store.path.read_text() == A
    assert scene.store.view().failed == scene.verdicts[-1].message


async def test_an_edit_that_starts_no_slot_is_good_if_the_one_before_is(scene: Scene) -> None:
    await scene.edit("slots.a.context", 64)
    await scene.edit("slots.a.idle_after", 60)
    scene.trial.ready("a")
    await scene.edit("slots.a.context", 128)
    scene.trial.failed("a", BROKEN)
    assert (await scene.until_verdict()).startswith("revision 4 was taken back to revision 3: ")


async def test_a_later_edit_that_starts_a_slot_is_somebody_mending(scene: Scene) -> None:
    await scene.edit("slots.a.context", 64)
    await scene.edit("slots.b.context", 64)
    scene.trial.failed("a", BROKEN)
    assert (await scene.until_verdict()).startswith("since revision 2 of the configuration a does not become ready")
    assert scene.store.current.revision == 3


async def test_a_second_slot_that_fails_changes_nothing_about_the_way_back(scene: Scene) -> None:
    both = with_edits([Edit(("slots", name, "context"), 64) for name in ("a", "b")])
    await scene.store.write(both, by="anna")
    scene.trial.failed("a", BROKEN)
    await asyncio.sleep(0)  # the way back is under way
    scene.trial.failed("b", BROKEN)
    await scene.until_verdict()
    for _ in range(5):
        await asyncio.sleep(0.001)
    assert [error.code for error in scene.verdicts] == ["config.rolled_back"]
    view = scene.store.view()
    assert (view.revision, view.by) == (3, BY)
    assert view.failed.startswith("revision 2 was taken back to revision 1")


async def test_a_way_back_that_fails_as_well_stays_whatever_is_edited_meanwhile(scene: Scene) -> None:
    await scene.edit("slots.a.context", 64)
    scene.trial.failed("a", BROKEN)
    await scene.until_verdict()
    await scene.edit("slots.a.idle_after", 60)
    scene.trial.failed("a", BROKEN)
    assert scene.verdicts[-1].message.startswith("since revision 3 of the configuration a does not become ready")
    assert scene.store.current.revision == 4


async def test_what_is_edited_after_a_way_back_that_started_nothing_is_not_lost(scene: Scene) -> None:
    await scene.edit("slots.a.context", 64)
    scene.up = ["b"]
    scene.trial.failed("a", BROKEN)
    assert (await scene.until_verdict()).startswith("revision 2 was taken back to revision 1: ")
    scene.verdicts.clear()
    await scene.edit("slots.a.idle_after", 60)
    await scene.edit("slots.b.context", 64)
    scene.trial.failed("b", BROKEN)
    assert (await scene.until_verdict()).startswith("revision 5 was taken back to revision 4: ")
    assert scene.store.current.settings.slots["a"].idle_after == 60


async def test_a_start_that_was_called_off_decides_nothing_for_good(scene: Scene) -> None:
    await scene.edit("slots.a.context", 64)
    scene.up = ["b"]  # somebody has unloaded it before it was ready
    await scene.edit("slots.b.context", 64)
    scene.trial.ready("b")
    await scene.edit("slots.b.context", 128)
    scene.trial.failed("b", BROKEN)
    assert (await scene.until_verdict()).startswith("revision 4 was taken back to revision 3: ")


async def test_who_edits_while_the_way_back_begins_has_precedence(scene: Scene) -> None:
    await scene.edit("slots.a.context", 64)
    writing = asyncio.create_task(scene.edit("slots.a.context", 32))
    while not scene.store._taking_over.locked():
        await asyncio.sleep(0)
    scene.trial.failed("a", BROKEN)
    assert await writing == 3
    assert (await scene.until_verdict()).startswith("since revision 2 of the configuration a does not become ready")
    assert scene.store.current.settings.slots["a"].context == 32
