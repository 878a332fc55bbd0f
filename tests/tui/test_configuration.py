"""What an edit does to the slots is shown where a person looks: at once, on its page, and loudly if it went wrong."""

from pathlib import Path

from hal0.tui import configuration, problems
from hal0.tui.effects import summary
from hal0.tui.look import UNICODE
from hal0.tui.screens.config import ConfigPage
from hal0.tui.screens.home import Home
from hal0.tui.screens.problem import ProblemPage
from hal0.tui.store import Store
from hal0.wire import ConfigView, ErrorRecord, ErrorView, SlotView
from tests.tui.live import live
from tests.tui.samples import FAILED, NOW, busy_state, config, edited_config, rejected_config, slot


def text_of(view: ConfigView, slots: dict[str, SlotView], width: int = 120) -> str:
    page = configuration.page(view, slots, width, UNICODE)
    return "\n".join("".join(text for text, _ in spans).rstrip() for spans in page)


def row_of(text: str, name: str) -> str:
    return next(row for row in text.splitlines() if row.strip().startswith(name))


def test_the_page_tells_the_effect_on_each_slot_and_the_reason_of_a_restart() -> None:
    slots = {view.name: view for view in busy_state().slots}
    text = text_of(edited_config(), slots)
    assert "cfg r42 ok" in text
    assert "more room for the long prompts" in text
    assert "slots.embed.aliases" in text
    assert "server.port: from the next restart of the daemon" in text
    assert "restarts when its requests are done" in row_of(text, "chat-l")
    assert "--ctx-size 16384 → --ctx-size 32768" in text
    assert "keeps running" in row_of(text, "code-m")
    assert "changes at once" in row_of(text, "embed")
    assert "stays as it is" in row_of(text, "draft")
    assert "did you mean 'bge-m3'?" in text


def test_a_slot_that_waits_for_its_restart_tells_the_revision_it_still_runs_with() -> None:
    waiting = text_of(edited_config(), {"chat-l": slot("chat-l", "serving", revision=41)})
    assert row_of(waiting, "chat-l").endswith("serving, still r41")
    done = text_of(edited_config(), {"chat-l": slot("chat-l", "serving", revision=42)})
    assert row_of(done, "chat-l").endswith("serving")
    gone = text_of(edited_config(), {"chat-l": slot("chat-l", "offline", revision=41, pid=None)})
    assert "still" not in row_of(gone, "chat-l")


def test_no_line_of_the_page_is_wider_than_the_screen() -> None:
    from hal0.tui.lines import width_of

    slots = {view.name: view for view in busy_state().slots}
    for width in (40, 60, 76, 80, 200):
        for view in (edited_config(failed=FAILED), rejected_config(), config()):
            lines = configuration.page(view, slots, width, UNICODE)
            assert max(width_of(spans) for spans in lines) <= width, width


def test_the_summary_names_the_slots_that_an_edit_touches() -> None:
    told = summary(edited_config())
    assert told == "cfg r42 by ada is live: chat-l restarts, embed changes at once, rerank is new, 2 untouched"


async def test_an_edit_tells_its_effects_and_c_opens_the_page_with_them(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(), (120, 36)) as both:
        await both.sees("cfg r41 ok")
        both.daemon.publish("config.applied", edited_config())
        await both.sees("cfg r42 ok+restart", "cfg r42 by ada is live: chat-l restarts, embed changes at once")
        await both.press("6")
        assert isinstance(both.dashboard.screen, ConfigPage)
        await both.sees("restarts when its requests are done", "serving, still r1", "--ctx-size 32768")
        both.daemon.change_slot("chat-l", state="warming", revision=42)
        await both.no_longer_sees("still r1")
        await both.press("escape")
        assert isinstance(both.dashboard.screen, Home)


async def test_the_page_follows_the_next_edit(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(config=edited_config()), (120, 36)) as both:
        await both.press("6")
        await both.sees("r42", "ada")
        both.daemon.publish("config.applied", edited_config(revision=43, by="grace", why="", changes=["x: 1 → 2"]))
        await both.sees("cfg r43 ok", "grace", "x: 1 → 2", "what r43 did to each slot")


async def test_an_edit_that_fails_is_loud_and_e_tells_why(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(config=edited_config(), errors=[]), (120, 36)) as both:
        await both.no_longer_sees("EDIT FAILED")
        both.daemon.publish("config.applied", edited_config(failed=FAILED))
        await both.sees(" cfg r42 EDIT FAILED ")
        await both.press("6")
        await both.sees(FAILED)
        await both.press("e")
        assert isinstance(both.dashboard.screen, ProblemPage)
        await both.sees("config.slot_failed", "does not become ready")


async def test_the_keys_of_the_page_copy_and_explain(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(config=edited_config()), (120, 36)) as both:
        await both.press("6", "Y")
        await both.sees("copied the hal0 command")
        await both.press("y")
        await both.sees("copied the path of the configuration")
        await both.press("question_mark")
        await both.sees("keys in configuration page")


async def test_what_a_key_has_just_asked_is_not_talked_over_by_an_edit(tmp_path: Path) -> None:
    async with live(tmp_path, busy_state(), (120, 36)) as both:
        await both.press("ctrl+x")
        await both.sees("^x again cancels")
        both.daemon.publish("config.applied", edited_config())
        await both.sees("cfg r42")
        assert "^x again cancels" in both.screen


def test_a_failed_edit_is_the_first_problem_and_told_once() -> None:
    error = ErrorView(code="config.slot_failed", message=FAILED, details={"revision": 42, "good": 41, "slot": "chat-l"})
    record = ErrorRecord(id=9, error=error, slot="chat-l", first_at=NOW - 2, last_at=NOW - 2)
    store = Store()
    store.load(busy_state(config=edited_config(failed=FAILED), errors=[*busy_state().errors, record]))
    found = problems.troubles(store)
    assert [trouble.message for trouble in found].count(FAILED) == 1
    assert found[0].message == FAILED
    assert "rollback 41" in found[0].remedy
    store.load(busy_state(config=edited_config(failed=FAILED), errors=[], slots=[]))
    assert [trouble.code for trouble in problems.troubles(store)] == ["config.slot_failed"]
    assert problems.has_troubles(store)
