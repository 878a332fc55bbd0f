"""Writes through the store: judged first, based on what the writer saw, kept in the history."""

import asyncio
import base64
import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hal0.daemon.config.edits import Edit
from hal0.daemon.config.file import ConfigProblems, judge_sources
from hal0.daemon.config.history import KEPT, History
from hal0.daemon.config.journal import Change, Journal
from hal0.daemon.config.proposals import with_edits, with_slot, with_text, without_slot
from hal0.daemon.config.schema import EMBEDDED_SLOTS, Slot
from hal0.daemon.config.snapshot import Diff, Snapshot
from hal0.daemon.config.sources import Source, Sources
from hal0.daemon.config.store import ConfigStore
from hal0.daemon.events import EventBus
from hal0.errors import Hal0Error
from hal0.wire import ConfigFile, RevisionTexts, SlotEffect

A = '# mine\n[slots.a]\nmodel = "x"   # the first\n\n[slots.b]\nmodel = "y"\n'


def store_in(folder: Path, text: str | None = A) -> ConfigStore:
    path = folder / "hal0.toml"
    if text is not None:
        path.write_text(text)
    store = ConfigStore(EventBus(), path, env={}, history=History(folder / "state"))
    store.load()
    return store


def context(value: int) -> Any:
    return with_edits([Edit(("slots", "a", "context"), value)])


async def test_a_write_is_live_when_it_returns_and_the_watcher_sees_nothing_new(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    view = await store.write(context(64), by="anna", why="smaller")
    assert (view.revision, view.by, view.why) == (2, "anna", "smaller")
    assert store.current.settings.slots["a"].context == 64
    assert store.path.read_text() == A.replace("# the first\n", "# the first\ncontext = 64\n")
    assert (await store.reload()).revision == 2


async def test_a_drop_in_is_edited_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "hal0.d").mkdir()
    drop_in = tmp_path / "hal0.d" / "c.toml"
    drop_in.write_text('# theirs\n[slots.c]\nmodel = "z"\n')
    store = store_in(tmp_path)
    await store.write(with_edits([Edit(("slots", "c", "context"), 64)]), by="anna")
    assert drop_in.read_text() == '# theirs\n[slots.c]\nmodel = "z"\ncontext = 64\n'
    assert store.path.read_text() == A


async def test_the_file_of_a_link_is_written_and_the_link_stays(tmp_path: Path) -> None:
    real = tmp_path / "real.toml"
    real.write_text(A)
    (tmp_path / "hal0.toml").symlink_to("real.toml")
    store = store_in(tmp_path, None)
    await store.write(context(64), by="anna")
    assert "context = 64" in real.read_text()
    assert (tmp_path / "hal0.toml").is_symlink()
    assert (await store.reload()).revision == 2


async def test_the_last_slot_cannot_be_deleted_as_the_embedded_ones_would_come(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    await store.write(with_edits([Edit(("slots", "a"))]), by="anna")
    with pytest.raises(Hal0Error, match=r"config\.invalid"):
        await store.write(with_edits([Edit(("slots", "b"))]), by="anna")
    assert list(store.current.settings.slots) == ["b"]


async def test_an_empty_text_is_refused_unless_it_is_meant(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    with pytest.raises(ConfigProblems) as caught:
        await store.write(with_text(None, ""), by="anna", based_on="1")
    assert caught.value.problems[0].code == "config.implausible"
    assert store.path.read_text() == A
    assert (await store.write(with_text(None, ""), by="anna", based_on="1", force=True)).revision == 2


async def test_a_refused_file_is_mended_by_who_has_seen_it_and_kept_aside(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.path.write_text(A + "contxt = 1\n")
    assert (await store.reload()).problems
    with pytest.raises(Hal0Error, match=r"config\.conflict"):
        await store.write(with_text(None, A + "context = 64\n"), by="anna", based_on="1")
    tag = (await store.texts()).tag
    view = await store.write(with_text(None, A + "context = 64\n"), by="anna", based_on=tag)
    assert (view.revision, view.problems, view.rejected_at) == (2, [], None)
    aside = tomllib.loads((tmp_path / "state" / "refused.toml").read_text())
    assert aside["files"][0]["text"] == A + "contxt = 1\n"


@pytest.mark.parametrize("left", ["", A[: A.index("[slots.b]")], None], ids=["empty", "cut short", "vanished"])
async def test_a_change_to_a_file_that_lost_its_slots_is_refused_as_the_file_is(
    tmp_path: Path, left: str | None
) -> None:
    """The slots that a change brings would make it look meant."""
    store = store_in(tmp_path)
    store.running = lambda: ["a", "b"]
    if left is None:
        store.path.unlink()
    else:
        store.path.write_text(left)
    for based_on in (None, (await store.texts()).tag):
        for proposal in (with_slot("new", {"model": "m"}), context(64)):
            with pytest.raises(ConfigProblems) as caught:
                await store.write(proposal, by="anna", based_on=based_on)
            assert [problem.code for problem in caught.value.problems] == ["config.implausible"]
    assert list(store.current.settings.slots) == ["a", "b"]
    assert (store.path.read_text() if store.path.exists() else None) == left
    text = A + "context = 64\n"
    assert (await store.write(with_text(None, text), by="anna", is_whole=True)).revision == 2
    assert store.path.read_text() == text


async def test_a_text_of_another_file_does_not_make_one_that_was_cut_short_good(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.running = lambda: ["a", "b"]
    store.path.write_text(A[: A.index("[slots.b]")])
    drop_in = with_text(tmp_path / "hal0.d" / "c.toml", '[slots.c]\nmodel = "z"\n')
    with pytest.raises(ConfigProblems, match=r"ends too early"):
        await store.write(drop_in, by="anna", is_whole=True)


async def test_a_slot_that_runs_is_deleted_by_who_says_so_also_at_the_end_of_the_file(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.running = lambda: ["a", "b"]
    assert (await store.write(without_slot("b"), by="anna")).changes == ["slots.b removed"]
    text = A[: A.index("[slots.b]")].rstrip() + "\n"
    assert store.path.read_text() == text


async def test_a_change_to_a_file_with_a_mistake_is_made_by_who_has_seen_it(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.path.write_text(A + "contxt = 1\n")
    mended = with_edits([Edit(("slots", "b", "contxt"))])
    with pytest.raises(ConfigProblems, match="contxt"):
        await store.write(mended, by="anna")
    view = await store.write(mended, by="anna", based_on=(await store.texts()).tag)
    assert (view.revision, view.problems, store.path.read_text()) == (1, [], A)


async def test_a_write_in_the_middle_of_an_editors_save_waits_for_its_end(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    whole = A + "context = 512\n"
    store.path.write_text(A[: A.index("[slots.b]")])
    writing = asyncio.create_task(store.write(context(64), by="anna"))
    while not store._taking_over.locked():
        await asyncio.sleep(0)
    await asyncio.to_thread(store.path.write_text, whole)
    view = await writing
    assert view.revision == 3
    assert store.history is not None
    assert [each.text for each in store.history.get(2).files] == [whole]
    assert list(store.current.settings.slots) == ["a", "b"]


async def test_a_refused_file_that_is_not_utf_8_is_kept_aside_to_the_byte(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    raw = A.encode() + b"# caf\xe9\n"
    store.path.write_bytes(raw)
    await store.write(with_text(None, A), by="anna", is_whole=True)
    (aside,) = tomllib.loads((tmp_path / "state" / "refused.toml").read_text())["files"]
    assert base64.b64decode(aside["base64"]) == raw


async def test_writers_at_once_are_all_heard(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    await asyncio.gather(*(store.write(with_slot(f"s{n}", {"model": "m"}), by="x") for n in range(20)))
    assert len(store.current.settings.slots) == 22
    assert store.current.revision == 21


async def test_a_writer_who_leaves_has_still_written_into_the_history(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    caller = asyncio.create_task(store.write(context(64), by="anna"))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await asyncio.gather(*store._writing)
    assert store.history is not None
    assert store.history.get(2).by == "anna"


async def test_numbers_go_on_after_a_restart_and_fifty_are_kept(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    for n in range(KEPT + 5):
        await store.write(context(64 + n), by="anna")
    assert store.history is not None
    assert store.history.numbers() == list(range(7, KEPT + 7))
    assert store_in(tmp_path, None).current.revision == KEPT + 6
    again = store_in(tmp_path, A)
    assert again.current.revision == KEPT + 7
    assert again.view().why == "read at the start of the daemon"


async def test_a_damaged_history_is_as_if_it_were_not_there(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    await store.write(context(64), by="anna")
    (tmp_path / "state" / "000002.toml").write_bytes(b'revision = 2\n"a\xff')
    again = store_in(tmp_path, None)
    assert again.current.revision == 3
    assert again.history is not None
    assert [each.revision for each in again.history.all()] == [3, 1]
    with pytest.raises(Hal0Error, match=r"config\.no_revision"):
        await again.rollback(2, by="anna")


async def test_a_history_that_cannot_be_written_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    store = store_in(tmp_path)
    assert (await store.write(context(64), by="anna")).revision == 2


async def test_a_rollback_brings_the_text_back_with_its_comments(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    await store.write(with_text(None, '[slots.a]\nmodel = "x"\n'), by="anna")
    view = await store.rollback(1, by="anna", based_on="2")
    assert (view.revision, view.why) == (3, "as revision 1")
    assert store.path.read_text() == A


async def test_a_rollback_over_several_files_is_one_revision(tmp_path: Path) -> None:
    (tmp_path / "hal0.d").mkdir()
    drop_in, more = tmp_path / "hal0.d" / "c.toml", tmp_path / "hal0.d" / "d.toml"
    drop_in.write_text('[slots.c]\nmodel = "z"\n')
    store = store_in(tmp_path)
    before = store.current.settings
    store.path.write_text(A.replace('"x"', '"xx"'))
    drop_in.write_text('[slots.c]\nmodel = "zz"\n')
    more.write_text('[slots.d]\nmodel = "zz"\n')
    assert (await store.reload()).revision == 2
    view = await store.rollback(1, by="anna")
    assert (view.revision, store.current.settings) == (3, before)
    assert (store.path.read_text(), drop_in.read_text()) == (A, '[slots.c]\nmodel = "z"\n')
    assert not more.exists()


async def test_a_rollback_of_which_one_file_cannot_be_written_changes_none(tmp_path: Path) -> None:
    (tmp_path / "hal0.d").mkdir()
    drop_in = tmp_path / "hal0.d" / "c.toml"
    drop_in.write_text('[slots.c]\nmodel = "z"\n')
    store = store_in(tmp_path)
    await store.write(with_edits([Edit(("slots", name, "context"), 64) for name in ("a", "c")]), by="anna")
    now = store.path.read_text(), drop_in.read_text()
    drop_in.chmod(0o444)
    with pytest.raises(Hal0Error, match=r"config\.read_only"):
        await store.rollback(1, by="anna")
    assert (store.path.read_text(), drop_in.read_text()) == now
    assert (await store.reload()).revision == 2


def begun(store: ConfigStore, folder: Path) -> Journal:
    """A write of two files, killed after the first."""
    drop_in = folder / "hal0.d" / "c.toml"
    journal = Journal(folder / "state")
    journal.begin([Change(store.path, A.encode(), A.replace("x", "xx").encode()), Change(drop_in, None, b"[slots.c]")])
    store.path.write_text(A.replace("x", "xx"))
    return journal


async def test_half_of_a_write_that_cannot_be_finished_is_refused_and_told(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    in_the_way = tmp_path / "hal0.d"
    in_the_way.write_text("no folder")
    journal = begun(store, tmp_path)
    view = await store.reload()
    assert view.revision == 1
    assert str(journal.path) in [problem.file for problem in view.problems if problem.code == "config.unfinished"]
    with pytest.raises(ConfigProblems, match=r"cut short"):
        await store.write(context(64), by="anna")
    with pytest.raises(ConfigProblems, match=r"cut short"):
        store_in(tmp_path, None)
    in_the_way.unlink()
    in_the_way.mkdir()
    view = await store.reload()
    assert "config.unfinished" not in [problem.code for problem in view.problems]
    assert journal.pending() == []


async def test_a_rollback_to_no_file_runs_the_embedded_default_again(tmp_path: Path) -> None:
    store = store_in(tmp_path, None)
    await store.write(with_slot("a", {"model": "x"}), by="anna")
    assert list(store.current.settings.slots) == [*EMBEDDED_SLOTS, "a"]
    await store.rollback(1, by="anna")
    assert list(store.current.settings.slots) == list(EMBEDDED_SLOTS)


async def test_a_defect_of_ours_while_slots_change_is_told_and_the_revision_is_live(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    told: list[Hal0Error] = []

    def fail(snapshot: Snapshot, diff: Diff) -> list[SlotEffect]:
        raise RuntimeError("no such luck")

    store.on_applied, store.on_defect = fail, told.append
    store.path.write_text(A + "context = 64\n")
    view = await store.reload()
    assert view.revision == 2
    assert "no such luck" in view.failed
    assert [error.code for error in told] == ["system.internal"]
    store.on_applied = None
    assert (await store.write(context(64), by="anna")).failed == ""


# Any valid slot ------------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0$"), min_size=1, max_size=20)
SLOTS = st.fixed_dictionaries(
    {"model": TEXTS.filter(lambda text: text[0] not in "/~.")},
    optional={
        "context": st.integers(16, 2**24),
        "parallel": st.integers(1, 64),
        "gpus": st.lists(st.integers(0, 255), max_size=3),
        "args": st.lists(TEXTS, max_size=3),
        "env": st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,5}", fullmatch=True), TEXTS, max_size=2),
        "autostart": st.booleans(),
        "idle_after": st.floats(0, 1e6) | st.integers(0, 10**6) | st.sampled_from(["30s", "1h30m", "7d"]),
    },
)


@settings(max_examples=100, deadline=None)
@given(first=SLOTS, then=SLOTS)
def test_any_valid_slot_that_is_written_is_read_back_equal(first: dict[str, Any], then: dict[str, Any]) -> None:
    main = Path("/nowhere/hal0.toml")
    sources = Sources((Source(main, A.encode()),), (), True)
    for table in (first, then):
        sources = with_slot("it", table)(sources, main)
        judged = judge_sources(main, sources, env={})
        assert judged.settings is not None, judged.problems
        assert judged.settings.slots["it"] == Slot.model_validate_json(json.dumps(table))
    assert sources.files[0].raw.decode().startswith(A)


@pytest.mark.parametrize("text", ["# mine\n[server]\nport = 1\n", "a = 1\r\nb = 2\r\n", '"""\n\\\t\u00e9', ""])
def test_a_revisions_text_comes_back_byte_for_byte_and_is_readable_on_disk(tmp_path: Path, text: str) -> None:
    history = History(tmp_path)
    revision = RevisionTexts(revision=7, at=1.5, by="me", hash="h", files=[ConfigFile(path="/x/hal0.toml", text=text)])
    history.record(revision)
    assert history.get(7) == revision
    if text.startswith("# mine"):
        assert text in (tmp_path / "000007.toml").read_text()
